"""Leads counted anew from their logs: because the rules changed, or because a late event means more than it says."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from tests.conftest import NOW
from tests.workers.engine.builders import NURTURE, WELCOME, points, rulebook, says
from tests.workers.processing import append, event, newsletter
from workers.clock import SteppedClock
from workers.engine.decide import decide
from workers.engine.rules import Limit, Trigger
from workers.engine.standing import Standing
from workers.engine.values import LeadState
from workers.exceptions import RulebookError
from workers.pipeline import Processed, batch, process_slice
from workers.store import decisions, events, history, leads, outbox, quarantine, rulebooks, status
from workers.store.history import logs
from workers.store.json import dumps
from workers.store.rulebooks import Rulebooks
from workers.store.slices import SLICES, slice_of
from workers.sweep import Due, sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Engine

    from workers.engine.rules import Rulebook

ANN = "email:ann@acme.test"
HOUR = timedelta(hours=1)
LATER = NOW + HOUR
EXISTING = replace(NURTURE, version="n2", enter=(Trigger(stage="lead"), Trigger(stage="subscriber")), existing=True)
BOOKS = {
    "old": rulebook(promotion=None, scoring="s-old"),
    "new": rulebook(rules=(points("form.submitted", 4), points("page.viewed", 50)), promotion=None, scoring="s-new"),
    "other-words": rulebook(promotion=None, scoring="s-old"),
    "planned": replace(rulebook(promotion=None, scoring="s-old", campaigns=(WELCOME, EXISTING)), plan="p2"),
}


def compiled(files: Mapping[str, str]) -> Rulebook:
    """Files of one line that names a rulebook."""
    name = files["rules.yaml"]
    if name not in BOOKS:
        raise RulebookError(("rules.yaml:1:1: no such rulebook",))
    return replace(BOOKS[name], version=name)


class World:
    """A database whose rulebook can be changed, and workers that notice."""

    def __init__(self, engine: Engine, decide_: Callable[..., Any] = decide) -> None:
        self.engine = engine
        self.rulebooks = Rulebooks(compiled)
        self.decide = decide_
        self.apply("old")

    def apply(self, name: str) -> None:
        with self.engine.begin() as conn:
            rulebooks.apply(conn, name, {"rules.yaml": name}, author="ana", message="", now=NOW)

    def work(self, now=NOW, **options: Any) -> Processed:
        clock, total = SteppedClock(now), Processed()
        for slice_ in range(SLICES):
            total += process_slice(self.engine, slice_, self.rulebooks, clock, decide=self.decide, **options)
        return total

    def sweep(self, now=LATER) -> Due:
        return sweep(self.engine, now, lambda _: False, HOUR, self.rulebooks)

    def state(self, identity: str = ANN) -> LeadState:
        with self.engine.connect() as conn:
            lead = leads.find(conn, identity)
        assert lead is not None
        return LeadState.load(lead.state)

    def score(self, book: str, identity: str = ANN) -> float:
        return round(Standing(self.state(identity), BOOKS[book], NOW).score("engagement"), 2)

    def outdated(self) -> int:
        with self.engine.connect() as conn:
            return status.read(conn, LATER).outdated

    def story(self, identity: str = ANN) -> list[tuple[str, str]]:
        with self.engine.connect() as conn:
            lead = leads.find(conn, identity)
            return [(each.kind, each.version) for each in decisions.story(conn, lead.id)]


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


# ── changed rules ────────────────────────────────────────────────────────────────────────────────────────────


def test_changed_rules_count_sleeping_leads_anew_and_both_versions_are_told(world: World):
    append(world.engine, newsletter(1), event(2), event(3, "ben"))
    world.work()
    assert world.score("old") == 45
    world.apply("new")
    assert sweep(world.engine, LATER, lambda _: False, HOUR) == Due(
        channels=frozenset({"email"})
    )  # nobody knows it yet
    assert world.sweep().outdated == 2
    assert world.outdated() == 2
    assert world.sweep().slices == {slice_of(ANN), slice_of("email:ben@acme.test")}
    assert world.sweep().outdated == 0  # they are awake already
    done = world.work(LATER)
    assert (done.recounted, done.woken, done.events) == (2, 2, 0)
    assert world.score("new") == 54
    assert (world.outdated(), world.sweep().outdated, world.sweep().slices) == (0, 0, frozenset())
    told = world.story()
    assert [version for kind, version in told if kind == "scored"] == ["old", "old"]
    assert told.count(("recounted", "new")) == 1
    with world.engine.connect() as conn:
        assert len(outbox.rows(conn, 9)) == 1  # the mail went out once


def test_going_back_is_applying_the_old_rules(world: World):
    append(world.engine, newsletter(1), event(2))
    world.work()
    before = world.state()
    for name, now in (("new", LATER), ("old", LATER + timedelta(hours=1))):
        world.apply(name)
        world.work(now)
        world.sweep(now)
        assert world.work(now).recounted == 1
    assert world.state().scores == before.scores
    assert world.state().fields == before.fields


def test_rules_that_score_alike_count_nobody_anew(world: World):
    append(world.engine, newsletter(1))
    world.work()
    world.apply("other-words")
    world.work()
    assert (world.outdated(), world.sweep().outdated) == (0, 0)


def test_an_event_brings_its_lead_up_to_date_before_the_sweep_does(world: World):
    append(world.engine, newsletter(1), event(2))
    world.work()
    world.apply("broken")
    assert world.sweep().outdated == 0  # nobody can tell
    world.apply("new")
    append(world.engine, event(3))
    done = world.work()
    assert (done.recounted, done.events, world.outdated()) == (1, 1, 0)
    assert world.score("new") == 100


def half_counted(world: World) -> list[str]:
    """Six leads, half of which are counted by the new rules."""
    names = [f"email:p{n}@acme.test" for n in range(6)]
    append(world.engine, *(event(n, f"p{n}") for n in range(6)))
    world.work()
    world.apply("new")
    world.work()
    with world.engine.begin() as conn:
        leads.wake_outdated(conn, BOOKS["new"].stamp, NOW, 3)
    assert world.work().recounted == 3
    return names


def finish(world: World) -> int:
    """Let the clock and the workers go on until nobody is left; returns how many were counted."""
    counted = 0
    while world.sweep().outdated or world.outdated():
        counted += world.work(LATER).recounted
    return counted


def test_rules_that_change_while_leads_are_counted_anew_take_over_those_that_were_and_those_that_were_not(world: World):
    names = half_counted(world)
    BOOKS["third"] = rulebook(rules=(points("page.viewed", 8),), promotion=None, scoring="s-third")
    world.apply("third")
    world.work()
    assert finish(world) == 6
    assert {world.score("third", name) for name in names} == {8}


def test_going_back_while_leads_are_counted_anew_counts_only_those_that_had_gone_ahead(world: World):
    names = half_counted(world)
    world.apply("old")
    world.work()
    assert finish(world) == 3
    assert {world.score("old", name) for name in names} == {5}


def test_refused_rules_leave_those_that_run_in_force_and_leads_are_counted_by_these_to_the_end(world: World):
    names = half_counted(world)
    world.apply("broken")
    append(world.engine, event(100, "p0"))
    done = world.work()
    assert done.events == 1  # by the rules that run
    with world.engine.connect() as conn:
        assert (status.read(conn, NOW).version, status.read(conn, NOW).unread) == ("broken", True)
    world.sweep()
    assert done.recounted + world.work(LATER).recounted == 3
    assert world.sweep().outdated == 0
    assert {round(world.score("new", name)) for name in names} == {50, 100}
    world.rulebooks = Rulebooks(compiled)  # a new process has nothing to go on with
    append(world.engine, event(101, "p0"))
    with pytest.raises(RulebookError):
        world.work()
    assert world.sweep().outdated == 0
    world.apply("new")  # and everything is still there
    assert world.work().events == 1
    assert world.score("new", names[0]) == 100  # the range ends there


def test_events_of_a_dropped_month_count_no_longer_and_what_they_told_stays(world: World):
    told = newsletter(1)._replace(lead={"first_name": "Ann"})
    append(world.engine, told, event(2), event(3))
    world.work()
    with world.engine.begin() as conn:
        conn.execute(text("DELETE FROM events WHERE event_id IN ('e1', 'e2')"))
    assert world.score("old") == 50  # nothing changes by itself
    world.apply("new")
    world.work()
    world.sweep()
    assert world.work(LATER).recounted == 1
    state = world.state()
    assert (world.score("new"), state.events, state.stage) == (50, 1, "lead")
    assert state.fields == {"email": "ann@acme.test", "first_name": "Ann"}
    with world.engine.connect() as conn:
        detail = decisions.story(conn, leads.find(conn, ANN).id)[-1].detail
    assert (detail["reason"], detail["events"], detail["gone"]) == ("rules", 1, 2)


def test_only_so_many_are_woken_at_a_time_and_a_failing_one_is_in_nobodys_way(world: World):
    append(world.engine, *(event(n, f"p{n}") for n in range(12)))
    world.work()
    world.apply("new")
    world.work()
    with world.engine.begin() as conn:
        conn.execute(text("UPDATE leads SET failures = 1, wake_at = :at WHERE email = 'p0@acme.test'"), {"at": LATER})
        assert leads.wake_outdated(conn, "s-new", NOW, 5) == 5
        assert leads.wake_outdated(conn, "s-new", NOW, 5) == 0
        assert leads.wake_outdated(conn, "s-new", NOW, 7) == 2
    assert world.work().recounted == 7
    with world.engine.begin() as conn:
        assert leads.wake_outdated(conn, "s-new", NOW, 5) == 4
    assert world.work().recounted == 4
    assert world.outdated() == 0


def test_a_batch_counts_only_so_many_events_anew_and_new_events_come_first(world: World, monkeypatch):
    names = [n for n in range(400) if slice_of(f"email:p{n}@acme.test") == slice_of(ANN)][:8]
    append(world.engine, *(event(n * 10 + k, f"p{n}") for n in names for k in range(3)), event(9999))
    world.work()
    world.apply("new")
    world.work()
    world.sweep(NOW)
    monkeypatch.setattr(batch, "RECOUNTED", 4)
    append(world.engine, event(10_000))
    first = world.work()
    assert (first.events, first.recounted, bool(first.more)) == (1, 1 + 2, True)
    turns = 1
    while world.work().more:
        turns += 1
    assert turns == 3
    assert world.outdated() == 0


def test_a_kill_while_counting_anew_resumes_where_it_was(world: World):
    class Kill(BaseException):
        pass

    names = [f"p{n}" for n in range(9)]
    append(world.engine, *(event(n * 10 + k, name) for n, name in enumerate(names) for k in range(4)))
    world.work()
    world.apply("new")
    world.work()
    chance = random.Random(1)

    def killed(*given: Any, **more: Any) -> Any:
        if chance.random() < 0.2:
            raise Kill
        return decide(*given, **more)

    world.decide = killed
    kills = 0
    while world.outdated():
        world.sweep()
        try:
            world.work(LATER, batch=2)
        except Kill:
            kills += 1
    assert kills > 1
    assert {world.score("new", f"email:{name}@acme.test") for name in names} == {100}
    assert all(world.story(f"email:{name}@acme.test").count(("recounted", "new")) == 1 for name in names)


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


# ── late events ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_late_event_shifts_what_counts_through_every_way_to_the_lead(engine: Engine):
    BOOKS["third"] = rulebook(
        rules=(points("page.viewed", says(lambda e, _, __: e["worth"]), every=3),), promotion=None, scoring="s-3"
    )
    world = World(engine)
    world.apply("third")
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
    BOOKS["limited"] = rulebook(rules=(points("page.viewed", 7, limit=Limit(2)),), promotion=None, scoring="s-l")
    world.apply("limited")
    world.work()
    world.sweep(NOW)
    assert world.work().recounted == 1
    assert world.score("limited") == pytest.approx(14, rel=0.01)


# ── states of earlier versions ───────────────────────────────────────────────────────────────────────────────

RECORDED = {
    "fields": {"email": "ann@acme.test", "first_name": "Ann", "size": 200, "title": "Chief", "budget": 9},
    "told": {
        "email": [1772107200000000, 1], "first_name": [1772107200000000, 1], "size": [1772107200000000, 1],
        "title": [1772280000000000, 4], "budget": [1772280000000000, 4],
    },
    "scores": {"engagement": "5f7f84e57e41p14"},
    "bands": {"engagement": "hot"},
    "stage": "opportunity",
    "staged": 1772280000000000,
    "enrolments": {
        "welcome": ["w1", 1, 1772193600000000, "case-study", None, "exited", "stage opportunity"],
        "nurture": ["n1", 1, 1772193600000000, "two", 1772193600000000, "", ""],
    },
    "promotions": 1,
    "recent": [[1772107200000000, 1, "form.submitted", 40], [1772193600000000, 2, "page.viewed", 5]],
    "events": 4,
    "last": 1772280000000000,
    "missing": [],
    "format": 1,
}  # fmt: skip
"""As the first release wrote it, when a score was one sum."""


def test_a_state_of_the_first_format_keeps_where_the_lead_stands_and_is_counted_anew(world: World):
    append(world.engine, newsletter(1), event(2), event(3), event(4))
    world.work()
    with world.engine.begin() as conn:
        conn.execute(
            text("UPDATE leads SET state = CAST(:state AS jsonb), scoring = '', wake_at = NULL"),
            {"state": dumps(RECORDED)},
        )
    loaded = world.state()
    assert (loaded.scores, loaded.recent, loaded.scoring) == ({}, [], "")
    assert (loaded.stage, loaded.promotions, loaded.bands) == ("opportunity", 1, {"engagement": "hot"})
    assert loaded.enrolments["welcome"].outcome == "exited"
    assert world.sweep(NOW).outdated == 1
    assert world.work().recounted == 1
    state = world.state()
    assert (state.events, state.stage, state.promotions) == (4, "opportunity", 1)
    assert world.score("old") == pytest.approx(55, rel=0.01)
    assert state.fields == {"email": "ann@acme.test"}  # what the log tells
    assert state.enrolments["welcome"] == loaded.enrolments["welcome"]


# ── changed plans ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_changed_plan_looks_at_sleeping_leads_without_counting_them_anew(world: World):
    """Leads at the stage of a new campaign enter it, if it wants those who are there already."""
    append(world.engine, newsletter(1), event(2), event(3, "ben"))
    world.work()
    before = world.state()
    world.apply("planned")
    world.sweep()  # nobody has used the version yet: the clock compiles it
    assert world.outdated() == 2
    done = world.work(LATER)
    assert (done.woken, done.recounted) == (2, 0)
    assert (world.outdated(), world.sweep().outdated) == (0, 0)
    assert world.state().scores == before.scores
    assert [run.version for name, run in world.state().enrolments.items() if name == "nurture"] == ["n2"]
    with world.engine.connect() as conn:
        assert leads.by_scoring(conn) == {"s-old:p2": 2}


def test_looking_anew_goes_on_where_it_was_whoever_looks_and_is_throttled(world: World, monkeypatch):
    append(world.engine, *(event(n, f"p{n}") for n in range(12)))
    world.work()
    world.apply("planned")
    monkeypatch.setattr("workers.sweep.OUTDATED", 5)
    left = []
    for _ in range(5):
        world.sweep()
        world.rulebooks = Rulebooks(compiled)  # as after a restart
        world.work(LATER)
        left.append(world.outdated())
    assert left == [7, 2, 0, 0, 0]
