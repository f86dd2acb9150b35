"""Leads at stages, and at steps of campaigns, that other rules do not have: what `dripline apply` refuses, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.cli._base import many

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from workers.engine.rules import Rulebook
    from workers.reports.edits import Fate


def stranded(conn: Connection, rulebook: Rulebook) -> dict[str, int]:
    """Leads by stage that stand where these rules have no stage, so that no rule would ever move them."""
    from workers.store import leads

    if not rulebook.stages:  # rules without a lifecycle look at nobody's stage
        return {}
    return leads.stranded(conn, [*rulebook.order, *rulebook.renamed])


def about(stage: str, number: int) -> str:
    """What is wrong about it, and what to do."""
    who = "1 lead stands" if number == 1 else f"{number:,} leads stand"
    return (
        f"{who} at stage `{stage}`, which these rules do not have, so that nothing would move them on; "
        f"write `was: {stage}` at the stage that takes its place"
    )


def without_step(conn: Connection, rulebook: Rulebook) -> list[Fate]:
    """People at steps of campaigns that these rules move on, and have no step for."""
    from workers.reports.edits import fates, lost
    from workers.store import enrolments

    return lost(fates(enrolments.under_way(conn), rulebook))


def about_steps(fates: Sequence[Fate], old: Rulebook | None, new: Rulebook) -> Iterator[str]:
    """What is wrong about them, and the line to add, campaign by campaign."""
    from workers.reports.edits import mended

    for name in dict.fromkeys(each.campaign for each in fates):
        found = [each for each in fates if each.campaign == name]
        pairs = mended(new.campaigns[name], found, old.campaigns.get(name) if old else None)
        moves = ", ".join(f"{before}: {after}" for before, after in pairs.items())
        lost = "; ".join(map(who, found))
        yield (
            f"the campaign `{name}` moves everybody to its new version, and has no step for {lost}. "
            f"Write in it where they go on, for example `edit: {{move: {{{moves}}}}}`"
        )


def who(fate: Fate) -> str:
    """The people of a version at a step."""
    return f"{many(fate.people, 'run')} of version {fate.version} at step `{fate.step}`"
