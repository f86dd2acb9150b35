"""What could not be processed, with its reason: kept until a person has put it through again or closed it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from workers.store.json import clean, dumps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class NewQuarantined:
    """A verified delivery, or a part of one, that could not become events.

    Attributes:
        source: the route's name.
        reason: a constant word to count by (`no-identity`).
        detail: a sentence for a person.
        payload: the bytes as they came.
        headers: those needed to replay it; no credentials.
        url: the public URL it was posted to.
        received_at: when it came; default: the `now` of `add`.
        place: which part of a batch the payload is, from 0; None if it is the whole delivery.
    """

    source: str
    reason: str
    detail: str
    payload: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    received_at: datetime | None = None
    place: int | None = None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A row of the quarantine.

    Attributes:
        kind: `delivery` (came at the door) or `event` (is in the log as `event_id`, and made processing fail).
        payload, headers, url: of a delivery; None of an event.
        place: which part of a batch the payload is, from 0; None if it is the whole delivery.
        closed_at, closed_by, closed_because: when, by whom and why it was given up for good; None if it was not.
    """

    id: int
    kind: str
    source: str
    reason: str
    detail: str
    url: str | None
    headers: dict[str, str] | None
    payload: bytes | None
    place: int | None
    event_id: int | None
    received_at: datetime
    quarantined_at: datetime
    replayed_at: datetime | None
    closed_at: datetime | None
    closed_by: str | None
    closed_because: str | None


@dataclass(frozen=True, slots=True)
class PoisonEvent:
    """An event of the log that was given up."""

    event_id: int
    source: str
    reason: str
    detail: str
    received_at: datetime


_ADD: Final = text("""
    INSERT INTO quarantine (kind, source, reason, detail, url, headers, payload, place, received_at, quarantined_at)
    VALUES ('delivery', :source, :reason, :detail, :url, CAST(:headers AS jsonb), :payload, :place, :received_at, :now)
""")


def add(conn: Connection, deliveries: Iterable[NewQuarantined], now: datetime) -> int:
    """Keep deliveries; returns how many."""
    rows = [
        {
            "source": each.source,
            "reason": each.reason,
            "detail": clean(each.detail),
            "url": clean(each.url),
            "headers": dumps(dict(each.headers)),
            "payload": each.payload,
            "place": each.place,
            "received_at": each.received_at or now,
            "now": now,
        }
        for each in deliveries
    ]
    if rows:
        conn.execute(_ADD, rows)
    return len(rows)


_ADD_EVENTS: Final = text("""
    INSERT INTO quarantine (kind, source, reason, detail, event_id, received_at, quarantined_at)
    SELECT 'event', source, reason, detail, event_id, received_at, :now
    FROM json_to_recordset(:rows ::json)
        AS (event_id bigint, source text, reason text, detail text, received_at timestamptz)
""")


def add_events(conn: Connection, given_up: Iterable[PoisonEvent], now: datetime) -> int:
    """Note events of the log that are given up; returns how many."""
    rows = [
        {
            "event_id": each.event_id,
            "source": each.source,
            "reason": each.reason,
            "detail": each.detail,
            "received_at": each.received_at,
        }
        for each in given_up
    ]
    if rows:
        conn.execute(_ADD_EVENTS, {"rows": dumps(rows), "now": now})
    return len(rows)


_FIND: Final = """
    SELECT id, kind, source, reason, detail, url, headers, payload, place, event_id, received_at, quarantined_at,
           replayed_at, closed_at, closed_by, closed_because
    FROM quarantine
"""
_WAITING: Final = "replayed_at IS NULL AND closed_at IS NULL"
_OF_REASON: Final = "(:reason = '' OR reason = :reason)"
_OPEN: Final = text(f"{_FIND} WHERE {_WAITING} AND {_OF_REASON} ORDER BY id LIMIT :limit")
_CLOSED: Final = text(f"{_FIND} WHERE closed_at IS NOT NULL AND {_OF_REASON} ORDER BY closed_at DESC, id LIMIT :limit")
_GET: Final = text(f"{_FIND} WHERE id = :id")
_LOCK: Final = text(f"{_FIND} WHERE id = ANY(:ids) AND {_WAITING} ORDER BY id FOR UPDATE")


def waiting(conn: Connection, limit: int, reason: str = "") -> list[Quarantined]:
    """What nobody has seen to yet, oldest first; of one reason or of all."""
    return [Quarantined(*row) for row in conn.execute(_OPEN, {"limit": limit, "reason": reason})]


def closed(conn: Connection, limit: int, reason: str = "") -> list[Quarantined]:
    """What was given up by a person, the latest first; of one reason or of all."""
    return [Quarantined(*row) for row in conn.execute(_CLOSED, {"limit": limit, "reason": reason})]


def get(conn: Connection, row_id: int) -> Quarantined | None:
    """The row with an id, whatever became of it."""
    row = conn.execute(_GET, {"id": row_id}).one_or_none()
    return None if row is None else Quarantined(*row)


def lock(conn: Connection, ids: Sequence[int]) -> list[Quarantined]:
    """Those of these rows that nobody has seen to yet, held until the end of the transaction."""
    return [Quarantined(*row) for row in conn.execute(_LOCK, {"ids": list(ids)})]


_REPLAYED: Final = text("UPDATE quarantine SET replayed_at = :now WHERE id = ANY(:ids)")
_REQUEUE: Final = text("""
    WITH found AS (
        SELECT q.id, e.slice, e.id AS event_id, e.received_at
        FROM quarantine q JOIN events e ON e.id = q.event_id AND e.received_at = q.received_at
        WHERE q.id = ANY(:ids) AND q.kind = 'event' AND q.replayed_at IS NULL AND q.closed_at IS NULL
    ), queued AS (
        INSERT INTO inbox (slice, event_id, received_at) SELECT slice, event_id, received_at FROM found
        ON CONFLICT DO NOTHING
    )
    UPDATE quarantine SET replayed_at = :now FROM found WHERE quarantine.id = found.id RETURNING quarantine.id
""")


def mark_replayed(conn: Connection, ids: Sequence[int], now: datetime) -> None:
    """Close rows that were seen to (a delivery whose events are in the log now)."""
    conn.execute(_REPLAYED, {"ids": list(ids), "now": now})


def replay_events(conn: Connection, ids: Sequence[int], now: datetime) -> frozenset[int]:
    """Put quarantined events into the inbox again and close their rows; returns which.

    A row stays open if the log does not hold its event any more: closing it would say that something was done.
    """
    lock(conn, ids)
    return frozenset(conn.scalars(_REQUEUE, {"ids": list(ids), "now": now}))


_CLOSE: Final = text(f"""
    UPDATE quarantine SET closed_at = :now, closed_by = :author, closed_because = :because
    WHERE id = ANY(:ids) AND {_WAITING} RETURNING id
""")  # noqa: S608  (made of constants)


def close(conn: Connection, ids: Sequence[int], now: datetime, *, author: str, because: str) -> frozenset[int]:
    """Give rows up for good, and note who did and why; returns which. The events in them are never processed."""
    given = {"ids": list(ids), "now": now, "author": author, "because": because}
    return frozenset(conn.scalars(_CLOSE, given))


_COUNTS: Final = text(f"SELECT reason, count(*) FROM quarantine WHERE {_WAITING} GROUP BY reason ORDER BY 1")  # noqa: S608  (made of constants)
_COUNT_CLOSED: Final = text("""
    SELECT reason, count(*) FROM quarantine WHERE closed_at IS NOT NULL GROUP BY reason ORDER BY 1
""")


def counts(conn: Connection) -> dict[str, int]:
    """What nobody has seen to yet, by reason."""
    return dict(conn.execute(_COUNTS).all())


def counts_closed(conn: Connection) -> dict[str, int]:
    """What was given up by a person, by reason."""
    return dict(conn.execute(_COUNT_CLOSED).all())
