"""What applying a rulebook would change."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import click

from workers.cli._base import local, many, table
from workers.cli._impact import show as show_impact
from workers.cli._stranded import about, about_steps, stranded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Engine

    from workers.engine.rules import Rulebook
    from workers.reports.changes import Change
    from workers.reports.edits import Fate
    from workers.simulate.impact import Impact
    from workers.store.activations import Activation

MASSES: Final = frozenset({"account", "consent", "tracking", "sending"})
"""Kinds of things of which there is one, or no number."""


@dataclass(slots=True)
class Outlook:
    """What would change.

    Attributes:
        against: what is in force; None for nothing.
        files, changes: what differs.
        recounted: leads that would be counted anew, because scores or counters are others.
        looked_at: leads beside them that would be looked at anew, because others may enter campaigns, or be
            promoted.
        fates: what becomes of the people under way in campaigns.
        mending: what is wrong about people for whom there is no step, and the lines to add; such rules are refused.
        stranded: leads by stage that stand where the new rules have no stage; such rules are refused.
        impact: what the new rules would have made of recorded history; None if there is none to look at.
        note: why there is nothing to compare with; empty if there is.
    """

    against: Activation | None
    files: Sequence[Change]
    changes: Sequence[Change]
    recounted: int = 0
    looked_at: int = 0
    fates: Sequence[Fate] = ()
    mending: Sequence[str] = ()
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
    from workers.reports.edits import fates, lost
    from workers.store import enrolments, leads

    different = changes(old[0], new[0])
    found = fates(enrolments.under_way(conn), new[0])
    by_scoring = leads.by_scoring(conn)
    other = {stamp: number for stamp, number in by_scoring.items() if stamp != new[0].stamp}
    recounted = sum(number for stamp, number in other.items() if stamp.partition(":")[0] != new[0].scoring)
    return Outlook(
        against, changed_files(old[1], new[1]), different, recounted, sum(other.values()) - recounted, found,
        tuple(about_steps(lost(found), old[0], new[0])), stranded(conn, new[0]),
    )  # fmt: skip


def show(outlook: Outlook) -> None:
    """For a person."""
    if outlook.against is not None:
        show_against(outlook.against)
    if outlook.note:
        click.echo(outlook.note)
    if not outlook.files:
        click.echo("Nothing is different.")
    show_group("Files", outlook.files)
    for kind in dict.fromkeys(each.kind for each in outlook.changes):
        show_group(
            kind.capitalize() + "s" * (kind not in MASSES), [each for each in outlook.changes if each.kind == kind]
        )
    show_fates(outlook.fates)
    show_consequences(outlook)
    if outlook.impact is not None:
        show_impact(outlook.impact)
        if outlook.impact.leads < outlook.impact.of:
            click.echo("\nAll leads: dripline impact --all")


def show_consequences(outlook: Outlook) -> None:
    """Why it would be refused, and whom it would concern."""
    for reason in (*outlook.mending, *(about(*each) for each in outlook.stranded.items())):
        click.echo(f"\nWould be refused: {reason}.")
    for number, what in ((outlook.recounted, "counted anew from their events"), (outlook.looked_at, "looked at anew")):
        if number:
            click.echo(f"\n{many(number, 'lead')} would be {what}, in the background.")


def show_against(version: Activation) -> None:
    """What it is compared with."""
    told = f" “{version.message}”" if version.message else ""
    click.echo(f"Compared with version {version.version[:12]}, in force since {local(version.activated_at)}{told}:")


def show_fates(found: Sequence[Fate]) -> None:
    """Who stands where in campaigns, and what becomes of them."""
    if not found:
        return
    click.secho("\nPeople under way", bold=True)
    rows = [(f"  {f.campaign}", f.version, f.step or "the end", f"{f.people:,}", becomes(f)) for f in found]
    table(("  campaign", "version", "next step", "people", "what becomes of them"), rows, empty="")


def becomes(each: Fate) -> str:
    """What becomes of the people at a step."""
    if each.what == "move":
        return f"move: go on at {each.to}" if each.to else "move: come to the end"
    return {
        "pin": "pin: keep to the version they entered",
        "drain": "drain: keep to the version they entered, and nobody enters any more",
        "removed": "removed: keep to the version they entered, and nobody enters any more",
        "stranded": "STRANDED: there is no such step",
    }[each.what]


def show_group(title: str, changes: Sequence[Change]) -> None:
    """The changes of one kind."""
    if changes:
        click.secho(f"\n{title}", bold=True)
    for each in changes:
        parts = ", ".join(f"{name} {before} → {after}".strip() for name, before, after in each.details)
        click.echo(f"  {each.what:<8} {each.name}" + (f": {parts}" if parts else ""))
