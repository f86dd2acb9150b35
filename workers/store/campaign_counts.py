"""How often what has happened in campaigns, by day and step: what progress, pauses and tests are read from.

Everybody who counts has rows of their own, the worker of a slice those of that slice, so that nobody waits for another.
Once a day is over for long enough, its rows are folded into one for each step and word, later those of a whole month.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import text

from workers.store.json import dumps
from workers.store.locks import hold_controls

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import Connection

DELIVERY: Final = -1
"""The shard of delivery, whose processes share it; the others are the numbers of the slices."""


FOLDED: Final = -2
"""The shard of what is folded: nobody but the clock writes there, and it waits for nobody."""


class Happened(NamedTuple):
    """Something that is counted.

    Attributes:
        step: empty for the campaign as a whole.
        what: see `workers.pipeline.progress`.
        day: UTC; of what becomes of a mail, the day on which it was sent.
    """

    campaign: str
    step: str
    what: str
    day: date


def utc_day(at: datetime) -> date:
    """The day of an instant that is counted on."""
    return at.astimezone(UTC).date()


# In order, so that two processes that share a shard never wait for each other in a circle.
_ADD: Final = text("""
    INSERT INTO campaign_counts (campaign, day, step, what, slice, n)
    SELECT campaign, day, step, what, :shard, n
    FROM json_to_recordset(:rows ::json) AS (campaign text, day date, step text, what text, n bigint)
    ORDER BY campaign, day, step, what
    ON CONFLICT (campaign, day, step, what, slice) DO UPDATE SET n = campaign_counts.n + excluded.n
""")


def add(conn: Connection, shard: int, happened: Mapping[Happened, int]) -> None:
    """Count what has happened, so often each."""
    if happened:
        rows = [{**each._asdict(), "n": number} for each, number in happened.items()]
        conn.execute(_ADD, {"rows": dumps(rows), "shard": shard})


_TOTALS: Final = text("""
    SELECT step, what, sum(n)::bigint FROM campaign_counts WHERE campaign = :campaign GROUP BY step, what
""")
_LATELY: Final = text("""
    SELECT campaign, day, split_part(what, ':', 1), sum(n)::bigint FROM campaign_counts
    WHERE campaign = ANY(:campaigns) AND day >= :since GROUP BY 1, 2, 3
""")


def totals(conn: Connection, campaign: str) -> dict[tuple[str, str], int]:
    """Everything that has happened in a campaign so far, by (step, what)."""
    return {(step, what): number for step, what, number in conn.execute(_TOTALS, {"campaign": campaign})}


def lately(conn: Connection, campaigns: Collection[str], since: date) -> dict[str, dict[tuple[date, str], int]]:
    """What has happened in campaigns since a day, over all steps and reasons: by campaign, then by (day, what)."""
    found: dict[str, dict[tuple[date, str], int]] = {campaign: {} for campaign in campaigns}
    for campaign, day, what, number in conn.execute(_LATELY, {"campaigns": list(campaigns), "since": since}):
        found[campaign][day, what] = number
    return found


_WORDS: Final = text("""
    SELECT campaign, what, sum(n)::bigint FROM campaign_counts WHERE what = ANY(:words) GROUP BY campaign, what
""")


def of_words(conn: Connection, words: Collection[str]) -> dict[tuple[str, str], int]:
    """How often these things have happened so far in every campaign, by (campaign, what)."""
    found = conn.execute(_WORDS, {"words": list(words)})
    return {(campaign, what): number for campaign, what, number in found}


_TESTED: Final = text("""
    SELECT t.campaign, t.step, c.what, sum(c.n)::bigint
    FROM json_to_recordset(:asked ::json) AS t (campaign text, step text, until date)
    JOIN campaign_counts c ON c.campaign = t.campaign AND c.step = t.step AND c.day <= t.until
    WHERE c.what LIKE 'arm:%' OR c.what LIKE 'success:%'
    GROUP BY 1, 2, 3
""")


def tested(conn: Connection, asked: Mapping[tuple[str, str], date]) -> dict[tuple[str, str], dict[str, int]]:
    """What was counted for the tests at splits, by (campaign, step): of people split until a day, for each its own."""
    rows = [{"campaign": campaign, "step": step, "until": until} for (campaign, step), until in asked.items()]
    found: dict[tuple[str, str], dict[str, int]] = {each: {} for each in asked}
    for campaign, step, what, number in conn.execute(_TESTED, {"asked": dumps(rows)}):
        found[campaign, step][what] = number
    return found


# ── folding ──────────────────────────────────────────────────────────────────────────────────────────────────

# Rows that somebody is at are left for the next time: whoever counts never waits for long, and nobody in a circle.
_FOLD: Final = """
    WITH old AS (
        SELECT ctid FROM campaign_counts WHERE {which} AND day < :before
        ORDER BY day LIMIT :limit FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM campaign_counts c USING old WHERE c.ctid = old.ctid RETURNING campaign, day, step, what, n
    ), folded AS (
        INSERT INTO campaign_counts (campaign, day, step, what, slice, n)
        SELECT campaign, {day}, step, what, -2, sum(n) FROM gone GROUP BY 1, 2, 3, 4
        ON CONFLICT (campaign, day, step, what, slice) DO UPDATE SET n = campaign_counts.n + excluded.n
    )
    SELECT count(*) FROM gone
"""
_FOLD_SLICES: Final = text(_FOLD.format(which="slice <> -2", day="day"))
# What a test counts stays by day: which of it is ripe depends on how long success may take.
_FOLD_DAYS: Final = text(
    _FOLD.format(
        which="slice = -2 AND extract(day FROM day) <> 1 AND what NOT LIKE 'arm:%' AND what NOT LIKE 'success:%'",
        day="date_trunc('month', day)::date",
    )
)


def fold(conn: Connection, days_before: date, months_before: date, limit: int) -> int:
    """Make one row of the shards' rows for a day, and one of a month's days; every sum stays as it is.

    Callers take turns (`locks.hold_controls`).

    Args:
        conn: inside a transaction.
        days_before: days that are over for long enough that little comes in for them.
        months_before: the first day that somebody may still ask for by itself (`pausing.LONGEST`).
        limit: rows that are folded at a time.

    Returns:
        how many rows were folded; fewer than `limit` if nothing is left to fold.
    """
    hold_controls(conn)
    slices = int(conn.scalar(_FOLD_SLICES, {"before": days_before, "limit": limit}) or 0)
    return slices + int(conn.scalar(_FOLD_DAYS, {"before": months_before, "limit": limit - slices}) or 0)
