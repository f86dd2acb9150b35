"""Leads counted anew, or looked at anew, because the rules or the plans changed."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from tests.conftest import NOW
from tests.workers.changing import ANN, BOOKS, HOUR, LATER, World
from tests.workers.engine.builders import points, rulebook
from tests.workers.processing import append, event, newsletter
from workers.engine.decide import decide
from workers.exceptions import RulebookError
from workers.pipeline import batch
from workers.store import decisions, leads, outbox, status
from workers.store.slices import slice_of
from workers.sweep import Due, sweep

if TYPE_CHECKING:
    from sqlalchemy import Engine


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
    world.apply("third", rulebook(rules=(points("page.viewed", 8),), promotion=None, scoring="s-third"))
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
    world.restart()  # a new process has nothing to go on with
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
        world.restart()  # as after a restart
        world.work(LATER)
        left.append(world.outdated())
    assert left == [7, 2, 0, 0, 0]
