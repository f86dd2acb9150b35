"""The months of the event log and the decision log, made ahead of time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from workers.store.tables import PARTITIONED

if TYPE_CHECKING:
    from sqlalchemy import Connection

AHEAD: Final = 2
"""Months that are there before they begin."""

PARTITION_LOCK: Final = 0x6472_6970_0002


def ensure(conn: Connection, now: datetime) -> list[str]:
    """Make the partitions of this month and the next ones where they are missing; returns the names of new ones.

    Rows that meanwhile went to a default partition (nobody made their month in time) are moved to where they belong.
    """
    conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": PARTITION_LOCK})
    there = set(conn.scalars(text("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'")))
    wanted = [(table, month) for table in PARTITIONED for month in _months(now)]
    missing = [(table, month) for table, month in wanted if _name(table, month) not in there]
    for table, month in missing:
        _create(conn, table, month)
    return [_name(table, month) for table, month in missing]


def _months(now: datetime) -> list[datetime]:
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    months = [first]
    for _ in range(AHEAD):
        months.append(_next(months[-1]))
    return months


def _next(month: datetime) -> datetime:
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)


def _name(table: str, month: datetime) -> str:
    return f"{table}_{month:%Y_%m}"


def _create(conn: Connection, table: str, month: datetime) -> None:
    """Build the month beside the table and attach it: who writes to months that exist is not held up.

    Names and bounds below are our own constants and dates; DDL takes no parameters.
    """
    name, column = _name(table, month), PARTITIONED[table]
    start, end = f"'{month.isoformat()}'", f"'{_next(month).isoformat()}'"
    conn.execute(text(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)"))
    inside = f"{column} >= {start} AND {column} < {end}"
    # Attaching takes this lock in any case; taken first, no row of the month can slip into the default in between.
    conn.execute(text(f"LOCK TABLE {table}_default IN ACCESS EXCLUSIVE MODE"))
    moved = f"WITH moved AS (DELETE FROM {table}_default WHERE {inside} RETURNING *)"  # noqa: S608  (our tables and months)
    conn.execute(text(f"{moved} INSERT INTO {name} SELECT * FROM moved"))  # noqa: S608  (our tables and months)
    conn.execute(text(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({start}) TO ({end})"))
