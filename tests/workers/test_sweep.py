from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event as listening
from sqlalchemy import text

from tests.conftest import NOW, connected
from tests.waiting import eventually
from tests.workers.processing import RULES, append, event, newsletter, run
from workers.engine.decide import decide
from workers.exceptions import StoreUnavailable
from workers.store import evidence, outbox
from workers.store.evidence import Evidence
from workers.store.slices import slice_of
from workers.sweep import Due, Sweeper, leadership, sweep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

ANN = slice_of("email:ann@acme.test")
AN_HOUR = timedelta(hours=1)


def nobody_takes_keys(_provider: str) -> bool:
    return False


def look(engine: Engine, now=NOW) -> Due:
    return sweep(engine, now, nobody_takes_keys, AN_HOUR)


def test_what_is_due_is_found_at_its_time_and_not_before(engine: Engine):
    assert look(engine) == Due()
    append(engine, newsletter(1), event(2, "ben"))
    assert look(engine).slices == {ANN, slice_of("email:ben@acme.test")}
    run(engine)
    assert look(engine) == Due(channels=frozenset({"email"}))
    with engine.begin() as conn:
        outbox.claim(conn, "email", NOW, limit=1, lease=timedelta(minutes=5))
    assert look(engine) == Due()
    assert look(engine, NOW + timedelta(minutes=5)).expired == {"ambiguous": 1}
    assert look(engine, NOW + timedelta(days=2) - timedelta(seconds=1)).slices == set()
    assert look(engine, NOW + timedelta(days=2)).slices == {ANN}


def test_what_nobody_can_prove_becomes_a_persons_matter_once_and_is_never_sent_again(engine: Engine):
    append(engine, newsletter(1))
    run(engine)
    with engine.begin() as conn:
        (claim,) = outbox.claim(conn, "email", NOW, limit=1, lease=timedelta(minutes=5))
        outbox.settle(conn, [outbox.Outcome(claim.id, claim.number, "ambiguous", "unknown", error="no answer")], NOW)
    assert [look(engine, NOW + after).unproved for after in (AN_HOUR / 2, AN_HOUR, 2 * AN_HOUR)] == [0, 1, 0]
    with engine.begin() as conn:
        (row,) = outbox.rows(conn, 9, reason=outbox.UNPROVED)
        assert (row.state, row.settled_at, row.last_error) == ("ambiguous", NOW, "no answer")
        assert outbox.claim(conn, "email", NOW + timedelta(days=30), limit=9, lease=AN_HOUR) == []
        proof = Evidence(7, claim.lead_id, message_id=f"{row.message_name}@acme.test")
        assert evidence.prove(conn, [proof], NOW).rows == 1


def test_an_event_that_waits_for_its_next_try_is_not_due(engine: Engine):
    append(engine, event(1))

    def broken(state, lead_id, batch, *given, **more):
        if batch:
            raise ValueError
        return decide(state, lead_id, batch, *given, **more)

    run(engine, decide=broken)
    assert look(engine).slices == set()
    assert look(engine, NOW + timedelta(seconds=10)).slices == {ANN}


def scans(plan: Any) -> Iterator[tuple[str, str]]:
    """(kind of node, table) of every node that reads a table."""
    if isinstance(plan, list):
        for each in plan:
            yield from scans(each)
    elif isinstance(plan, dict):
        if "Relation Name" in plan:
            yield plan["Node Type"], plan["Relation Name"]
        for each in plan.values():
            yield from scans(each)


@pytest.fixture
def crowded(engine: Engine) -> Engine:
    """200,000 leads that sleep, as many mails that were sent, 50,000 events that wait; hardly anything due."""
    with engine.begin() as conn:
        conn.execute(text("""
            INSERT INTO leads (id, slice, state, scoring, wake_at, created_at, updated_at)
            SELECT n, n % 32, '{}', CASE n WHEN 3 THEN 'other' ELSE 's1' END,
                   CAST(:now AS timestamptz) + (n - 5) * interval '1 minute', :now, :now
            FROM generate_series(1, 200000) n
        """), {"now": NOW})  # fmt: skip
        RULES.active(conn)
        conn.execute(text("UPDATE rulebook_versions SET scoring = 's1'"))
        conn.execute(text("""
            INSERT INTO outbox (key, channel, lead_id, rulebook, payload, state, due_at, lease_until, created_at)
            SELECT n, 'email', n, 1, '{}',
                   CASE WHEN n < 5 THEN 'pending' WHEN n < 9 THEN 'sending' ELSE 'sent' END, :now,
                   CASE WHEN n BETWEEN 5 AND 8 THEN CAST(:now AS timestamptz) END, :now
            FROM generate_series(1, 200000) n
        """), {"now": NOW})  # fmt: skip
        conn.execute(text("""
            INSERT INTO inbox (slice, event_id, received_at, not_before)
            SELECT n % 32, n, :now, CAST(:now AS timestamptz) + interval '1 hour' FROM generate_series(1, 50000) n
        """), {"now": NOW})  # fmt: skip
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text("VACUUM ANALYZE"))
    return engine


def test_the_sweep_never_scans(crowded: Engine):
    statements: list[tuple[str, Any]] = []
    listening.listen(crowded, "before_cursor_execute", lambda *args: statements.append((args[2], args[3])))
    due = look(crowded)
    run(crowded, slices=[3])
    assert len(due.slices) == 5
    read = []
    with crowded.connect() as conn:
        for statement, given in statements:
            if statement.lstrip().startswith(("SELECT", "WITH", "UPDATE", "DELETE")):
                plan = conn.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", given).scalar_one()
                read += scans(plan if isinstance(plan, list) else json.loads(plan))
    watched = {"leads", "outbox", "inbox"}
    assert {table for _, table in read} >= watched
    assert [(kind, table) for kind, table in read if table in watched and kind == "Seq Scan"] == []


# ── one clock leads ──────────────────────────────────────────────────────────────────────────────────────────


def test_one_leads_until_it_resigns_or_loses_its_connection(database_url: str, engine: Engine):
    with connected(database_url) as other, leadership(engine) as first, leadership(other) as second:
        assert first.held()
        assert first.held()
        assert not second.held()
        first.resign()
        eventually(second.held)  # PostgreSQL takes a moment to see that a session has ended
        assert not first.held()
        with engine.begin() as conn:
            conn.execute(text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"))
        with pytest.raises(StoreUnavailable):
            second.held()
        eventually(first.held)
        assert not second.held()


def test_a_sweeper_makes_the_months_ahead(engine: Engine):
    sweeper = Sweeper(engine, nobody_takes_keys, AN_HOUR)
    for days in (0, 0, 40):
        sweeper.sweep(NOW + timedelta(days=days))
    with engine.connect() as conn:
        assert conn.scalar(text("SELECT to_regclass('events_2026_04') IS NOT NULL"))
        assert not conn.scalar(text("SELECT to_regclass('events_2026_05') IS NOT NULL"))


def test_a_reader_of_the_log_holds_up_the_months_and_nothing_else(engine: Engine):
    sweeper = Sweeper(engine, nobody_takes_keys, AN_HOUR)
    later = NOW + timedelta(days=40)
    append(engine, event(1))
    with engine.connect() as reader:
        reader.execute(text("SELECT count(*) FROM events"))  # as a dump does, for as long as its transaction lasts
        assert sweeper.sweep(later).slices == {ANN}
        assert not reader.scalar(text("SELECT to_regclass('events_2026_04') IS NOT NULL"))
    sweeper.sweep(later + timedelta(minutes=6))
    with engine.connect() as conn:
        assert conn.scalar(text("SELECT to_regclass('events_2026_04') IS NOT NULL"))
