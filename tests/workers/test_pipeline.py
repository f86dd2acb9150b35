"""What comes of events: leads, scores, mails and their reasons, and who is who."""

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
from workers.exceptions import NoRulebook
from workers.pipeline import process_slice, process_together
from workers.store import decisions, events, identities, leads, opportunities, outbox, quarantine
from workers.store.locks import hold_slices
from workers.store.slices import slice_of
from workers.store.suppressions import reasons

if TYPE_CHECKING:
    from sqlalchemy import Engine

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
