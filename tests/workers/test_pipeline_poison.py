"""What fails costs nothing else: events on which the engine or PostgreSQL breaks, and wake-ups that do."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from tests.conftest import NOW
from tests.workers.processing import RULES, append, event, newsletter, run
from workers.clock import SteppedClock
from workers.engine.decide import Outcome, decide
from workers.engine.values import Decision, LeadState, Send, micros
from workers.pipeline import Processed, process_together
from workers.pipeline.verdict import EVENT_WAITS, WAKE_WAITS
from workers.store import leads, quarantine, status, stuck
from workers.store.slices import slice_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Engine

    from workers.engine.rules import Rulebook

# 3,000 characters that do not compress: no index takes them as a key, so the whole statement fails
KEY = "".join(chr(33 + (n * n * 7919 + n) % 9001) for n in range(3000))
TOO_LONG = Decision("sent", NOW, "c.s", "v", None, {}, Send(KEY, "c", "s", "t"))


def poisoned(state: LeadState, lead_id: int, batch: Sequence, book: Rulebook, now, **more) -> Outcome:
    """The engine, with a weakness for certain events: raises on some, and makes PostgreSQL refuse others."""
    if any(e.properties.get("poison") == "engine" for e in batch):
        raise ZeroDivisionError("in a rule")
    outcome = decide(state, lead_id, batch, book, now, **more)
    bad = tuple(TOO_LONG for e in batch if e.properties.get("poison") == "store")
    return outcome._replace(decisions=(*outcome.decisions, *bad))


def test_poison_of_one_slice_costs_nothing_in_those_that_go_through_with_it(engine: Engine):
    append(engine, *(event(n, f"p{n}") for n in range(60)), event(99, "ann", poison="store"))
    done = process_together(engine, range(32), RULES, SteppedClock(NOW), decide=poisoned)
    assert (done.events, done.failed, done.quarantined) == (60, 1, 0)
    with engine.connect() as conn:
        assert [tuple(row) for row in conn.execute(text("SELECT slice, attempts FROM inbox"))] == [
            (slice_of("email:ann@acme.test"), 1)
        ]


@pytest.mark.parametrize("kind", ["engine", "store"])
def test_poison_is_isolated_retried_and_quarantined_while_all_else_goes_through(engine: Engine, kind):
    crowd = [n for n in range(1, 400) if slice_of(f"email:p{n}@acme.test") == slice_of("email:ann@acme.test")]
    others = [event(n, f"p{n}") for n in crowd]
    append(engine, *others[:5], event(1000), event(1001, poison=kind), event(1002), *others[5:])
    good = len(others) + 2

    first = run(engine, decide=poisoned)
    assert (first.events, first.failed, first.quarantined) == (good, 1, 0)
    assert run(engine, decide=poisoned) == Processed()
    second = run(engine, NOW + EVENT_WAITS[0], decide=poisoned)
    assert (second.events, second.failed, second.quarantined) == (0, 1, 0)
    third = run(engine, NOW + EVENT_WAITS[0] + EVENT_WAITS[1], decide=poisoned)
    assert (third.events, third.failed, third.quarantined) == (0, 0, 1)

    with engine.begin() as conn:
        (kept,) = quarantine.waiting(conn, 9)
        assert (kept.kind, kept.reason) == ("event", "processing-failed")
        assert ("ZeroDivisionError: in a rule" if kind == "engine" else "ProgramLimitExceeded") in kept.detail
        assert status.read(conn, NOW).backlog == 0
        assert leads.find(conn, "email:ann@acme.test").state["events"] == 2
        assert quarantine.replay_events(conn, [kept.id], NOW) == {kept.id}
    assert run(engine).events == 1
    with engine.connect() as conn:
        assert leads.find(conn, "email:ann@acme.test").state["events"] == 3
        assert quarantine.counts(conn) == {}


def test_a_lead_known_only_by_poison_exists_and_nothing_more(engine: Engine):
    append(engine, event(1, poison="engine"))
    assert run(engine, decide=poisoned).failed == 1
    with engine.connect() as conn:
        assert leads.find(conn, "email:ann@acme.test").state == {}
        (error,) = conn.scalars(text("SELECT error FROM inbox"))
    assert error == "ZeroDivisionError: in a rule"


def test_a_wake_up_that_fails_is_tried_again_later_for_ever_and_seen(engine: Engine):
    def broken(*_, **__):
        raise KeyError("template")

    append(engine, newsletter(1))
    run(engine)
    now = NOW + timedelta(days=2)
    for wait in (*WAKE_WAITS, WAKE_WAITS[-1]):
        assert run(engine, now, decide=broken).failed == 1
        assert run(engine, now + wait / 2, decide=broken) == Processed()
        now += wait
    with engine.connect() as conn:
        assert status.read(conn, now).stuck == 1
        assert "KeyError" in leads.find(conn, "email:ann@acme.test").error
    assert run(engine, now).outbox == 1
    with engine.connect() as conn:
        assert status.read(conn, now).stuck == 0


def overdue(state: LeadState, lead_id: int, batch: Sequence, book: Rulebook, now, **more) -> Outcome:
    """The engine, with a step that raises as soon as it is due, whatever comes with it."""
    if any(run.due is not None and run.due <= micros(now) for run in state.enrolments.values()):
        raise KeyError("template")
    return decide(state, lead_id, batch, book, now, **more)


def refused(state: LeadState, lead_id: int, batch: Sequence, book: Rulebook, now, **more) -> Outcome:
    """The engine, with a step that PostgreSQL refuses to store as soon as it is due."""
    outcome = decide(state, lead_id, batch, book, now, **more)
    due = any(run.due is not None and run.due <= micros(now) for run in state.enrolments.values())
    return outcome._replace(decisions=(*outcome.decisions, TOO_LONG)) if due else outcome


@pytest.mark.parametrize("broken", [overdue, refused])
def test_a_wake_up_that_fails_is_not_blamed_on_the_events_that_come_with_it(engine: Engine, broken):
    append(engine, newsletter(1), event(2, "ben"))
    run(engine)
    due = NOW + timedelta(days=2)
    append(engine, event(3), event(4), event(5, "ben"))
    first = run(engine, due, decide=broken)
    assert (first.events, first.held, first.quarantined) == (1, 2, 0)
    append(engine, event(6))
    assert run(engine, due + timedelta(seconds=1), decide=broken).held == 1
    now = due
    for wait in (*WAKE_WAITS, WAKE_WAITS[-1]):  # more often than would have cost an event its place
        now += wait
        done = run(engine, now, decide=broken)
        assert (done.events, done.failed, done.held, done.quarantined) == (0, 1, 3, 0)
    with engine.connect() as conn:
        assert set(conn.scalars(text("SELECT attempts FROM inbox"))) == {0}
        assert all("waits for lead" in error for error in conn.scalars(text("SELECT error FROM inbox")))
        ann = leads.find(conn, "email:ann@acme.test")
        assert (ann.state["events"], status.read(conn, now).stuck) == (1, 1)
        assert ann.failures == 2 + len(WAKE_WAITS)
        assert status.read(conn, now).held == 3
        (seen,) = stuck.stuck(conn, 9)
        assert (seen.lead_id, seen.email, seen.held, seen.wake_at) == (ann.id, ann.email, 3, ann.wake_at)
    with engine.begin() as conn:
        assert stuck.wake(conn, [ann.id, 4711], now) == [ann.id]
    done = run(engine, now)  # the cause is gone, and nobody has waited for the next try
    assert (done.events, done.failed, done.held) == (3, 0, 0)
    with engine.connect() as conn:
        assert leads.find(conn, "email:ann@acme.test").state["events"] == 4
        assert status.read(conn, now).stuck == 0


@pytest.mark.parametrize("kind", ["engine", "store"])
def test_an_event_that_spoils_the_batch_is_blamed_although_a_wake_up_was_due(engine: Engine, kind):
    append(engine, newsletter(1))
    run(engine)
    append(engine, event(2, poison=kind))
    done = run(engine, NOW + timedelta(days=2), decide=poisoned)
    assert (done.failed, done.held, done.outbox) == (1, 0, 1)
    with engine.connect() as conn:
        assert leads.find(conn, "email:ann@acme.test").failures == 0
        assert list(conn.scalars(text("SELECT attempts FROM inbox"))) == [1]


def test_wake_ups_that_the_database_refuses_are_set_aside_alone(engine: Engine):
    names = [f"p{n}" for n in range(400) if slice_of(f"email:p{n}@acme.test") == 0]
    append(engine, *(newsletter(n, name) for n, name in enumerate(names)))
    run(engine)
    bad = {f"{name}@acme.test" for name in (names[0], names[-1])}

    def choosy(state, lead_id, batch, book, now, **more):
        outcome = decide(state, lead_id, batch, book, now, **more)
        return outcome._replace(decisions=(TOO_LONG,)) if state.fields["email"] in bad else outcome

    done = run(engine, NOW + timedelta(days=2), decide=choosy)
    assert (done.outbox, done.failed, done.quarantined) == (len(names) - 2, 2, 0)
    with engine.connect() as conn:
        assert {row.email for row in conn.execute(text("SELECT email FROM leads WHERE failures = 1"))} == bad


def test_an_engine_that_asks_for_the_past_does_not_spin(engine: Engine):
    def hasty(state, lead_id, batch, book, now, **more):
        return decide(state, lead_id, batch, book, now, **more)._replace(wake_at=now - timedelta(days=1))

    append(engine, event(1))
    assert run(engine, decide=hasty).leads == 1
    assert run(engine, decide=hasty).leads == 0
    assert run(engine, NOW + timedelta(seconds=1), decide=hasty).woken == 1
