"""`dripline docs`"""

from __future__ import annotations

import click

SECTION = "Rules"


@click.command
@click.argument("word", default="")
def command(word: str) -> int:
    """Look a WORD of the rule files up: what it means, what it may hold, and an example. Without one, list them.

    \b
    Examples:
      dripline docs
      dripline docs limit
      dripline docs count
    """
    from workers.rulebook import manual

    try:
        click.echo(manual(word))
    except KeyError as error:
        click.echo(f"Error: {error.args[0]}", err=True)
        return 1
    if not word:
        click.echo("\nMore about one of them: dripline docs WORD", err=True)
    return 0
