"""Leads that became opportunities: one row per promotion, whatever happens on the way to the CRM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from workers.store.json import dumps

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Opportunity:
    """An opportunity as handed over.

    Attributes:
        key: the promotion's.
        details: the hand-off, JSON values.
        ref: the CRM's own id; None until it has it.
        owner: who got it; empty for nobody.
        rota: among whom it was whose turn; empty if nobody took turns.
    """

    key: str
    lead_id: int
    crm: str
    details: Mapping[str, Any]
    ref: str | None = None
    created_at: datetime | None = None
    accepted_at: datetime | None = None
    owner: str = ""
    rota: str = ""


_ADD: Final = text("""
    INSERT INTO opportunities (key, lead_id, crm, details, owner, rota, created_at)
    SELECT key, lead_id, crm, details, owner, rota, :now
    FROM json_to_recordset(:rows ::json)
        AS (key text, lead_id bigint, crm text, details jsonb, owner text, rota text)
    ORDER BY key
    ON CONFLICT DO NOTHING
""")


def add(conn: Connection, new: Iterable[Opportunity], now: datetime) -> int:
    """Record promotions; one that is known already changes nothing. Returns how many are new."""
    rows = [
        {"key": o.key, "lead_id": o.lead_id, "crm": o.crm, "details": o.details, "owner": o.owner, "rota": o.rota}
        for o in new
    ]
    return conn.execute(_ADD, {"rows": dumps(rows), "now": now}).rowcount if rows else 0


_TURNS: Final = text("SELECT rota, owner, count(*) FROM opportunities WHERE rota = ANY(:rotas) GROUP BY rota, owner")
_WINDOWS: Final = text("""
    SELECT w.owner, w.days, count(key)
    FROM json_to_recordset(:windows ::json) AS w (owner text, days int)
    LEFT JOIN opportunities o
        ON o.owner = w.owner AND o.created_at > CAST(:now AS timestamptz) - w.days * interval '1 day'
    GROUP BY w.owner, w.days
""")


def turns(conn: Connection, rotas: Collection[str]) -> dict[tuple[str, str], int]:
    """How many opportunities each owner got in each of these rotas, by (rota, owner); who got none is not in it."""
    return {(rota, owner): number for rota, owner, number in conn.execute(_TURNS, {"rotas": list(rotas)})}


def recently(conn: Connection, windows: Collection[tuple[str, int]], now: datetime) -> dict[tuple[str, int], int]:
    """How many opportunities owners got in the last so many days, whatever the rota, by (owner, days)."""
    if not windows:
        return {}
    rows = dumps([{"owner": owner, "days": days} for owner, days in windows])
    found = conn.execute(_WINDOWS, {"windows": rows, "now": now})
    return {(owner, days): number for owner, days, number in found}


_LIST: Final = text("""
    SELECT key, lead_id, crm, details, ref, created_at, accepted_at, owner, rota FROM opportunities
    WHERE :lead_id = 0 OR lead_id = :lead_id
    ORDER BY created_at DESC, key LIMIT :limit
""")


def recent(conn: Connection, limit: int, lead_id: int = 0) -> list[Opportunity]:
    """The latest opportunities, of one lead or (`lead_id` 0) of all."""
    return [Opportunity(*row) for row in conn.execute(_LIST, {"lead_id": lead_id, "limit": limit})]
