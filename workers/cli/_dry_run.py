"""What applying a rulebook would change."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import click

from workers.cli._base import local, many
from workers.cli._impact import show as show_impact
from workers.cli._stranded import about, stranded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Engine

    from workers.engine.rules import Rulebook
    from workers.reports.changes import Change
    from workers.simulate.impact import Impact
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
        impact: what the new rules would have made of recorded history; None if there is none to look at.
        note: why there is nothing to compare with; empty if there is.
    """

    against: Activation | None
    files: Sequence[Change]
    changes: Sequence[Change]
    standing: Mapping[str, int] = field(default_factory=dict)
    recounted: int = 0
    stranded: Mapping[str, int] = field(default_factory=dict)
    impact: Impact | None = None
    note: str = ""

    def as_data(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return asdict(replace(self, impact=None)) | {"impact": self.impact.as_data() if self.impact else None}


def without_database(rulebook: Rulebook, bundle: Mapping[str, str]) -> Outlook:
    """Compared with nothing."""
    from workers.reports.changes import changed_files, changes

    note = "There is no database to compare with, so everything is new."
    return Outlook(None, changed_files({}, bundle), changes(None, rulebook), note=note)


def with_database(engine: Engine, rulebook: Rulebook, bundle: Mapping[str, str], most: int, now: datetime) -> Outlook:
    """Compared with what is in force, and what it means for the leads.

    Args:
        engine: connections to the store.
        rulebook: the new rules.
        bundle: their files.
        most: so many leads' history is looked at.
        now: where that ends.
    """
    from workers.cli.impact import over_history
    from workers.rulebook import compile_rulebook
    from workers.store import activations, rulebooks
    from workers.store.database import transaction

    with transaction(engine) as conn:
        latest = activations.latest(conn, 1)
        if not latest:
            note = "No rulebook is in force yet, so everything is new."
            return replace(without_database(rulebook, bundle), note=note)
        files = rulebooks.files(conn, latest[0].version)
        old = compile_rulebook(files)
        outlook = compared(conn, latest[0], (old, files), (rulebook, bundle))
    if outlook.changes and most:
        outlook.impact = over_history(engine, old, rulebook, now, most)
    return outlook


def compared(
    conn: Connection,
    against: Activation,
    old: tuple[Rulebook, Mapping[str, str]],
    new: tuple[Rulebook, Mapping[str, str]],
) -> Outlook:
    """What differs between two rulebooks, each with its files, and for how many leads."""
    from workers.reports.changes import changed_files, changes
    from workers.store import enrolments, leads

    different = changes(old[0], new[0])
    gone = {each.name for each in different if each.kind == "campaign" and each.what != "added"}
    standing = dict.fromkeys(sorted(gone), 0)
    for (campaign, version, _), number in enrolments.under_way(conn).items():
        now = new[0].campaigns.get(campaign)
        if campaign in standing and (now is None or now.version != version):
            standing[campaign] += number
    recounted, left = leads.outdated(conn, new[0].scoring), stranded(conn, new[0])
    return Outlook(against, changed_files(old[1], new[1]), different, standing, recounted, left)


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
    if outlook.impact is not None:
        show_impact(outlook.impact)
        if outlook.impact.leads < outlook.impact.of:
            click.echo("\nAll leads: dripline impact --all")


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
