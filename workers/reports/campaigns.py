"""All campaigns at a glance."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from workers.store import campaign_counts, controls, enrolments
from workers.store.controls import PAUSED

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from workers.engine.rules import Campaign, Rulebook
    from workers.store.controls import Control

RUNNING: Final = "running"
DRAINING: Final = "draining"
"""Nobody enters any more; whoever is in it goes on."""
REMOVED: Final = "removed"
"""The rules in force do not have it; whoever is in it goes on in the version they entered."""


@dataclass(frozen=True, slots=True)
class Overview:
    """A campaign in one line.

    Attributes:
        state: `running`, `paused`, `draining` or `removed`.
        under_way: runs that have not ended.
        entered: runs so far, those held out left aside.
        sent: mails so far.
        goal: runs that reached the goal so far, those held out left aside; None if there is no goal.
        reason, author, since: of a paused one, why, who paused it, and when.
    """

    name: str
    state: str
    under_way: int
    entered: int
    sent: int
    goal: int | None
    reason: str = ""
    author: str = ""
    since: datetime | None = None

    def as_data(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return asdict(self)


def overview(conn: Connection, rulebook: Rulebook) -> list[Overview]:
    """Every campaign that the rules have or that somebody is in."""
    under_way: Counter[str] = Counter()
    for (name, _, _), number in enrolments.under_way(conn).items():
        under_way[name] += number
    counts = campaign_counts.of_words(conn, ("entered", "sent", "goal"))
    decided = controls.latest(conn)
    lines = []
    for name in sorted({*rulebook.campaigns, *under_way}):
        campaign, control = rulebook.campaigns.get(name), decided.get((name, ""))
        paused = control if control and control.what == PAUSED else None
        goal = counts.get((name, "goal"), 0) if campaign is None or campaign.goal else None
        entered, sent = counts.get((name, "entered"), 0), counts.get((name, "sent"), 0)
        line = Overview(name, state(campaign, paused), under_way[name], entered, sent, goal)
        lines.append(with_pause(line, paused) if paused else line)
    return lines


def state(campaign: Campaign | None, paused: Control | None) -> str:
    """In a word, whether a campaign runs."""
    if paused:
        return PAUSED
    if campaign is None:
        return REMOVED
    return DRAINING if campaign.edit == "drain" else RUNNING


def with_pause(line: Overview, paused: Control) -> Overview:
    """The line of a paused campaign, with who paused it and why."""
    return Overview(
        line.name, line.state, line.under_way, line.entered, line.sent, line.goal, paused.reason, paused.author,
        paused.decided_at,
    )  # fmt: skip
