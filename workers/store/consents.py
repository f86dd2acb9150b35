"""The history of consent: who said what, when and where, and the text that they were shown. Rows are only added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from workers.store.json import dumps

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from workers.engine.values import Consent


@dataclass(frozen=True, slots=True)
class ConsentLine:
    """A line of the history, for people.

    Attributes:
        category: `*` for all of them.
        action: `given`, `confirmed`, `withdrawn`, or `restored` where an unsubscribing was taken back.
        standing: where the person stood after it.
        occurred_at: by the event's own account.
        event_id, source: the event, and who sent it; its payload is in the log.
        place: the form or address where it was said.
        shown: the text beside the box.
        basis: the lawful basis that the rules named.
    """

    category: str
    action: str
    standing: str
    occurred_at: datetime
    event_id: int
    source: str
    place: str
    shown: str
    basis: str
    recorded_at: datetime


_ADD: Final = text("""
    INSERT INTO consents (
        lead_id, category, action, standing, occurred_at, event_id, source, place, shown, basis, rulebook, recorded_at
    )
    SELECT lead_id, category, action, standing, occurred_at, event_id, source, place, shown, basis, :rulebook, :now
    FROM json_to_recordset(:rows ::json) AS (
        lead_id bigint, category text, action text, standing text, occurred_at timestamptz, event_id bigint,
        source text, place text, shown text, basis text
    )
    ON CONFLICT DO NOTHING
""")


def add(
    conn: Connection,
    said: Iterable[tuple[int, int, Consent]],
    sources: Mapping[int, str],
    rulebook: int,
    now: datetime,
) -> int:
    """Add lines, each with its lead's and its event's id; returns how many. `sources` says who sent each event."""
    rows = [
        {
            "lead_id": lead_id, "event_id": event_id, "source": sources.get(event_id, ""),
            "category": each.category, "action": each.action, "standing": each.standing, "occurred_at": each.at,
            "place": each.place, "shown": each.text, "basis": each.basis,
        }
        for lead_id, event_id, each in said
    ]  # fmt: skip
    return conn.execute(_ADD, {"rows": dumps(rows), "rulebook": rulebook, "now": now}).rowcount if rows else 0


_HISTORY: Final = text("""
    SELECT category, action, standing, occurred_at, event_id, source, place, shown, basis, recorded_at
    FROM consents WHERE lead_id = :lead_id ORDER BY occurred_at, id
""")


def history(conn: Connection, lead_id: int) -> list[ConsentLine]:
    """All that a lead ever said, by its own time."""
    return [ConsentLine(*row) for row in conn.execute(_HISTORY, {"lead_id": lead_id})]


_NOW: Final = text("SELECT id, coalesce(state -> 'consents', '{}') FROM leads WHERE id = ANY(:leads)")


def now_are(conn: Connection, leads: Collection[int]) -> dict[int, dict[str, list[Any]]]:
    """Where these leads stand (`LeadState.consents`); one that is gone is not in it."""
    return dict(conn.execute(_NOW, {"leads": list(leads)}).all())
