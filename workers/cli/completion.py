"""`dripline completion`"""

from __future__ import annotations

import click

SECTION = "Settings"


@click.command
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the script that lets your shell complete commands and options.

    \b
    Examples:
      dripline completion bash >> ~/.bashrc
      dripline completion zsh >> ~/.zshrc
      dripline completion fish > ~/.config/fish/completions/dripline.fish
    """
    from click.shell_completion import get_completion_class

    from workers.cli._main import cli

    found = get_completion_class(shell)
    assert found is not None  # click knows the three
    click.echo(found(cli, {}, "dripline", "_DRIPLINE_COMPLETE").source())
