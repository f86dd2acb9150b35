"""Addresses that may not be mailed. The digest decides, so that an entry outlives the erasure of the person."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from workers.store.json import dumps

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Suppression:
    """An address, why it may not be mailed, and which event of which lead said so."""

    email: str
    reason: str
    lead_id: int | None = None
    event_id: int | None = None


def digest(email: str) -> bytes:
    """What an address is kept under; upper and lower case are one."""
    return sha256(email.strip().lower().encode()).digest()


_ADD: Final = text("""
    INSERT INTO suppressions (digest, email, reason, lead_id, event_id, created_at)
    SELECT decode(digest, 'hex'), email, reason, lead_id, event_id, :now
    FROM json_to_recordset(:rows ::json) AS (digest text, email text, reason text, lead_id bigint, event_id bigint)
    ORDER BY digest
    ON CONFLICT DO NOTHING
""")


def add(conn: Connection, entries: Iterable[Suppression], now: datetime) -> int:
    """Suppress addresses; one that already is keeps its first reason. Returns how many are new."""
    rows = [
        {
            "digest": digest(each.email).hex(),
            "email": each.email.strip().lower(),
            "reason": each.reason,
            "lead_id": each.lead_id,
            "event_id": each.event_id,
        }
        for each in entries
    ]
    return conn.execute(_ADD, {"rows": dumps(rows), "now": now}).rowcount if rows else 0


_FIND: Final = text("SELECT digest, reason FROM suppressions WHERE digest = ANY(:digests)")


def reasons(conn: Connection, emails: Collection[str]) -> dict[str, str]:
    """Why those of these addresses that are suppressed may not be mailed."""
    by_digest = {digest(email): email for email in emails}
    rows = conn.execute(_FIND, {"digests": list(by_digest)})
    return {by_digest[bytes(row[0])]: row[1] for row in rows}
