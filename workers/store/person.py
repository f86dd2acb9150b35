"""Everything that the store holds about one person, as they may ask for it (GDPR, articles 15 and 20)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from workers.store import erasure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

_PARTS: Final[Mapping[str, str]] = {
    "leads": "SELECT id, email, stage, state, created_at, updated_at FROM leads WHERE id = ANY(:leads) ORDER BY id",
    "events": """
        SELECT id, source, event_id, type, occurred_at, received_at, identities, properties, lead,
               encode(payload, 'escape') AS payload
        FROM events WHERE subject = ANY(:names) OR identities && :names ORDER BY occurred_at, id
    """,
    "consents": """
        SELECT category, action, standing, occurred_at, source, place, shown, basis, recorded_at
        FROM consents WHERE lead_id = ANY(:leads) ORDER BY occurred_at, id
    """,
    "suppressions": """
        SELECT email, reason, author, created_at FROM suppressions WHERE digest = ANY(:digests) ORDER BY reason
    """,
    "decisions": """
        SELECT decided_at, kind, rule, detail FROM decisions WHERE lead_id = ANY(:leads) ORDER BY id
    """,
    "mails_and_promotions": """
        SELECT key, channel, payload, state, reason, provider, provider_ref, created_at, settled_at
        FROM outbox WHERE lead_id = ANY(:leads) ORDER BY id
    """,
    "opportunities": """
        SELECT key, crm, details, ref, owner, created_at, accepted_at
        FROM opportunities WHERE lead_id = ANY(:leads) ORDER BY key
    """,
    "quarantine": """
        SELECT id, source, reason, detail, url, encode(payload, 'escape') AS payload, received_at
        FROM quarantine WHERE encode(payload, 'escape') ~* :pattern OR url ~* :pattern OR detail ~* :pattern
        ORDER BY id
    """,
    "erasures": "SELECT erased_at, author, erased FROM erasures WHERE digest = ANY(:digests) ORDER BY id",
}
"""By part of the answer, the rows that are in it."""


def everything(conn: Connection, email: str) -> dict[str, Any]:
    """All rows about whoever has this address, by part; `identities` are all names they go by. JSON values and times.

    The event log and the quarantine are read from end to end.
    """
    person = erasure.find(conn, email)
    given = {
        "leads": list(person.leads),
        "names": list(person.identities),
        "digests": erasure.digests_of(person),
        "pattern": erasure.pattern_of(email),
    }
    parts = {
        part: [dict(row) for row in conn.execute(text(sql), erasure.used(sql, given)).mappings()]
        for part, sql in _PARTS.items()
    }
    return {"identities": list(person.identities), **parts}
