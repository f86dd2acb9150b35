"""`dripline apply`"""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workers.cli._base import as_json, folders, now, print_json, store
from workers.cli.check import line, summary
from workers.exceptions import NoRulebook, RulebookError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

SECTION = "Rules"


@click.command
@click.argument("rules", type=click.Path(path_type=Path), default="rules")
@click.argument("templates", type=click.Path(path_type=Path), required=False)
@click.option("-m", "--message", default="", help="Why, in a sentence; kept with the version.")
@click.option("--author", default="", help="Who; default: the name you are logged in under.")
@as_json
def command(rules: Path, templates: Path | None, message: str, author: str, as_json: bool) -> int:
    """Check rules and templates, and put them in force.

    Running processes switch to them between two batches, without a restart. Files with mistakes change nothing. Going
    back is applying the older files again.

    \b
    Examples:
      dripline apply
      dripline apply rules templates -m "demo requests count more"
    """
    from workers.adapters import installed
    from workers.rulebook import compile_rulebook, read, version_of

    rules, templates = folders(rules, templates)
    try:
        bundle = read(rules, templates)
        compile_rulebook(bundle, installed())
    except RulebookError as error:
        for problem in error.problems:
            click.echo(line(problem, rules, templates))  # type: ignore[arg-type]
        click.echo(summary(0, len(error.problems), "") + " Nothing was applied.", err=True)
        return 1
    version = version_of(bundle)
    with store() as engine, engine.begin() as conn:
        before = in_force(conn)
        if before != version:
            put(conn, version, bundle, author or getpass.getuser(), message)
    if as_json:
        print_json({"version": version, "before": before, "changed": before != version, "files": len(bundle)})
    elif before == version:
        click.echo(f"Version {version[:12]} is in force already.")
    else:
        click.echo(f"Version {version[:12]} is in force now" + (f" (before: {before[:12]})." if before else "."))
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
