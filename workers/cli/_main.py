"""Finding the commands, and turning what goes wrong in them into a sentence and an exit code."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from workers.exceptions import DriplineError

if TYPE_CHECKING:
    from collections.abc import Iterator

SECTIONS: Final = ("Start", "Rules", "Processes", "Look and act", "Settings")
INTERRUPTED: Final = 130
"""What shells make of a Ctrl-C."""
EPILOG: Final = """
Exit codes: 0 all is well, 1 it did not work or something was found, 2 the command was not understood.

\b
Start here:
  dripline demo                     see it work in under a minute
  dripline dev                      run it here, with nothing else to install
"""


class Commands(click.Group):
    """Every module of this package without a leading underscore is a command: its object `command`. An underscore
    inside of its name is a dash on the command line.
    """

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """All names."""
        package = importlib.import_module("workers.cli")
        names = (module.name for module in pkgutil.iter_modules(package.__path__))
        return sorted(name.replace("_", "-") for name in names if name[0] != "_")

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of that name, imported now."""
        if name not in self.list_commands(ctx):
            return None
        found: click.Command = module_of(name).command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest right name for a wrong one."""
        if args and args[0] not in self.list_commands(ctx) and not args[0].startswith("-"):
            from workers.text import suggestion  # only mistakes need it

            ctx.fail(f"There is no command '{args[0]}'; {suggestion(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, by section."""
        for section in SECTIONS:
            with formatter.section(section):
                formatter.write_dl(list(self._described(ctx, section)))

    def _described(self, ctx: click.Context, section: str) -> Iterator[tuple[str, str]]:
        for name in self.list_commands(ctx):
            if section == module_of(name).SECTION:
                command = self.get_command(ctx, name)
                yield name, command.get_short_help_str(90) if command else ""


def module_of(name: str) -> Any:
    """The module of a command: `send-test` is in `send_test.py`."""
    return importlib.import_module(f"workers.cli.{name.replace('-', '_')}")


@click.command(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dripline")
def cli() -> None:
    """Marketing automation as code: YAML rules score leads, send drips and promote opportunities, exactly once."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command that the arguments (of the process) name, and exit."""
    try:
        result: Any = cli.main(arguments, prog_name="dripline", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort as error:
        click.echo("Aborted.", err=True)
        sys.exit(INTERRUPTED if isinstance(error.__cause__, KeyboardInterrupt) else 1)
    except BrokenPipeError:  # `dripline … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (
        Exception
    ) as error:  # what is meant for people is a sentence; anything else is a fault, and shows its traceback
        sentence = said(error)
        if sentence is None:
            raise
        click.secho(f"Error: {sentence}", err=True, fg="red" if sys.stderr.isatty() else None)
        sys.exit(1)
    sys.exit(result if isinstance(result, int) else 0)


def said(error: Exception) -> str | None:
    """What to tell the person; None for what is our own mistake and deserves its traceback."""
    if isinstance(error, DriplineError):
        return str(error)
    if isinstance(error, PermissionError):
        return f"{error.filename or 'a file'} belongs to somebody else; become that user, or name another folder"
    return None
