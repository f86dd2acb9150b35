"""Leads that cannot be looked at: what is due there, or what their state holds, makes every turn of theirs fail.

Each is tried again by itself, more and more rarely, and its events wait for it without being blamed. Once the cause is
gone a person need not wait for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Stuck:
    """Such a lead, for people.

    Attributes:
        failures: how often it failed in a row, the last time with `error`.
        wake_at: when it is tried next.
        held: events that wait for it.
    """

    lead_id: int
    email: str | None
    failures: int
    wake_at: datetime | None
    held: int
    error: str


_STUCK: Final = text("""
    SELECT id, email, failures, wake_at, (SELECT count(*) FROM inbox WHERE waits_for = leads.id), coalesce(error, '')
    FROM leads WHERE failures > 0 ORDER BY id LIMIT :limit
""")
_WAKE: Final = text("""
    WITH woken AS (
        UPDATE leads SET wake_at = :now WHERE id = ANY(:leads) AND failures > 0 RETURNING id
    ), queued AS (
        UPDATE inbox SET not_before = 'epoch', waits_for = NULL FROM woken WHERE waits_for = woken.id
    )
    SELECT id FROM woken ORDER BY id
""")


def stuck(conn: Connection, limit: int) -> list[Stuck]:
    """Such leads, those known longest first."""
    return [Stuck(*row) for row in conn.execute(_STUCK, {"limit": limit})]


def wake(conn: Connection, leads: Collection[int], now: datetime) -> list[int]:
    """Have them tried again at once, their events with them; returns which of them were stuck."""
    return list(conn.scalars(_WAKE, {"leads": list(leads), "now": now}))
