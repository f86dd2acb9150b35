from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from tests.conftest import NOW, connected
from tests.workers.processing import RULES, append, event, newsletter, run
from workers.clock import SteppedClock
from workers.delivery.compose import message_id
from workers.engine.decide import Outcome, decide
from workers.engine.values import Decision, LeadState, Send, micros
from workers.exceptions import NoRulebook
from workers.pipeline import Processed, process_slice, process_together
from workers.pipeline.verdict import EVENT_WAITS, WAKE_WAITS
from workers.store import decisions, events, identities, leads, opportunities, outbox, quarantine, status, stuck
from workers.store.locks import hold_slices
from workers.store.slices import slice_of
from workers.store.suppressions import reasons

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Engine

    from workers.engine.rules import Rulebook
    from workers.store.outbox import Channel, Row

# ── what comes of events ─────────────────────────────────────────────────────────────────────────────────────


def test_an_event_becomes_a_lead_a_score_a_mail_and_their_reasons(engine: Engine):
    append(engine, newsletter(1), event(2))
    done = run(engine)
    with engine.connect() as conn:
        lead = leads.find(conn, "email:ann@acme.test")
        assert lead is not None
        kinds = [d.kind for d in decisions.story(conn, lead.id)]
        (mail,) = outbox.rows(conn, 10)
        history = events.history(conn, lead.id)
    assert (done.events, done.leads, done.created, done.outbox, done.failed) == (2, 1, 1, 1, 0)
    assert done.channels == {"email"}
    assert lead.email == "ann@acme.test"
    assert lead.state["stage"] == "lead"
    assert kinds.count("scored") == 2
    assert {"enrolled", "sent"} <= set(kinds)
    assert mail.key == f"mail:{lead.id}:welcome:1:hello"
    assert [e.event_id for e in history] == ["e2", "e1"]
    assert done.decisions == len(kinds)


def test_a_wake_up_goes_on_where_the_wait_ended(engine: Engine):
    append(engine, newsletter(1))
    run(engine)
    assert run(engine, NOW + timedelta(days=1)).leads == 0
    done = run(engine, NOW + timedelta(days=2))
    assert (done.woken, done.outbox, done.events) == (1, 1, 0)
    with engine.connect() as conn:
        assert [row.key.rsplit(":", 1)[1] for row in outbox.rows(conn, 9)] == ["case-study", "hello"]


def test_a_promotion_is_an_opportunity_and_an_effect_with_one_key(engine: Engine):
    append(engine, *(newsletter(n, at=NOW) for n in range(1, 4)))
    with engine.begin() as conn:
        conn.execute(text("""UPDATE events SET lead = '{"size": 100, "company": "Acme"}'"""))
    done = run(engine)
    with engine.connect() as conn:
        (made,) = opportunities.recent(conn, 9)
        row = next(r for r in outbox.rows(conn, 9) if r.channel == "crm")
    assert done.promoted == 1
    assert done.channels == {"crm"}  # the promotion ends the drip before its first mail
    assert made.key == row.key == f"promotion:{made.lead_id}:1"
    assert (made.crm, row.provider, made.ref) == ("hubspot", "hubspot", None)
    assert made.details["name"] == "Acme deal"


@pytest.mark.parametrize(
    ("identities_of_bounce", "suppressed"),
    [(("ann",), "ann@acme.test"), (("cookie:7", "old"), "old@acme.test"), (("cookie:7",), "ann@acme.test")],
)
def test_bad_news_suppresses_the_address_it_is_about(engine: Engine, identities_of_bounce, suppressed):
    append(engine, event(9, "ann", "cookie:7"))
    append(engine, event(1, *identities_of_bounce, type_="email.bounced", kind="hard", at=NOW))
    if len(identities_of_bounce) == 1 and identities_of_bounce[0] == "cookie:7":
        run(engine, slices=[slice_of("email:ann@acme.test")])
    assert run(engine).failed == 0
    with engine.connect() as conn:
        assert reasons(conn, [suppressed, "someone@acme.test"]) == {suppressed: "bounced"}


def test_without_a_rulebook_everything_waits(engine: Engine):
    class NothingApplied:
        def active(self, _conn):
            raise NoRulebook("none")

    append(engine, event(1))
    with pytest.raises(NoRulebook):
        process_slice(engine, slice_of("email:ann@acme.test"), NothingApplied(), SteppedClock(NOW))
    assert run(engine).events == 1


def test_a_slice_with_more_than_may_be_done_at_once_says_so(engine: Engine):
    append(engine, *(event(n) for n in range(10)))
    slice_ = slice_of("email:ann@acme.test")
    first = process_slice(engine, slice_, RULES, SteppedClock(NOW), batch=3, batches=2)
    assert (first.events, first.more) == (6, {slice_})
    rest = process_slice(engine, slice_, RULES, SteppedClock(NOW), batch=3)
    assert (rest.events, rest.more) == (4, set())


def test_what_waits_in_several_slices_goes_through_together_and_the_rest_one_by_one(database_url: str, engine: Engine):
    crowd = [n for n in range(800) if slice_of(f"email:p{n}@acme.test") in {1, 2, 3, 4}]
    append(engine, *(event(n, f"p{n}") for n in crowd))
    here = Counter(slice_of(f"email:p{n}@acme.test") for n in crowd)
    assert min(here.values()) > 3 + 4
    with connected(database_url) as other, other.begin() as busy:
        hold_slices(busy, [3])
        first = process_together(engine, [1, 2, 3, 4], RULES, SteppedClock(NOW), batch=12, batches=2)
    assert first.more == {1, 2, 3, 4}  # 3 is somebody else's, and the others had more than 3 and 4 events to spare
    assert first.events == 3 * 3 + 3 * 4
    rest = process_together(engine, first.more, RULES, SteppedClock(NOW), batch=4 * max(here.values()) + 4)
    assert (rest.events, rest.more) == (len(crowd) - first.events, set())


def test_wake_ups_that_fall_due_together_are_worked_off_a_few_at_a_time_and_events_come_with_each(engine: Engine):
    append(engine, *(event(n, f"p{n}") for n in range(30)))
    run(engine)
    with engine.begin() as conn:
        conn.execute(text("UPDATE leads SET slice = 5, wake_at = :now"), {"now": NOW})
    first = process_slice(engine, 5, RULES, SteppedClock(NOW), batch=80)
    assert (first.woken, first.more, first.overdue) == (10, set(), {5})
    together = process_together(engine, [5, 6], RULES, SteppedClock(NOW), batch=80)
    assert (together.woken, together.more, together.overdue) == (10, set(), {5})
    append(engine, *(event(n, "ann") for n in range(40, 50)))
    last = process_slice(engine, slice_of("email:ann@acme.test"), RULES, SteppedClock(NOW), batch=8, batches=1)
    assert (last.events, last.more, last.overdue) == (8, {slice_of("email:ann@acme.test")}, set())


# ── who is who ───────────────────────────────────────────────────────────────────────────────────────────────


def test_identities_named_together_are_one_lead_in_any_slice(engine: Engine):
    append(engine, event(1, "ann", "phone:1"), event(2, "cookie:9", "phone:1"), event(3, "cookie:9"))
    for slice_ in (slice_of("email:ann@acme.test"), slice_of("cookie:9")):
        run(engine, slices=[slice_])
    with engine.connect() as conn:
        lead = leads.find(conn, "cookie:9")
        assert lead is not None
        assert identities.of_lead(conn, lead.id) == ["cookie:9", "email:ann@acme.test", "phone:1"]
        assert lead.state["events"] == 3
        assert len(events.history(conn, lead.id)) == 3


def test_of_two_leads_the_stronger_identity_wins_and_the_conflict_is_told(engine: Engine):
    append(engine, event(1, "ann"), event(2, "ben"))
    run(engine)
    append(engine, event(3, "ann", "ben"))
    assert run(engine).conflicts == 1
    with engine.connect() as conn:
        ann, ben = leads.find(conn, "email:ann@acme.test"), leads.find(conn, "email:ben@acme.test")
        told = decisions.story(conn, ann.id)[-1]
    assert (ann.state["events"], ben.state["events"]) == (2, 1)
    assert (told.kind, told.rule) == ("skipped", "identity")
    assert told.detail == {
        "reason": "identity-conflict", "identity": "email:ben@acme.test", "other_lead": ben.id
    }  # fmt: skip


def test_an_event_about_a_message_belongs_to_whom_it_was_sent(engine: Engine):
    append(engine, newsletter(1))
    run(engine)
    with engine.connect() as conn:
        key = outbox.rows(conn, 1)[0].key
    append(engine, event(2, f"message:{key}", type_="email.delivered", message_key=key, at=NOW))
    done = run(engine)
    with engine.connect() as conn:
        lead = leads.find(conn, "email:ann@acme.test")
        assert lead.state["events"] == 2
        assert len(events.history(conn, lead.id)) == 2
        assert identities.of_lead(conn, lead.id) == ["email:ann@acme.test"]
    assert (done.created, done.quarantined) == (0, 0)


def test_an_event_about_a_message_we_never_sent_is_kept_aside(engine: Engine):
    append(engine, event(1, "message:mail:99:x:1:y"), event(2))
    done = run(engine)
    with engine.connect() as conn:
        (kept,) = quarantine.waiting(conn, 9)
    assert (done.events, done.quarantined, done.failed) == (1, 1, 0)
    assert (kept.kind, kept.reason, kept.source) == ("event", "unknown-message", "test")


def test_an_event_whose_partition_was_dropped_is_not_forgotten(engine: Engine):
    append(engine, event(1), event(2))
    with engine.begin() as conn:
        conn.execute(text("DELETE FROM events WHERE event_id = 'e1'"))
    assert run(engine).quarantined == 1
    with engine.connect() as conn:
        assert quarantine.counts(conn) == {"event-gone": 1}


# ── proof that something arrived ─────────────────────────────────────────────────────────────────────────────


def left(engine: Engine, state: str, channel: Channel = "email") -> Row:
    """The one row of a channel, claimed and left in this state."""
    with engine.begin() as conn:
        (claim,) = outbox.claim(conn, channel, NOW, limit=9, lease=timedelta(minutes=5))
        if state != "sending":
            outbox.settle(conn, [outbox.Outcome(claim.id, claim.number, state, "why", NOW)], NOW)  # type: ignore[arg-type]
        return next(row for row in outbox.rows(conn, 9) if row.id == claim.id)


def carried(row: Row) -> dict[str, str]:
    """What an event of the provider carries of the mail: its Message-ID, made as for the mail that goes out."""
    return {"message_id": message_id(row.key, "Nora <nora@acme.test>")}


@pytest.mark.parametrize("state", ["ambiguous", "retry", "dead", "sending"])
@pytest.mark.parametrize("carries", [carried, lambda row: {"message_key": row.key}], ids=["message-id", "key"])
def test_an_event_about_a_mail_settles_what_was_unclear(engine: Engine, state: str, carries):
    append(engine, newsletter(1))
    run(engine)
    row = left(engine, state)
    append(engine, event(2, type_="email.delivered", at=NOW, **carries(row)))
    done = run(engine)
    with engine.begin() as conn:
        (row,) = outbox.rows(conn, 9)
        assert row.evidence is not None
        if state == "sending":
            assert (row.state, done.proved) == ("sending", 0)
            assert outbox.settle(conn, [outbox.Outcome(row.id, 1, "ambiguous", "time-out")], NOW) == {row.id: "sent"}
        else:
            assert (row.state, row.reason, done.proved) == ("sent", "evidence", 1)


@pytest.mark.parametrize(
    ("who", "type_", "odd"),
    [
        ("ben", "email.delivered", {}),
        ("ann", "page.viewed", {}),
        ("ann", "form.submitted", {}),
        ("ann", "emails.sent", {}),
        ("ann", "email.delivered", {"message_key": None, "message_id": 7}),
        ("ann", "email.delivered", {"message_key": ["x"], "message_id": "x" * 9999}),
    ],
)
def test_what_is_not_about_this_mail_to_this_lead_settles_nothing(engine: Engine, who: str, type_: str, odd):
    append(engine, newsletter(1))
    run(engine)
    row = left(engine, "ambiguous")
    append(engine, event(2, who, type_=type_, at=NOW, **{"message_key": row.key, **carried(row), **odd}))
    assert run(engine).proved == 0
    with engine.connect() as conn:
        assert [(each.state, each.evidence) for each in outbox.rows(conn, 9)] == [("ambiguous", None)]


@pytest.mark.parametrize("type_", ["page.viewed", "email.delivered"])
@pytest.mark.parametrize("who", ["ann", "ben"])
def test_no_event_settles_a_promotion(engine: Engine, who: str, type_: str):
    append(engine, *(newsletter(n, at=NOW) for n in range(1, 4)))
    with engine.begin() as conn:
        conn.execute(text("""UPDATE events SET lead = '{"size": 100, "company": "Acme"}'"""))
    run(engine)
    row = left(engine, "retry", "crm")
    append(engine, event(9, who, type_=type_, message_key=row.key, at=NOW))
    assert run(engine).proved == 0
    with engine.connect() as conn:
        assert [each.state for each in outbox.rows(conn, 9)] == ["retry"]


# ── poison ───────────────────────────────────────────────────────────────────────────────────────────────────


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


def test_a_state_that_cannot_be_read_holds_up_only_its_lead_and_costs_no_event(engine: Engine):
    append(engine, event(1, "ann"), event(2, "ben"))
    run(engine)
    with engine.begin() as conn:
        conn.execute(text("UPDATE leads SET state = jsonb_set(state, '{format}', '99') WHERE email LIKE 'ann%'"))
    append(engine, event(3, "ann"), event(4, "ben"))
    done = run(engine)
    assert (done.events, done.failed, done.held) == (1, 1, 1)
    with engine.begin() as conn:
        conn.execute(text("UPDATE leads SET state = jsonb_set(state, '{format}', '2') WHERE email LIKE 'ann%'"))
    assert run(engine, NOW + WAKE_WAITS[0]).events == 1


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
