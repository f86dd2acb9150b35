"""The decision log: why everything is as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from workers.store.json import dumps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from workers.engine.values import Decision


@dataclass(frozen=True, slots=True)
class LoggedDecision:
    """A decision as the log holds it, for people; `version` is the rulebook's."""

    id: int
    decided_at: datetime
    lead_id: int
    kind: str
    rule: str
    version: str
    event_id: int | None
    detail: Mapping[str, Any]


_APPEND: Final = text("""
    INSERT INTO decisions (decided_at, lead_id, kind, rule, rulebook, event_id, detail)
    SELECT :now, l, k, r, :rulebook, e, d
    FROM json_to_recordset(:rows ::json) AS (l bigint, k text, r text, e bigint, d jsonb)
""")


def append(conn: Connection, made: Sequence[tuple[int, Decision]], rulebook: int, now: datetime) -> int:
    """Add (lead id, decision) pairs to the log, in their order; returns how many.

    `rulebook` is the id of the version in force, as `rulebooks.active` gives it; `now` is when they were decided.
    """
    rows = [{"l": lead, "k": d.kind, "r": d.rule, "e": d.event, "d": d.detail} for lead, d in made]
    if rows:
        conn.execute(_APPEND, {"rows": dumps(rows), "rulebook": rulebook, "now": now})
    return len(rows)


_STORY: Final = text("""
    SELECT d.id, d.decided_at, d.lead_id, d.kind, d.rule, v.version, d.event_id, d.detail
    FROM decisions d JOIN rulebook_versions v ON v.id = d.rulebook
    WHERE d.lead_id = :lead_id ORDER BY d.id
""")


def story(conn: Connection, lead_id: int) -> list[LoggedDecision]:
    """Every decision about a lead, in the order they were made."""
    rows: Iterable[Any] = conn.execute(_STORY, {"lead_id": lead_id})
    return [LoggedDecision(*row) for row in rows]


_SKIPPED: Final = text("""
    SELECT detail ->> 'reason', rule, count(*) FROM decisions
    WHERE kind = 'skipped' AND decided_at >= :since GROUP BY 1, 2 ORDER BY 1, 2
""")


def skipped(conn: Connection, since: datetime) -> dict[tuple[str, str], int]:
    """What was left aside since then, by (reason, rule): an index holds these decisions alone."""
    return {(reason or "", rule): number for reason, rule, number in conn.execute(_SKIPPED, {"since": since})}
