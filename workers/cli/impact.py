"""`dripline impact`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final
from zlib import crc32

import click

from workers.cli._base import INSTANT, as_json, folders, now, print_json, store
from workers.cli._progress import progress

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Engine

    from workers.engine.rules import Rulebook
    from workers.simulate.impact import Impact

SECTION = "Rules"
LEADS: Final = 2_000
"""So many leads are looked at, unless said otherwise."""


@click.command
@click.argument("rules", type=click.Path(path_type=Path), default="rules")
@click.argument("templates", type=click.Path(path_type=Path), required=False)
@click.option("--against", default="", help="A version, or a folder of rules (default: the version in force).")
@click.option("--events", type=click.Path(path_type=Path, allow_dash=True), help="A file of events, and no database.")
@click.option("--until", type=INSTANT, help="Where history stops (default: now, or the last event of the file).")
@click.option("--leads", type=click.IntRange(1), default=LEADS, show_default=True, help="So many, evenly chosen.")
@click.option("--all", "every", is_flag=True, help="All leads.")
@as_json
def command(
    *, rules: Path, templates: Path | None, against: str, events: Path | None, until: datetime | None, leads: int,
    every: bool, as_json: bool,
) -> int:  # fmt: skip
    """Tell what the rules would have made of recorded history.

    Every lead's events go through the old rules and the new ones, from the first event to the last, on a virtual
    clock; nothing is sent or changed. Shown is who would have been promoted that was not, or no longer, with what
    became of their opportunities; and who would stand elsewhere. With --events, a file as `dripline simulate` reads
    it (an export of the log) takes the place of the database.

    \b
    Examples:
      dripline impact
      dripline impact --against 3f59e661 --all --json
      dripline impact --events events.jsonl.gz --against main/rules      in a review, without a database
    """
    from workers.cli._impact import show
    from workers.rulebook import compile_rulebook, read

    new = compile_rulebook(read(*folders(rules, templates)))
    most = None if every else leads
    impact = of_file(new, events, against, until, most) if events else of_store(new, against, until, most)
    if as_json:
        print_json(impact.as_data())
    else:
        show(impact)
    return 0


def of_store(new: Rulebook, against: str, until: datetime | None, most: int | None) -> Impact:
    """Compared over the events in the database."""
    with store() as engine:
        return over_history(engine, old_rules(engine, against), new, until or now(), most)


def over_history(engine: Engine, old: Rulebook, new: Rulebook, until: datetime, most: int | None) -> Impact:
    """The same, with a bar that shows how far it has come."""
    from workers.reports import impact
    from workers.store import histories
    from workers.store.database import transaction

    with transaction(engine) as conn:
        there = histories.count(conn)
    with progress("going through history", min(there, most or there)) as moved:
        return impact.read(engine, old, new, until=until, most=most, moved=moved)


def old_rules(engine: Engine, against: str) -> Rulebook:
    """The rules to compare with: a folder's, a version's, or those in force."""
    from workers.cli.rulebook import resolved
    from workers.rulebook import compile_rulebook, read
    from workers.store import rulebooks
    from workers.store.database import transaction

    if Path(against).is_dir() and against:
        return compile_rulebook(read(*folders(Path(against), None)))
    with transaction(engine) as conn:
        version = resolved(conn, against) if against else rulebooks.active(conn).version
        return compile_rulebook(rulebooks.files(conn, version))


def of_file(new: Rulebook, events: Path, against: str, until: datetime | None, most: int | None) -> Impact:
    """Compared over the events of a file."""
    from workers.cli.simulate import complain, read
    from workers.rulebook import compile_rulebook
    from workers.rulebook import read as read_rules
    from workers.simulate.impact import Impact, compare, recorded

    if not against:
        raise click.UsageError("with --events, --against names the folder of the old rules: there is no database")
    old = compile_rulebook(read_rules(*folders(Path(against), None)))
    bad: dict[int, str] = {}
    heard = read(events, bad)
    complain(bad, len(heard))
    if not heard:
        raise click.ClickException(f"{events} holds no events")
    found = recorded(heard)
    impact = Impact(until or max(each.at for each in heard), of=len(found))
    chosen = sorted(found, key=lambda history: crc32(history.name.encode()))[:most]
    with progress("going through history", len(chosen)) as moved:
        for done, history in enumerate(chosen, 1):
            compare([history], old, new, impact)
            moved(done)
    return impact
