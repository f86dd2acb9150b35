"""Addresses that may not be mailed. The digest decides, so that an entry outlives the erasure of the person.

An address may be on the list for several reasons; only `unsubscribed` concerns marketing mail alone. A whole domain is
an entry, too: `@acme.test`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from integrations.addresses import normalised
from workers.store.json import dumps

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import datetime

    from sqlalchemy import Connection

MANUAL: Final = "manual"
DOMAIN: Final = "domain"
UNSUBSCRIBED: Final = "unsubscribed"
REASONS: Final = (UNSUBSCRIBED, "bounced", "soft-bounced", "complained", MANUAL, DOMAIN)


@dataclass(frozen=True, slots=True)
class Suppression:
    """An address, or a domain as `@acme.test`, why it may not be mailed, and who or which event of which lead said so.

    Attributes:
        author: the person who put it there; empty for an event.
    """

    email: str
    reason: str
    lead_id: int | None = None
    event_id: int | None = None
    author: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the list, for people.

    Attributes:
        email: None once the person was erased.
        digest: hexadecimal; see `digest`.
    """

    email: str | None
    digest: str
    reason: str
    author: str
    created_at: datetime


def digest(email: str) -> bytes:
    """What an address is kept under; upper and lower case are one, and so are both ways to write a domain."""
    return sha256(normalised(email).encode()).digest()


@lru_cache(maxsize=4096)  # there are fewer domains than people
def _domain_digest(domain: str) -> str:
    return digest(domain).hex()


_ADD: Final = text("""
    INSERT INTO suppressions (digest, email, reason, lead_id, event_id, author, created_at)
    SELECT decode(digest, 'hex'), email, reason, lead_id, event_id, author, :now
    FROM json_to_recordset(:rows ::json)
        AS (digest text, email text, reason text, lead_id bigint, event_id bigint, author text)
    ORDER BY digest, reason
    ON CONFLICT DO NOTHING
""")


def add(conn: Connection, entries: Iterable[Suppression], now: datetime) -> int:
    """Suppress addresses; one that already is for this reason stays as it is. Returns how many entries are new."""
    return add_digests(conn, ((digest(each.email), each) for each in entries), now)


def add_digests(conn: Connection, entries: Iterable[tuple[bytes, Suppression]], now: datetime) -> int:
    """The same by digest; an empty address is not known any more."""
    rows = [
        {
            "digest": digest.hex(),
            "email": normalised(each.email) or None,
            "reason": each.reason,
            "lead_id": each.lead_id,
            "event_id": each.event_id,
            "author": each.author,
        }
        for digest, each in entries
    ]
    return conn.execute(_ADD, {"rows": dumps(rows), "now": now}).rowcount if rows else 0


# Digests go as one text: an array of them took five times as long to write.
_FIND: Final = text("""
    SELECT encode(digest, 'hex'), reason FROM suppressions
    WHERE digest = ANY(ARRAY(SELECT decode(hex, 'hex') FROM unnest(string_to_array(:digests, ',')) AS hex))
    ORDER BY created_at, reason
""")


def reasons(conn: Connection, emails: Collection[str]) -> dict[str, str]:
    """Why those of these addresses that are suppressed, or whose domain is, may not be mailed.

    Of several reasons it is one that rules out all mail, if there is one.
    """
    wanted: dict[str, list[str]] = {}
    for email in emails:
        wanted.setdefault(digest(email).hex(), []).append(email)
        wanted.setdefault(_domain_digest(email[email.rfind("@") :]), []).append(email)
    found: dict[str, str] = {}
    for key, reason in conn.execute(_FIND, {"digests": ",".join(wanted)}).all():
        for email in wanted[key]:
            if found.get(email, UNSUBSCRIBED) == UNSUBSCRIBED:
                found[email] = reason
    return found


_REMOVE: Final = text("""
    WITH gone AS (
        DELETE FROM suppressions
        WHERE digest = ANY(:digests) AND (:reason = '' OR reason = :reason)
        RETURNING digest, reason, created_at
    ), noted AS (
        INSERT INTO suppression_removals (digest, reason, created_at, removed_at, author, why)
        SELECT digest, reason, created_at, :now, :author, :why FROM gone
    )
    SELECT reason FROM gone ORDER BY reason
""")


def remove(
    conn: Connection, emails: Collection[str], now: datetime, *, author: str, why: str, reason: str = ""
) -> list[str]:
    """Take addresses from the list and note who did it and why; returns the reasons that they had stood there for."""
    given = {"digests": [digest(each) for each in emails], "reason": reason, "now": now, "author": author, "why": why}
    return list(conn.scalars(_REMOVE, given))


_LIST: Final = text("""
    SELECT email, encode(digest, 'hex'), reason, author, created_at FROM suppressions
    WHERE (:reason = '' OR reason = :reason) AND (CAST(:digests AS bytea[]) IS NULL OR digest = ANY(:digests))
    ORDER BY created_at DESC, digest LIMIT :limit
""")


def entries(conn: Connection, reason: str = "", limit: int | None = None, email: str = "") -> Iterator[Entry]:
    """The list, latest first; of one reason or of all; for an address, what concerns it and its domain."""
    digests = [digest(email), digest(email[email.rfind("@") :])] if email else None
    for row in conn.execute(_LIST, {"reason": reason, "limit": limit, "digests": digests}):
        yield Entry(*row)
