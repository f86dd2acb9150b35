"""`dripline apply`"""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from workers.cli._base import as_json, database_url, folders, now, print_json, settings, store
from workers.cli._stranded import about, about_steps, stranded, without_step
from workers.cli.check import line, summary
from workers.exceptions import ConfigurationError, NoRulebook, RulebookError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from workers.engine.rules import Rulebook

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
    from their events, and where others may enter campaigns, they are looked at anew, in the background. Rules without
    a stage, or a step, that people stand at are refused: `was`, and `move`, say what takes its place. --dry-run says
    who stands where, and what becomes of them. Going back: dripline rulebook rollback.

    \b
    Examples:
      dripline apply --dry-run
      dripline apply rules templates -m "demo requests count more"
    """
    from workers.cli._checking import check_folders
    from workers.rulebook import version_of

    rules, templates = folders(rules, templates)
    bundle, checked = check_folders(rules, templates)
    for problem in checked.problems:
        click.echo(line(problem, rules, templates), err=problem.level != "error")
    if checked.errors or checked.rulebook is None:
        click.echo(summary(0, checked.errors, "") + " Nothing was applied.", err=True)
        return 1
    if dry_run:
        return rehearse(checked.rulebook, bundle, leads, as_json=as_json)
    version = version_of(bundle)
    with store() as engine, engine.begin() as conn:
        before = in_force(conn)
        left = stranded(conn, checked.rulebook) if before != version else {}
        lost = without_step(conn, checked.rulebook) if before != version else []
        against = [about(*each) for each in left.items()]
        if lost:
            against += about_steps(lost, compiled(conn, before), checked.rulebook)
        changed = before != version and not against
        if changed:
            put(conn, version, bundle, author or getpass.getuser(), message)
    if as_json:
        data = {"stranded": left, "without_step": [each.as_data() for each in lost], "refused": against}
        print_json({"version": version, "before": before, "changed": changed, "files": len(bundle), **data})
    elif against:
        click.echo("\n".join(f"{each}." for each in against))
        click.echo("Nothing was applied.", err=True)
    elif before == version:
        click.echo(f"Version {version[:12]} is in force already.")
    else:
        click.echo(f"Version {version[:12]} is in force now" + (f" (before: {before[:12]})." if before else "."))
    return 1 if against else 0


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


def put(conn: Connection, version: str, bundle: Mapping[str, str], author: str, message: str) -> None:
    """Store the version and make it the active one."""
    from workers.store import rulebooks

    rulebooks.apply(conn, version, bundle, author=author, message=message, now=now())
