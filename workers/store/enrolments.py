"""Who stands where in campaigns: a copy of what the leads' own states say, kept for looking at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import text

from workers.engine.values import instant
from workers.store.json import dumps

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection

    from workers.engine.values import Enrolment


class Run(NamedTuple):
    """A lead's latest run in a campaign, or in that part of it that has its key."""

    lead_id: int
    campaign: str
    run: Enrolment


_PUT: Final = text("""
    INSERT INTO enrolments (
        lead_id, campaign, key, run, version, step, due, hold, outcome, reason, entered_at, changed_at
    )
    SELECT lead_id, campaign, key, run, version, step, due, hold, outcome, reason, entered_at, :now
    FROM json_to_recordset(:rows ::json) AS (
        lead_id bigint, campaign text, key text, run int, version text, step text, due timestamptz, hold text,
        outcome text, reason text, entered_at timestamptz
    )
    ON CONFLICT (lead_id, campaign, key) DO UPDATE SET
        run = excluded.run, version = excluded.version, step = excluded.step, due = excluded.due, hold = excluded.hold,
        outcome = excluded.outcome, reason = excluded.reason, entered_at = excluded.entered_at,
        changed_at = excluded.changed_at
""")


def put(conn: Connection, changed: Iterable[Run], now: datetime) -> None:
    """Note runs as they are now. The caller holds their leads, so that nobody else notes them meanwhile."""
    rows = [_row(each.lead_id, each.campaign, each.run) for each in changed]
    if rows:
        conn.execute(_PUT, {"rows": dumps(rows), "now": now})


def _row(lead_id: int, campaign: str, run: Enrolment) -> dict[str, object]:
    return {
        "lead_id": lead_id, "campaign": campaign, "key": run.key, "run": run.run, "version": run.version,
        "step": run.step, "due": None if run.due is None else instant(run.due), "hold": run.hold,
        "outcome": run.outcome, "reason": run.reason, "entered_at": instant(run.entered),
    }  # fmt: skip


_UNDER_WAY: Final = text("""
    SELECT campaign, version, step, count(*) FROM enrolments WHERE outcome = ''
    GROUP BY campaign, version, step ORDER BY campaign, version, step
""")


def under_way(conn: Connection) -> dict[tuple[str, str, str], int]:
    """Runs that have not ended, by (campaign, version of the campaign, id of the step that they stand at)."""
    return {(campaign, version, step): runs for campaign, version, step, runs in conn.execute(_UNDER_WAY)}
