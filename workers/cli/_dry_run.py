"""What applying a rulebook would change."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import click

from workers.cli._base import local, many
from workers.cli._stranded import about, stranded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from workers.engine.rules import Rulebook
    from workers.reports.changes import Change
    from workers.store.activations import Activation


@dataclass(slots=True)
class Outlook:
    """What would change.

    Attributes:
        against: what is in force; None for nothing.
        files, changes: what differs.
        standing: leads under way in each campaign that is changed or gone.
        recounted: leads that would be counted anew, because scores or counters are others.
        stranded: leads by stage that stand where the new rules have no stage; such rules are refused.
        note: why there is nothing to compare with; empty if there is.
    """

    against: Activation | None
    files: Sequence[Change]
    changes: Sequence[Change]
    standing: Mapping[str, int] = field(default_factory=dict)
    recounted: int = 0
    stranded: Mapping[str, int] = field(default_factory=dict)
    note: str = ""

    def as_data(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return asdict(self)


def without_database(rulebook: Rulebook, bundle: Mapping[str, str]) -> Outlook:
    """Compared with nothing."""
    from workers.reports.changes import changed_files, changes

    note = "There is no database to compare with, so everything is new."
    return Outlook(None, changed_files({}, bundle), changes(None, rulebook), note=note)


def with_database(conn: Connection, rulebook: Rulebook, bundle: Mapping[str, str]) -> Outlook:
    """Compared with what is in force, and what it means for the leads."""
    from workers.reports.changes import changed_files, changes
    from workers.rulebook import compile_rulebook
    from workers.store import activations, enrolments, leads, rulebooks

    latest = activations.latest(conn, 1)
    if not latest:
        note = "No rulebook is in force yet, so everything is new."
        return Outlook(None, changed_files({}, bundle), changes(None, rulebook), note=note)
    files = rulebooks.files(conn, latest[0].version)
    different = changes(compile_rulebook(files), rulebook)
    gone = {each.name for each in different if each.kind == "campaign" and each.what != "added"}
    standing = dict.fromkeys(sorted(gone), 0)
    for (campaign, version, _), number in enrolments.under_way(conn).items():
        now = rulebook.campaigns.get(campaign)
        if campaign in standing and (now is None or now.version != version):
            standing[campaign] += number
    recounted = leads.outdated(conn, rulebook.scoring)
    left = stranded(conn, rulebook)
    return Outlook(latest[0], changed_files(files, bundle), different, standing, recounted, left)


def show(outlook: Outlook) -> None:
    """For a person."""
    if outlook.against is not None:
        told = f" “{outlook.against.message}”" if outlook.against.message else ""
        since = local(outlook.against.activated_at)
        click.echo(f"Compared with version {outlook.against.version[:12]}, in force since {since}{told}:")
    if outlook.note:
        click.echo(outlook.note)
    if not outlook.files:
        click.echo("Nothing is different.")
    show_group("Files", outlook.files)
    for kind in dict.fromkeys(each.kind for each in outlook.changes):
        show_group(f"{kind.capitalize()}s", [each for each in outlook.changes if each.kind == kind], outlook.standing)
    for each in outlook.stranded.items():
        click.echo(f"\nWould be refused: {about(*each)}.")
    if outlook.recounted:
        click.echo(f"\n{many(outlook.recounted, 'lead')} would be counted anew from their events, in the background.")


def show_group(title: str, changes: Sequence[Change], standing: Mapping[str, int] | None = None) -> None:
    """The changes of one kind."""
    if changes:
        click.secho(f"\n{title}", bold=True)
    for each in changes:
        parts = ", ".join(f"{name} {before} → {after}".strip() for name, before, after in each.details)
        line = f"  {each.what:<8} {each.name}" + (f": {parts}" if parts else "")
        if standing and each.name in standing:
            line += f"\n           {many(standing[each.name], 'lead')} under way keep to the version they entered"
        click.echo(line)
