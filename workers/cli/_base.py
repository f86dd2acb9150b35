"""What the commands share: settings, the store, and the two ways of printing."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from rich.console import Console
    from sqlalchemy import Connection, Engine

    from workers.config import Settings
    from workers.engine.rules import Rulebook

as_json = click.option("--json", "as_json", is_flag=True, help="Print data for a program instead of text for a person.")


class Instant(click.ParamType[datetime]):
    """An instant on the command line: a date, or a date and time, in this machine's zone unless it names its offset."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it."""
        if isinstance(value, datetime):
            return value
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except ValueError:
            self.fail(f"{value!r} is no date or time such as 2026-03-31 or 2026-03-31T12:00:00Z", param, ctx)


INSTANT = Instant()


def settings(*, log: bool = False) -> Settings:
    """The settings of this process; with `log`, log lines go where they say, else only errors are shown."""
    from workers.config import load  # imports in functions here and below: `dripline --help` has to be quick
    from workers.log import configure

    loaded = load()
    formats = {"auto": None, "text": False, "json": True}
    configure(loaded.log_level if log else "error", as_json=formats[loaded.log_format])
    return loaded


@contextmanager
def store() -> Iterator[Engine]:
    """Connections to the database of the settings, or else of the `dripline dev` that runs in this folder."""
    from workers.store.database import connect

    engine = connect(database_url(settings()), size=2)
    try:
        yield engine
    finally:
        engine.dispose()


def rulebook_of(conn: Connection) -> Rulebook:
    """The rules in force, compiled.

    Raises:
        NoRulebook: none was ever applied.
    """
    from workers.rulebook import compile_rulebook
    from workers.store import rulebooks

    return compile_rulebook(rulebooks.files(conn, rulebooks.active(conn).version))


def database_url(given: Settings) -> str:
    """The database that a command is about.

    Raises:
        ConfigurationError: none is set, and no `dripline dev` runs here.
    """
    from workers.dev.postgres import Postgres
    from workers.exceptions import ConfigurationError

    found = given.database_url or Postgres(given.data_dir / "postgres").running_url()
    if not found:
        raise ConfigurationError(
            "there is no database to ask: set DRIPLINE_DATABASE_URL, or run `dripline dev` in this folder "
            f"(none is running in {given.data_dir.absolute()})."
        )
    return found


def chosen(**options: Any) -> dict[str, Any]:
    """The options that were given on the command line; the others keep what the environment says."""
    return {name: value for name, value in options.items() if value is not None}


def now() -> datetime:
    """The instant at which the command was given."""
    return datetime.now(UTC)


def print_json(data: Any) -> None:
    """Write data as JSON: indented on a terminal, whole lines elsewhere."""
    click.echo(json.dumps(data, default=plain, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))


def report(wanted: Collection[int], done: Collection[int], word: str, says: str, why_not: str, *, as_json: bool) -> int:
    """Say what was done of what was wanted.

    Args:
        wanted: ids.
        done: those of them that were changed.
        word: what the changed ones are called in JSON.
        says: a sentence about the changed ones.
        why_not: why the others were not.
        as_json: for programs, not for people.

    Returns:
        the exit code: 1 if some were not changed.
    """
    left = sorted(set(wanted) - set(done))
    if as_json:
        print_json({word: sorted(done), "unchanged": left})
    else:
        click.echo(says)
        if left:
            click.echo(f"Unchanged, because {why_not}: {left}", err=True)
    return 1 if left else 0


def plain(value: Any) -> Any:
    """What JSON has no word for, as something that it has."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, frozenset | set | tuple):
        return sorted(value)
    return str(value)


def console() -> Console:
    """Where people read. A pipe gets plain text as wide as it needs to be."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 200)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """Print rows under headings, or the sentence `empty` if there are none."""
    from rich.table import Table
    from rich.text import Text

    if not rows:
        click.echo(empty)
        return
    made = Table(*columns, box=None, pad_edge=False, header_style="bold", show_header=any(columns))
    for row in rows:
        made.add_row(*(Text("" if value is None else str(value)) for value in row))
    console().print(made)


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula. https://owasp.org/www-community/attacks/CSV_Injection"""
    return f"'{cell}" if cell[:1] in "=+-\t\r" and cell else cell


def cut(text: str, most: int) -> str:
    """A text for a list, at most so many characters long; an ellipsis says that there was more."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def many(number: int, noun: str) -> str:
    """`1 lead`, `2,400 leads`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def local(at: datetime | None) -> str:
    """A time as people here read it; empty for none."""
    return "" if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def folders(rules: Path, templates: Path | None) -> tuple[Path, Path]:
    """The rules' folder and the templates'; these lie beside the rules unless said otherwise."""
    return rules, templates or rules.absolute().parent / "templates"


def rule_files(rules: Path | None, templates: Path | None) -> tuple[dict[str, str], str]:
    """The bundle to run, and what to call it: the one of this folder, or else the example company."""
    from workers.rulebook import read, shipped

    if rules is None and not Path("rules").is_dir():
        return shipped(), "the example company that ships with Dripline"
    rules, templates = folders(rules or Path("rules"), templates)
    return read(rules, templates), f"{rules} and {templates.name}"
