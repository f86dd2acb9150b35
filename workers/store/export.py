"""The event log as it was written, row by row, for people and programs that look at it elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Connection

AT_A_TIME: Final = 5_000
"""Rows that are in memory."""

# An event that names nothing but a message of ours says nothing elsewhere: it gets an identity of whom that went to.
_EVENTS: Final = text("""
    SELECT e.source, e.event_id, e.type, e.occurred_at, e.received_at,
           e.identities || ARRAY(
               SELECT min(i.identity) FROM outbox o JOIN identities i ON i.lead_id = o.lead_id
               WHERE e.subject LIKE 'message:%' AND o.key = substr(e.subject, 9)
               GROUP BY o.lead_id
           ) AS identities,
           e.properties, e.lead
    FROM events e
    WHERE e.received_at >= :since AND e.received_at < :until
    ORDER BY e.received_at, e.id
""")


def rows(conn: Connection, since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    """Every event that was received in between, in that order. Needs a transaction that stays open meanwhile."""
    found = conn.execution_options(stream_results=True, yield_per=AT_A_TIME)
    for row in found.execute(_EVENTS, {"since": since, "until": until}).mappings():
        yield dict(row)
