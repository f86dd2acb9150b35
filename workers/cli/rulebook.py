"""`dripline rulebook`"""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

import click

from workers.cli._base import as_json, local, now, print_json, store, table
from workers.cli._stranded import about, about_steps, stranded, without_step
from workers.exceptions import NoRulebook

if TYPE_CHECKING:
    from sqlalchemy import Connection

SECTION = "Rules"


@click.group
def command() -> None:
    """See which rules were in force when, what they said, and go back to them.

    A version is named by the beginning of its hash, as many digits as tell it from the others.
    """


@command.command("list")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="The latest so many.")
@as_json
def list_(limit: int, as_json: bool) -> None:
    """List what was put in force, latest first."""
    from dataclasses import asdict

    from workers.store import activations
    from workers.store.database import transaction

    with store() as engine, transaction(engine) as conn:
        found = activations.latest(conn, limit)
    if as_json:
        print_json([asdict(each) for each in found])
        return
    rows = [
        ("in force" if n == 0 else "", each.version[:12], local(each.activated_at), each.author, each.message)
        for n, each in enumerate(found)
    ]
    table(("", "version", "since", "by", "why"), rows, empty="No rulebook was ever applied: dripline apply.")


@command.command
@click.argument("version")
@click.argument("file", required=False)
@as_json
def show(version: str, file: str | None, as_json: bool) -> int:
    """Show a version: its files and what it changed, or one FILE of it.

    \b
    Examples:
      dripline rulebook show 3f59e661
      dripline rulebook show 3f59e661 rules/promotion.yaml
    """
    from workers.store import rulebooks
    from workers.store.database import transaction

    with store() as engine, transaction(engine) as conn:
        whole = resolved(conn, version)
        files = rulebooks.files(conn, whole)
        about = next(each for each in rulebooks.versions(conn) if each.version == whole)
    if file is not None:
        return show_file(files, file)
    if as_json:
        print_json({"version": whole, "author": about.author, "message": about.message, "files": files})
        return 0
    click.echo(f"Version {whole}, first applied at {local(about.created_at)} by {about.author}")
    if about.message:
        click.echo(about.message)
    table(("file", "lines"), [(path, text.count("\n")) for path, text in sorted(files.items())], empty="")
    return 0


def show_file(files: dict[str, str], file: str) -> int:
    """One file as it was."""
    from workers.text import suggestion

    if file not in files:
        click.echo(f"This version has no file {file}; {suggestion(file, files)}", err=True)
        return 1
    click.echo(files[file], nl=not files[file].endswith("\n"))
    return 0


@command.command
@click.argument("version")
@click.option("-m", "--message", default="", help="Why, in a sentence; kept with the change.")
@click.option("--author", default="", help="Who; default: the name you are logged in under.")
@as_json
def rollback(version: str, message: str, author: str, as_json: bool) -> int:
    """Put an earlier version in force again, as it was, files and all.

    \b
    Example:
      dripline rulebook rollback 3f59e661 -m "too many people were promoted"
    """
    from workers.rulebook import compile_rulebook
    from workers.store import rulebooks
    from workers.store.database import transaction

    with store() as engine, transaction(engine) as conn:
        whole = resolved(conn, version)
        before = rulebooks.active(conn).version
        files = rulebooks.files(conn, whole)
        old = compile_rulebook(files)  # what this program cannot compile would never get in force
        if before != whole:
            why = message or f"rollback to {whole[:12]}"
            rulebooks.apply(conn, whole, files, author=author or getpass.getuser(), message=why, now=now())
        left = stranded(conn, old)
        notes = [*(about(*each) for each in left.items()), *about_steps(without_step(conn, old), None, old)]
    if as_json:
        print_json({"version": whole, "before": before, "changed": before != whole, "stranded": left})
    elif before == whole:
        click.echo(f"Version {whole[:12]} is in force already.")
    else:
        click.echo(f"Version {whole[:12]} is in force again (before: {before[:12]}).")
    for each in notes:
        click.echo(f"Note: {each}.", err=True)
    return 0


def resolved(conn: Connection, start: str) -> str:
    """The whole hash that begins so.

    Raises:
        NoRulebook: none does, or several do.
    """
    from workers.store import activations

    found = activations.named(conn, start)
    if len(found) != 1:
        many = "several versions begin" if found else "no version begins"
        raise NoRulebook(f"{many} with {start}; `dripline rulebook list` shows them")
    return found[0]
