"""`dripline docs`"""

from __future__ import annotations

import click

SECTION = "Rules"


@click.command
@click.argument("word", default="")
def command(word: str) -> int:
    """Look a WORD up: of the rule files, what it means, what it may hold, and an example; of an e-mail provider, CRM or
    source of webhooks, how it is set up, and its settings. Without one, list them.

    \b
    Examples:
      dripline docs
      dripline docs limit
      dripline docs count
      dripline docs postmark
    """
    from workers.cli._adapters import listing, names, page
    from workers.rulebook import manual
    from workers.text import nearest

    adapter = page(word) if word else listing()
    try:
        told = manual(word)
    except KeyError as error:
        if not adapter:
            near = nearest(word, names())
            said = f"there is no word `{word}`; did you mean {near}?" if near else error.args[0]
            click.echo(f"Error: {said}", err=True)
            return 1
        told = ""
    click.echo("\n\n\n".join(filter(None, [told, adapter])))
    if not word:
        click.echo("\nMore about one of them: dripline docs WORD", err=True)
    return 0
