"""Rows that may have been taken, and whose provider can be asked: which to ask about now, and what it said."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import text

from integrations.addresses import spellings
from workers.store.json import dumps

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from workers.store.outbox import Channel

FOUND: Final = "found"
"""Reason of a row that counts as sent because its provider says so."""
NOT_FOUND: Final = "not-found"
"""Reason of a row that is sent again because its provider says that it never had it."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """A row to ask about.

    Attributes:
        claim: the number of its latest claim.
        provider: who may have it.
        name: what stands before the @ in its Message-ID.
        to: whom it went to; None if that cannot be told any more.
        since: it cannot have left before.
        settled_at: it cannot have left after.
    """

    id: int
    claim: int
    provider: str
    key: str
    name: str
    to: str | None
    since: datetime
    settled_at: datetime


@dataclass(frozen=True, slots=True)
class Said:
    """What a provider said of a row.

    Attributes:
        state: `ambiguous` if that settles nothing.
        look_at: when to ask again; None for never.
    """

    id: int
    claim: int
    state: Literal["sent", "retry", "ambiguous"]
    ref: str = ""
    look_at: datetime | None = None


_ASK: Final = text("""
    WITH due AS (
        SELECT id FROM outbox
        WHERE channel = :channel AND state = 'ambiguous' AND look_at <= :now
        ORDER BY look_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
    ), taken AS (
        UPDATE outbox o SET look_at = CASE WHEN coalesce(o.unclear_with, o.provider) = ANY(:providers)
                                           THEN CAST(:again AS timestamptz) END
        FROM due WHERE o.id = due.id
        RETURNING o.*
    )
    SELECT t.id, t.claims, coalesce(t.unclear_with, t.provider) AS with_, t.key, t.message_name,
           t.payload ->> 'to' AS colleague, l.email, t.addressee, coalesce(t.unclear_since, t.created_at) AS since,
           t.settled_at
    FROM taken t LEFT JOIN leads l ON l.id = t.lead_id
    WHERE t.look_at IS NOT NULL
    ORDER BY t.id
""")
_SAY: Final = text("""
    WITH given AS (
        SELECT * FROM json_to_recordset(:rows ::json) AS (
            id bigint, claim integer, state text, ref text, look_at timestamptz
        )
    ), held AS (
        SELECT id FROM outbox WHERE id IN (SELECT id FROM given) ORDER BY id FOR UPDATE
    )
    UPDATE outbox o SET
        state = g.state,
        reason = CASE g.state WHEN 'sent' THEN 'found' WHEN 'retry' THEN 'not-found' ELSE o.reason END,
        due_at = CASE g.state WHEN 'retry' THEN :now ELSE o.due_at END,
        provider = CASE g.state WHEN 'sent' THEN coalesce(o.unclear_with, o.provider) ELSE o.provider END,
        provider_ref = coalesce(nullif(g.ref, ''), o.provider_ref),
        settled_at = CASE g.state WHEN 'ambiguous' THEN o.settled_at ELSE :now END,
        unclear_since = CASE g.state WHEN 'retry' THEN NULL ELSE o.unclear_since END,
        unclear_with = CASE g.state WHEN 'retry' THEN NULL ELSE o.unclear_with END,
        look_at = g.look_at
    FROM given g, held h
    WHERE o.id = g.id AND h.id = o.id AND o.claims = g.claim AND o.state = 'ambiguous' AND o.evidence IS NULL
    RETURNING o.state
""")


def ask(
    conn: Connection, channel: Channel, providers: Iterable[str], now: datetime, *, again: datetime, limit: int = 20
) -> list[Unclear]:
    """Rows to ask one of `providers` about now, which nobody else asks about until `again`.

    Those of others, who cannot be asked here, are not looked at any more: an event or a person settles them.
    """
    given = {"channel": channel, "providers": list(providers), "now": now, "again": again, "limit": limit}
    found = conn.execute(_ASK, given).all()
    return [
        Unclear(row.id, row.claims, row.with_, row.key, row.message_name, _to(row), row.since, row.settled_at)
        for row in found
    ]


def _to(row: Any) -> str | None:
    """Whom a mail went to: a colleague, or the lead's address of today, if it is the one of then."""
    if row.colleague or row.email is None or row.addressee is None:
        return row.colleague  # type: ignore[no-any-return]
    same = bytes(row.addressee) in {sha256(each.encode()).digest() for each in spellings(row.email)}
    return row.email if same else None


def say(conn: Connection, said: Sequence[Said], now: datetime) -> list[str]:
    """Record what the provider said; returns the states that rows went to. What an event has proved stays as it is."""
    rows: list[dict[str, Any]] = [
        {"id": each.id, "claim": each.claim, "state": each.state, "ref": each.ref, "look_at": each.look_at}
        for each in said
    ]
    return list(conn.scalars(_SAY, {"rows": dumps(rows), "now": now})) if rows else []
