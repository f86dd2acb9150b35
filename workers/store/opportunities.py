"""Leads that became opportunities: one row per promotion, whatever happens on the way to the CRM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from workers.store.json import dumps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Opportunity:
    """An opportunity as handed over.

    Attributes:
        key: the promotion's.
        details: the hand-off, JSON values.
        ref: the CRM's own id; None until it has it.
    """

    key: str
    lead_id: int
    crm: str
    details: Mapping[str, Any]
    ref: str | None = None
    created_at: datetime | None = None
    accepted_at: datetime | None = None


_ADD: Final = text("""
    INSERT INTO opportunities (key, lead_id, crm, details, created_at)
    SELECT key, lead_id, crm, details, :now
    FROM json_to_recordset(:rows ::json) AS (key text, lead_id bigint, crm text, details jsonb)
    ORDER BY key
    ON CONFLICT DO NOTHING
""")


def add(conn: Connection, new: Iterable[Opportunity], now: datetime) -> int:
    """Record promotions; one that is known already changes nothing. Returns how many are new."""
    rows = [{"key": o.key, "lead_id": o.lead_id, "crm": o.crm, "details": o.details} for o in new]
    return conn.execute(_ADD, {"rows": dumps(rows), "now": now}).rowcount if rows else 0


_LIST: Final = text("""
    SELECT key, lead_id, crm, details, ref, created_at, accepted_at FROM opportunities
    WHERE :lead_id = 0 OR lead_id = :lead_id
    ORDER BY created_at DESC, key LIMIT :limit
""")


def recent(conn: Connection, limit: int, lead_id: int = 0) -> list[Opportunity]:
    """The latest opportunities, of one lead or (`lead_id` 0) of all."""
    return [Opportunity(*row) for row in conn.execute(_LIST, {"lead_id": lead_id, "limit": limit})]
