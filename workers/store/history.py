"""The whole event log of single leads, for counting them anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from workers.store.events import Claimed
from workers.store.slices import SLICES

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

# Each subject is looked up by the index of every partition: OFFSET 0 keeps the planner from turning the loop into a
# join that reads the log from end to end. Fresh rows of the inbox all have the same `not_before`, so the first test
# finds them by primary key; rows that wait for another try are few, and gathered once.
_LOGS: Final = text("""
    WITH subjects AS (
        SELECT lead_id, identity AS subject FROM identities WHERE lead_id = ANY(:leads)
        UNION SELECT lead_id, 'message:' || key FROM outbox WHERE lead_id = ANY(:leads)
    ), failed AS MATERIALIZED (
        SELECT event_id FROM generate_series(0, :last) AS slice
        CROSS JOIN LATERAL (
            SELECT event_id FROM inbox WHERE inbox.slice = slice.slice AND not_before > 'epoch' OFFSET 0
        ) AS waiting
    )
    SELECT lead_id, e.id, e.slice, e.received_at, 0, e.type, e.occurred_at, e.source, e.subject,
           CASE WHEN cardinality(e.identities) > 1 THEN e.identities[2:] END, e.properties, nullif(e.lead, '{}')
    FROM subjects CROSS JOIN LATERAL (SELECT * FROM events WHERE events.subject = subjects.subject OFFSET 0) AS e
    WHERE NOT EXISTS (
            SELECT FROM inbox WHERE inbox.slice = e.slice AND inbox.not_before = 'epoch' AND inbox.event_id = e.id
        )
      AND e.id NOT IN (SELECT event_id FROM failed)
      AND NOT EXISTS (
            SELECT FROM quarantine q WHERE q.event_id = e.id AND q.kind = 'event' AND q.replayed_at IS NULL
        )
      AND NOT (e.properties ? 'message_key' AND EXISTS (
            SELECT FROM outbox o WHERE o.key = e.properties ->> 'message_key' AND o.payload ? 'to'
        ))
""")


def logs(conn: Connection, leads: Collection[int]) -> dict[int, list[Claimed]]:
    """Every event that was taken into these leads, by lead, in no order; those just claimed are among them.

    Left out is what is in the log and was not taken in: what is still in the inbox, what lies in quarantine, and what
    is about a message to a colleague. Memory grows with the logs: ask for few leads at a time where they are long.
    """
    found: dict[int, list[Claimed]] = {lead: [] for lead in leads}
    for lead, *event in conn.execute(_LOGS, {"leads": list(leads), "last": SLICES - 1}):
        found[lead].append(Claimed._make(event))
    return found
