"""`dripline apply`"""

from __future__ import annotations

import getpass
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from workers.cli._base import as_json, database_url, folders, now, print_json, settings, store
from workers.cli._stranded import about, about_steps, stranded, without_step
from workers.cli.check import line, summary
from workers.exceptions import ConfigurationError, NoRulebook, RulebookError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from workers.engine.rules import Rulebook
    from workers.reports.edits import Fate

SECTION = "Rules"
LEADS: Final = 500
"""So many leads' history a dry run looks at; `dripline impact` looks at more."""


@click.command
@click.argument("rules", type=click.Path(path_type=Path), default="rules")
@click.argument("templates", type=click.Path(path_type=Path), required=False)
@click.option("-m", "--message", default="", help="Why, in a sentence; kept with the version.")
@click.option("--author", default="", help="Who; default: the name you are logged in under.")
@click.option("--dry-run", is_flag=True, help="Change nothing, and say what would change.")
@click.option("--leads", type=click.IntRange(0), default=LEADS, show_default=True,
              help="With --dry-run: so many leads' history is taken through the old rules and the new.")  # fmt: skip
@as_json
def command(
    *, rules: Path, templates: Path | None, message: str, author: str, dry_run: bool, leads: int, as_json: bool
) -> int:
    """Check rules and templates, and put them in force.

    Everything that `dripline check` looks at has to be right, the examples beside the rules included; else nothing
    changes. Running processes switch between two batches, without a restart. Whoever is in a campaign keeps to the
    version they entered, unless its `edit` says otherwise. Where scores or counters changed, leads are counted anew
    from their events, and where others may enter campaigns or be promoted, they are looked at anew, in the background.
    Rules without a stage, or a step, that people stand at are refused: `was`, and `move`, say what takes its place.
    --dry-run says who stands where, and what becomes of them. Going back: dripline rulebook rollback.

    \b
    Examples:
      dripline apply --dry-run
      dripline apply rules templates -m "demo requests count more"
    """
    from workers.cli._checking import check_folders

    rules, templates = folders(rules, templates)
    bundle, checked = check_folders(rules, templates)
    for problem in checked.problems:
        click.echo(line(problem, rules, templates), err=problem.level != "error")
    if checked.errors or checked.rulebook is None:
        click.echo(summary(0, checked.errors, "") + " Nothing was applied.", err=True)
        return 1
    if dry_run:
        return rehearse(checked.rulebook, bundle, leads, as_json=as_json)
    with store() as engine, engine.begin() as conn:
        done = put(conn, checked.rulebook, bundle, author or getpass.getuser(), message)
    if as_json:
        print_json({**done.as_data(), "files": len(bundle)})
    else:
        tell(done)
    return 1 if done.against else 0


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of rules that were to be put in force.

    Attributes:
        version: theirs.
        before: the one that was in force, empty if none was.
        stranded: how many leads stand at stages that these rules lack, by stage.
        without_step: steps that people stand at and that these rules lack.
        against: why nothing was applied, a sentence each; empty if nothing was against it.
    """

    version: str
    before: str
    stranded: Mapping[str, int] = field(default_factory=dict)
    without_step: Sequence[Fate] = ()
    against: Sequence[str] = ()

    def as_data(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return {
            "version": self.version,
            "before": self.before,
            "changed": self.before != self.version and not self.against,
            "stranded": self.stranded,
            "without_step": [each.as_data() for each in self.without_step],
            "refused": self.against,
        }


def put(conn: Connection, rulebook: Rulebook, bundle: Mapping[str, str], author: str, message: str) -> Applied:
    """Put rules in force, unless they are so already, or people stand where they have no place for them."""
    from workers.store import rulebooks

    version, before = rulebook.version, in_force(conn)
    if before == version:
        return Applied(version, before)
    left, lost = stranded(conn, rulebook), without_step(conn, rulebook)
    against = [about(*each) for each in left.items()]
    against += about_steps(lost, compiled(conn, before), rulebook) if lost else []
    if not against:
        rulebooks.apply(conn, version, bundle, author=author, message=message, now=now())
    return Applied(version, before, left, lost, against)


def tell(done: Applied) -> None:
    """The same for a person."""
    if done.against:
        click.echo("\n".join(f"{each}." for each in done.against))
        click.echo("Nothing was applied.", err=True)
    elif done.before == done.version:
        click.echo(f"Version {done.version[:12]} is in force already.")
    else:
        before = f" (before: {done.before[:12]})" if done.before else ""
        click.echo(f"Version {done.version[:12]} is in force now{before}.")


def compiled(conn: Connection, version: str) -> Rulebook | None:
    """A version's rules; None if this program cannot use them any more."""
    from workers.rulebook import compile_rulebook
    from workers.store import rulebooks

    try:
        return compile_rulebook(rulebooks.files(conn, version))
    except RulebookError:
        return None


def rehearse(rulebook: Rulebook, bundle: Mapping[str, str], leads: int, *, as_json: bool) -> int:
    """Say what would change."""
    from workers.cli import _dry_run

    try:
        database_url(settings())
    except ConfigurationError:
        outlook = _dry_run.without_database(rulebook, bundle)
    else:
        with store() as engine:
            outlook = _dry_run.with_database(engine, rulebook, bundle, leads, now())
    if as_json:
        print_json({"version": rulebook.version, **outlook.as_data()})
    else:
        _dry_run.show(outlook)
        click.echo(f"\nNothing was applied. It would be version {rulebook.version[:12]}.")
    return 0


def in_force(conn: Connection) -> str:
    """The version in force; empty if none is."""
    from workers.store import rulebooks

    try:
        return rulebooks.active(conn).version
    except NoRulebook:
        return ""
