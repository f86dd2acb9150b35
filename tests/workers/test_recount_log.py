"""What leads are counted anew from: their logs, also when a late event means more than it says."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from tests.conftest import NOW
from tests.workers.changing import ANN, LATER, World
from tests.workers.engine.builders import points, rulebook, says
from tests.workers.processing import append, event, newsletter
from workers.engine.decide import decide
from workers.engine.rules import Limit
from workers.pipeline import batch
from workers.store import events, history, outbox, quarantine
from workers.store.history import logs
from workers.store.slices import SLICES, slice_of

if TYPE_CHECKING:
    from sqlalchemy import Engine


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


# ── the log ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_log_shows_the_engine_what_it_saw_before_and_nothing_else(engine: Engine):
    seen: dict[int, list[Any]] = defaultdict(list)

    def watching(state, lead_id, batch, book, now, *, history=None):
        for each in batch if history is None else history:
            seen[lead_id].append(each)
        return decide(state, lead_id, batch, book, now, history=history)

    world = World(engine, watching)
    append(engine, newsletter(1, "ann", "cookie:9", at=LATER), event(2, "cookie:9"), event(3, "phone:1", "cookie:9"))
    world.work()
    with engine.begin() as conn:
        key = outbox.rows(conn, 1)[0].key
        outbox.put(conn, [outbox.Effect("escalation:x", "email", 1, {"to": "boss@own.test"})], 1, NOW)
        conn.execute(text("""UPDATE events SET lead = '{"first_name": "Ann"}' WHERE event_id = 'e2'"""))
    append(engine, event(4, f"message:{key}", type_="email.opened", message_key=key))
    append(engine, event(5, "message:mail:gone", "ann"), event(6, "message:mail:gone"))
    world.work()
    append(engine, event(7, "ann", message_key="escalation:x"))
    assert world.work().notices == 1
    before = {each.id: each for each in seen.pop(1)}
    assert len(before) == 6

    append(engine, event(8), event(9), event(10))
    with engine.begin() as conn:
        ids = dict(conn.execute(text("SELECT event_id, id FROM events")).all())
        conn.execute(text("DELETE FROM inbox WHERE event_id = :id"), {"id": ids["e8"]})
        gone = quarantine.PoisonEvent(ids["e8"], "test", "processing-failed", "", NOW)
        quarantine.add_events(conn, [gone], NOW)
        claimed = events.take_these(conn, [slice_of(ANN)], NOW, [ids["e9"]])
        events.put_back(conn, [events.Failed(each, 1, LATER, "") for each in claimed])
        conn.execute(text("UPDATE leads SET wake_at = :now"), {"now": NOW})
        conn.execute(text("UPDATE inbox SET slice = 99 WHERE event_id = :id"), {"id": ids["e10"]})
        conn.execute(text("UPDATE events SET slice = 99 WHERE id = :id"), {"id": ids["e10"]})
    world.apply("new")
    assert world.work().recounted == 1
    again = {each.id: each for each in seen.pop(1)}
    assert again.keys() == before.keys()
    assert {i: (e.type, e.at, e.properties) for i, e in again.items()} == {
        i: (e.type, e.at, e.properties) for i, e in before.items()
    }
    assert [dict(again[ids[f"e{n}"]].lead) for n in (1, 3, 5)] == [dict(before[ids[f"e{n}"]].lead) for n in (1, 3, 5)]


def test_the_log_is_read_by_index(engine: Engine):
    with engine.begin() as conn:
        conn.execute(text("""
            INSERT INTO events (received_at, occurred_at, slice, source, event_id, type, subject, identities,
                                properties, lead, payload)
            SELECT CAST(:now AS timestamptz) + (n % 60) * interval '1 day', :now, 0, 's', n, 't', 'c:' || n % 20000,
                   '{}', '{}', '{}', ''
            FROM generate_series(1, 60000) n
        """), {"now": NOW})  # fmt: skip
        conn.execute(text("""
            INSERT INTO inbox (slice, event_id, received_at, not_before)
            SELECT n % 32, n, :now, CASE WHEN n % 1000 = 0 THEN CAST(:now AS timestamptz) ELSE 'epoch' END
            FROM generate_series(100000, 150000) n
        """), {"now": NOW})  # fmt: skip
        conn.execute(text("INSERT INTO identities SELECT 'c:' || n, n / 2 FROM generate_series(0, 19999) n"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text("VACUUM ANALYZE"))
        found = logs(conn, list(range(500)))
        assert {len(log) for log in found.values()} == {6}
        explained = text(f"EXPLAIN {history._LOGS.text}")
        plan = "\n".join(conn.scalars(explained, {"leads": list(range(500)), "last": SLICES - 1}))
    assert "Seq Scan on events_2" not in plan  # an empty partition has nothing to look up
    assert "Seq Scan on inbox" not in plan


def test_leads_in_long_logs_are_loaded_a_few_at_a_time(world: World, monkeypatch):
    append(world.engine, *(event(n * 10 + k, f"p{n}") for n in range(6) for k in range(5)))
    world.work()
    world.apply("new")
    world.work()
    world.sweep()
    loaded = []
    monkeypatch.setattr(batch, "LOADED", 10)
    monkeypatch.setattr(batch, "logs", lambda conn, ids: loaded.append(len(ids)) or logs(conn, ids))
    assert world.work(LATER).recounted == 6
    assert max(loaded) <= 2


# ── late events ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_late_event_shifts_what_counts_through_every_way_to_the_lead(engine: Engine):
    world = World(engine)
    every_third = points("page.viewed", says(lambda e, _, __: e["worth"]), every=3)
    world.apply("third", rulebook(rules=(every_third,), promotion=None, scoring="s-3"))
    append(engine, event(90, "ann", "cookie:9", worth=1), *(event(n, "cookie:9", worth=n) for n in (30, 20, 10)))
    world.work()
    assert world.score("third") == pytest.approx(20, rel=0.01)
    append(engine, event(80, worth=80), event(5, worth=5))
    assert world.work().recounted == 1
    assert world.score("third") == pytest.approx(30 + 5, rel=0.01)


def test_poison_among_new_events_is_kept_out_of_the_history_too(engine: Engine):
    def weak(state, lead_id, batch, book, now, *, history=None):
        if any(each.properties.get("poison") for each in (history or batch)):
            raise ZeroDivisionError
        return decide(state, lead_id, batch, book, now, history=history)

    world = World(engine, weak)
    append(engine, event(1), event(2))
    world.work()
    world.apply("new")
    append(engine, event(3), event(4, poison=True), event(5))
    done = world.work()
    assert (done.events, done.failed, done.recounted) == (2, 1, 1)
    assert (world.state().events, world.score("new")) == (4, 100)
    few = points("page.viewed", 7, limit=Limit(2))
    world.apply("limited", rulebook(rules=(few,), promotion=None, scoring="s-l"))
    world.work()
    world.sweep(NOW)
    assert world.work().recounted == 1
    assert world.score("limited") == pytest.approx(14, rel=0.01)
