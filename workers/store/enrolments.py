"""Who stands where in campaigns: a copy of what the leads' own states say, kept for looking at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import text

from workers.engine.values import instant
from workers.store.json import dumps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
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
        changed_at = excluded.changed_at, resumed_by = 0
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


_HELD: Final = text("""
    SELECT g.campaign, held.lead_id FROM json_to_recordset(:going_on ::json) AS g (campaign text, control int)
    CROSS JOIN LATERAL (
        SELECT lead_id FROM enrolments e
        WHERE e.campaign = g.campaign AND e.resumed_by < g.control AND e.hold LIKE 'paused%' AND e.outcome = ''
        ORDER BY e.resumed_by, e.lead_id LIMIT :limit
    ) AS held
    LIMIT :limit
""")
_COUNT_HELD: Final = text("""
    SELECT count(*) FROM enrolments WHERE campaign = :campaign AND hold LIKE 'paused%' AND outcome = ''
""")
# A lead that somebody is at is left for the next time. One whose wake-up fails has its own pace.
_GO_ON: Final = text("""
    WITH planned AS (
        SELECT * FROM json_to_recordset(:rows ::json) AS (lead_id bigint, campaign text, control int, at timestamptz)
    ), held AS (
        SELECT id FROM leads WHERE id IN (SELECT lead_id FROM planned) ORDER BY id FOR UPDATE SKIP LOCKED
    ), noted AS (
        UPDATE enrolments e SET due = p.at, resumed_by = p.control FROM planned p JOIN held h ON h.id = p.lead_id
        WHERE e.lead_id = p.lead_id AND e.campaign = p.campaign AND e.hold LIKE 'paused%' AND e.outcome = ''
        RETURNING e.lead_id, e.due
    ), soonest AS (
        SELECT lead_id, min(due) AS at FROM noted GROUP BY lead_id
    ), woken AS (
        UPDATE leads SET wake_at = s.at FROM soonest s
        WHERE leads.id = s.lead_id AND failures = 0 AND (wake_at IS NULL OR wake_at > s.at)
    )
    SELECT count(*) FROM noted
""")


class GoingOn(NamedTuple):
    """When a run that a pause held goes on, and by which decision (`controls.Control.id`)."""

    campaign: str
    lead_id: int
    control: int
    at: datetime


def held(conn: Connection, going_on: Mapping[str, int], limit: int) -> list[tuple[str, int]]:
    """(campaign, lead id) of runs that a pause holds and that have no time to go on yet.

    Args:
        conn: the connection.
        going_on: campaigns that go on, and the decisions that made them.
        limit: so many at the most.
    """
    rows = dumps([{"campaign": campaign, "control": control} for campaign, control in going_on.items()])
    return [(campaign, lead) for campaign, lead in conn.execute(_HELD, {"going_on": rows, "limit": limit})]


def count_held(conn: Connection, campaign: str) -> int:
    """How many runs of a campaign a pause holds."""
    return int(conn.scalar(_COUNT_HELD, {"campaign": campaign}) or 0)


def go_on(conn: Connection, planned: Iterable[GoingOn]) -> int:
    """Wake runs that were held at their times; returns how many have theirs now."""
    rows = [each._asdict() for each in planned]
    return int(conn.scalar(_GO_ON, {"rows": dumps(rows)}) or 0) if rows else 0


_UNDER_WAY: Final = text("""
    SELECT campaign, version, step, count(*) FROM enrolments WHERE outcome = ''
    GROUP BY campaign, version, step ORDER BY campaign, version, step
""")


def under_way(conn: Connection) -> dict[tuple[str, str, str], int]:
    """Runs that have not ended, by (campaign, version of the campaign, id of the step that they stand at)."""
    return {(campaign, version, step): runs for campaign, version, step, runs in conn.execute(_UNDER_WAY)}


# From one pair to the next along the index, however many runs each has.
_PINNED: Final = text("""
    WITH RECURSIVE pair AS (
        (SELECT campaign, version FROM enrolments WHERE outcome = '' ORDER BY campaign, version LIMIT 1)
        UNION ALL
        SELECT following.campaign, following.version FROM pair CROSS JOIN LATERAL (
            SELECT campaign, version FROM enrolments e
            WHERE e.outcome = '' AND (e.campaign, e.version) > (pair.campaign, pair.version)
            ORDER BY campaign, version LIMIT 1
        ) AS following
    )
    SELECT campaign, version FROM pair
""")


def pinned(conn: Connection) -> set[tuple[str, str]]:
    """(campaign, version of it) that somebody is in."""
    return {(campaign, version) for campaign, version in conn.execute(_PINNED)}


# Who is awake already, or whose wake-up fails, is left alone; so is a lead that somebody is at.
_WAKE: Final = text("""
    WITH found AS (
        SELECT here.lead_id FROM json_to_recordset(:pairs ::json) AS p (campaign text, version text)
        CROSS JOIN LATERAL (
            SELECT e.lead_id FROM enrolments e JOIN leads l ON l.id = e.lead_id AND l.failures = 0
            WHERE e.campaign = p.campaign AND e.version = p.version AND e.outcome = '' AND (NOT :held OR e.due IS NULL)
            LIMIT :limit
        ) AS here LIMIT :limit
    ), asleep AS (
        SELECT id FROM leads
        WHERE id IN (SELECT lead_id FROM found) AND (wake_at IS NULL OR wake_at > :now)
        ORDER BY id FOR UPDATE SKIP LOCKED
    )
    UPDATE leads SET wake_at = :now FROM asleep WHERE leads.id = asleep.id
""")


def wake(
    conn: Connection, versions: Iterable[tuple[str, str]], now: datetime, limit: int, *, held: bool = False
) -> int:
    """Wake leads that are in these versions of campaigns, at most `limit` of them at a time; returns how many.

    Args:
        conn: the connection.
        versions: (campaign, version of it); whoever has been looked at is not in them any more.
        now: when they are due.
        limit: so many are awake for it at a time.
        held: only those that nothing else would move, because a pause holds them.
    """
    pairs = [{"campaign": campaign, "version": version} for campaign, version in versions]
    given = {"pairs": dumps(pairs), "now": now, "limit": limit, "held": held}
    return conn.execute(_WAKE, given).rowcount if pairs else 0


class Standing(NamedTuple):
    """Runs that stand alike.

    Attributes:
        version: of the campaign.
        hold: why they stand there (`Enrolment.hold`).
        due: when the first of them goes on; None if nothing but an event moves them.
    """

    version: str
    step: str
    hold: str
    runs: int
    due: datetime | None


_STANDING: Final = text("""
    SELECT version, step, CASE WHEN hold LIKE 'paused%' THEN 'paused' ELSE hold END, count(*), min(due)
    FROM enrolments WHERE campaign = :campaign AND outcome = '' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
""")


def standing(conn: Connection, campaign: str) -> list[Standing]:
    """The runs of a campaign that have not ended."""
    return [Standing(*row) for row in conn.execute(_STANDING, {"campaign": campaign})]


_KNOWS: Final = text("""
    SELECT EXISTS (SELECT FROM enrolments WHERE campaign = :campaign AND outcome = '')
        OR EXISTS (SELECT FROM enrolments WHERE campaign = :campaign AND outcome <> '')
""")


def knows(conn: Connection, campaign: str) -> bool:
    """True if anybody is, or was, in the campaign."""
    return bool(conn.scalar(_KNOWS, {"campaign": campaign}))
