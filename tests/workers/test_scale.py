"""That nothing reads a large table from end to end, however much is due; how fast it is, is the benchmarks' to say."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from tests.conftest import NOW
from tests.workers.processing import RULES, append, event, run
from workers.store import outbox
from workers.store.outbox import Outcome
from workers.sweep import sweep

if TYPE_CHECKING:
    from sqlalchemy import Engine

LARGE = ("leads", "outbox", "inbox", "enrolments", "identities", "event_keys")
OFTEN = 7
"""A statement is prepared at its sixth execution."""


@pytest.fixture
def burst(engine: Engine) -> Engine:
    """100,000 leads, most of them due, but none in slices 3 and 4; as many mails, half of them due; events waiting."""
    with engine.begin() as conn:
        RULES.active(conn)
        conn.execute(text("""
            INSERT INTO leads (id, slice, email, state, scoring, wake_at, created_at, updated_at)
            SELECT n, CASE n % 32 WHEN 4 THEN 5 ELSE n % 32 END, 'p' || n, '{}', 's1',
                   CAST(:now AS timestamptz) + CASE n % 32 WHEN 3 THEN 1 ELSE -1 END * interval '1 minute', :now, :now
            FROM generate_series(1, 100000) n
        """), {"now": NOW})  # fmt: skip
        conn.execute(text("INSERT INTO identities SELECT 'email:p' || id, id FROM leads"))
        conn.execute(text("""
            INSERT INTO outbox (key, channel, lead_id, rulebook, payload, message_name, state, due_at, created_at)
            SELECT 'mail:' || n, 'email', n, 1, '{}', n, CASE n % 2 WHEN 0 THEN 'pending' ELSE 'sent' END, :now, :now
            FROM generate_series(1, 100000) n
        """), {"now": NOW})  # fmt: skip
        conn.execute(text("""
            INSERT INTO enrolments SELECT n, 'c' || n % 3, '', 1, 'v', 's', :now, '', '', '', :now, :now
            FROM generate_series(1, 100000) n
        """), {"now": NOW})  # fmt: skip
        conn.execute(text("INSERT INTO event_keys SELECT md5(n::text)::uuid, :now FROM generate_series(1, 50000) n"),
                     {"now": NOW})  # fmt: skip
        conn.execute(text("""
            INSERT INTO inbox (slice, event_id, received_at, not_before)
            SELECT n % 32, n, :now, CAST(:now AS timestamptz) + interval '1 hour' FROM generate_series(1, 50000) n
        """), {"now": NOW})  # fmt: skip
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text("VACUUM ANALYZE"))
    return engine


def plan(engine: Engine, mode: str) -> None:
    """From now on the planner makes a plan for every execution (`custom`), or one for all values (`generic`)."""
    with engine.begin() as conn:
        name = conn.scalar(text("SELECT quote_ident(current_database())"))
        conn.execute(text(f"ALTER DATABASE {name} SET plan_cache_mode = force_{mode}_plan"))
    engine.dispose()


def scans(engine: Engine) -> dict[str, int]:
    """How often each table was read from end to end; connections tell it when they end."""
    engine.dispose()
    with engine.connect() as conn:
        found = dict(conn.execute(text("SELECT relname, seq_scan FROM pg_stat_user_tables")).all())
    return {name: found[name] for name in LARGE}


def test_a_burst_is_found_and_worked_off_by_index(burst: Engine):
    for start, mode in ((0, "custom"), (OFTEN, "generic")):
        plan(burst, mode)
        before = scans(burst)
        for n in range(start, start + OFTEN):
            work(burst, n)
        assert (mode, scans(burst)) == (mode, before)


def work(engine: Engine, n: int) -> None:
    """A look of the clock, an event, a batch of three slices, and a chunk of mails: one sent, one given back."""
    now = NOW + timedelta(seconds=n)
    assert len(sweep(engine, now, lambda _: False, timedelta(hours=1)).slices) == 30
    append(engine, event(n, "ann", "message:mail:7", at=now))
    run(engine, now, [0, 3, 5], batch=20, batches=1)
    with engine.begin() as conn:
        first, second = outbox.claim(conn, "email", now, limit=2, lease=timedelta(minutes=5))
        outbox.settle(conn, [Outcome(first.id, first.number, "sent")], now)
        outbox.give_back(conn, [(second.id, second.number, now + timedelta(minutes=1))])
        assert outbox.claim(conn, "crm", now, limit=2, lease=timedelta(minutes=5)) == []
