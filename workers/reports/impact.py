"""What other rules would have made of the leads in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workers.engine.values import LeadState
from workers.pipeline.verdict import seen
from workers.simulate.impact import History, Impact, Told, compare
from workers.store import histories
from workers.store.database import transaction

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Engine

    from workers.engine.rules import Rulebook

AT_A_TIME: Final = 100
"""Leads whose logs are in memory."""


def read(
    engine: Engine,
    before: Rulebook,
    after: Rulebook,
    *,
    until: datetime,
    most: int | None = None,
    moved: Callable[[int], None] = lambda _: None,
) -> Impact:
    """Compare what two rulebooks make of recorded history, and of the leads as they stand.

    Nothing is written, and no transaction is long.

    Args:
        engine: connections to the store.
        before: the old rules.
        after: the new ones.
        until: now, or where history stops: events that were received later are left out.
        most: how many leads to look at, the same ones every time; None for all.
        moved: told how many leads are done.
    """
    with transaction(engine) as conn:
        leads, of = histories.chosen(conn, most), histories.count(conn)
    impact = Impact(until, of=of)
    for start in range(0, len(leads), AT_A_TIME):
        with transaction(engine) as conn:
            some = histories.read(conn, leads[start : start + AT_A_TIME])
        for lead in some:
            history = History(lead.id, lead.name, [Told(each.received_at, seen(each)) for each in lead.events])
            compare([history], before, after, impact)
            impact.look(history, LeadState.load(lead.state), before, after)
        moved(impact.leads)
    return impact
