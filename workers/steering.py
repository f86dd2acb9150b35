"""Campaigns stopped, and let go on, while their rules stay as they are."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from workers.engine.campaigns.runs import share
from workers.engine.pausing import LONGEST, LOOKED_AT
from workers.store import campaign_counts, controls, enrolments
from workers.store.campaign_counts import utc_day
from workers.store.controls import PAUSED, RESUMED, Control
from workers.store.enrolments import GoingOn

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

AT_ONCE: Final = 5_000
"""Held runs that are given a time at a look: a million of them in a few minutes."""
A_MINUTE: Final = 1_000
"""Held runs that go on in a minute, unless somebody says over how long they are to be spread."""


class By(NamedTuple):
    """Who decides, why and when."""

    author: str
    reason: str
    at: datetime


def pause(conn: Connection, campaign: str, by: By) -> bool:
    """Let nothing go on in a campaign from the next batch on; False if it is paused already."""
    return bool(controls.pause(conn, Control(campaign, PAUSED, *by)))


def resume(conn: Connection, campaign: str, by: By, over: timedelta | None = None) -> Control | None:
    """Let a paused campaign go on where it was; None if it is not paused.

    What is known by now of mails that ended badly is not held against the campaign any more. It takes `over` until all
    runs that were held have gone on; by default as long as it takes at a thousand a minute.
    """
    held = enrolments.count_held(conn, campaign)
    spread = timedelta(minutes=held / A_MINUTE) if over is None else over
    known = {"over_s": spread.total_seconds(), "held": held, "before": known_by(conn, campaign, by.at)}
    decision = Control(campaign, RESUMED, *by, detail=known)
    return decision if controls.resume(conn, decision) else None


def known_by(conn: Connection, campaign: str, now: datetime) -> dict[str, dict[str, int]]:
    """What is known of a campaign's mails, as far back as a rule may look: by day, then by what."""
    since = utc_day(now) - timedelta(days=LONGEST)
    found: dict[str, dict[str, int]] = {}
    for (day, what), number in campaign_counts.lately(conn, [campaign], since)[campaign].items():
        if what in LOOKED_AT:
            found.setdefault(day.isoformat(), {})[what] = number
    return found


def go_on(conn: Connection) -> int:
    """Give runs of campaigns that go on again their times, a bounded number at a look; returns how many.

    The time of each follows from the decision and the lead alone, spread evenly over the stretch that was asked for.
    """
    going_on = {name: each for (name, _), each in controls.latest(conn).items() if each.what == RESUMED}
    if not going_on:
        return 0
    found = enrolments.held(conn, {name: each.id for name, each in going_on.items()}, AT_ONCE)
    planned = [GoingOn(name, lead, going_on[name].id, when(going_on[name], lead)) for name, lead in found]
    return enrolments.go_on(conn, planned)


def when(decision: Control, lead_id: int) -> datetime:
    """When a run that was held goes on."""
    over = timedelta(seconds=decision.detail.get("over_s", 0))
    return decision.decided_at + over * share("resume", decision.id, decision.campaign, lead_id)
