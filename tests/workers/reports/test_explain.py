"""Why a lead stands where it stands, and why not elsewhere."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.conftest import NOW
from tests.workers.reports.bundles import CAMPAIGNS, DEARER, RULES, SKIPPING
from workers.engine.standing import Standing
from workers.engine.values import LeadState
from workers.pipeline import process_slice
from workers.reports import story
from workers.reports.asof import lost
from workers.reports.story import Line, Story
from workers.reports.words import WORDINGS, sentence
from workers.rulebook import compile_rulebook, version_of
from workers.simulate.words import spelled
from workers.store import decisions, events, history, leads, rulebooks, status
from workers.store.events import NewEvent
from workers.store.rulebooks import Rulebooks
from workers.store.slices import slice_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Engine

ANN = "email:ann@acme.test"
DAY = timedelta(days=1)
COMPILED = {version_of(bundle): compile_rulebook(bundle) for bundle in (RULES, DEARER, CAMPAIGNS, SKIPPING)}
BOOKS = Rulebooks(lambda files: COMPILED[version_of(files)])


def apply(engine: Engine, bundle: dict[str, str], at: datetime) -> None:
    with engine.begin() as conn:
        rulebooks.apply(conn, version_of(bundle), bundle, author="nora", message="why not", now=at)


def happen(engine: Engine, batch: Iterable[NewEvent], received_at: datetime) -> None:
    with engine.begin() as conn:
        events.append(conn, list(batch), received_at)


def work(engine: Engine, at: datetime) -> None:
    process_slice(engine, slice_of(ANN), BOOKS, lambda: at)


def event(number: int, kind: str, at: datetime, lead: dict[str, Any] | None = None, **properties: Any) -> NewEvent:
    return NewEvent("product", f"{number}", kind, at, ANN, (ANN,), properties, lead or {})


def tell(engine: Engine, at: datetime | None = None, now: datetime = NOW) -> Story:
    with engine.begin() as conn:
        told = story.read(conn, ANN, COMPILED.__getitem__, now, at)
    assert told is not None
    return told


def the_campaign(told: Iterable[Any], name: str) -> Any:
    return next(each for each in told if each.campaign == name)


def next_monday(after: datetime) -> datetime:
    day = after.replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=-after.weekday() % 7)
    return day if day > after else day + timedelta(days=7)


def the(conditions: Iterable[Any], name: str) -> Any:
    return next(each for each in conditions if each.name == name)


HAPPENINGS = st.one_of(
    st.tuples(st.just("page.viewed"), st.just({"url": "/"})),
    st.tuples(st.just("form.submitted"), st.fixed_dictionaries({"form": st.sampled_from(["demo", "newsletter"])})),
    st.tuples(st.just("email.clicked"), st.fixed_dictionaries({"machine": st.booleans()})),
    st.tuples(st.just("order.placed"), st.fixed_dictionaries({"amount": st.integers(-100, 9000)})),
    st.tuples(st.just("email.unsubscribed"), st.just({})),
)
HISTORIES = st.lists(
    st.tuples(HAPPENINGS, st.integers(0, 200 * 24 * 60), st.sampled_from([{}, {"employees": 50}, {"employees": 500}])),
    min_size=1, max_size=20,
)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=HISTORIES, cut=st.integers(0, 20), later=st.integers(0, 60))
def test_the_amounts_shown_add_up_to_the_score_that_the_store_holds(
    engine: Engine, history: list[Any], cut: int, later: int
) -> None:
    with engine.begin() as conn:
        conn.execute(text("TRUNCATE events, event_keys, inbox, leads, identities, decisions, outbox, opportunities"))
        conn.execute(text("TRUNCATE rulebook_activations, suppressions"))
    apply(engine, RULES, NOW)
    batch = [
        event(n, kind, NOW - timedelta(minutes=ago), lead, **properties)
        for n, ((kind, properties), ago, lead) in enumerate(history)
    ]
    for part in (batch[:cut], batch[cut:]):
        happen(engine, part, NOW)
        work(engine, NOW)
    now = NOW + later * DAY
    told = tell(engine, now=now)
    with engine.connect() as conn:
        lead = leads.find(conn, ANN)
        assert lead is not None
        standing = Standing(LeadState.load(lead.state), COMPILED[version_of(RULES)], now)
    assert {each.model for each in told.scores} == {"engagement", "fit", "priority"}
    for each in told.scores:
        assert each.score == standing.score(each.model)
        assert round(sum(entry.amount for entry in each.entries), 2) == pytest.approx(each.score, abs=0.00501)


@pytest.fixture
def ann(engine: Engine) -> Engine:
    apply(engine, RULES, NOW - 90 * DAY)
    for number, (kind, ago, lead, properties) in enumerate((
        ("page.viewed", 60, {"first_name": "Ann", "employees": 250, "timeline": "soon"}, {"url": "/"}),
        ("form.submitted", 30, {}, {"form": "demo"}),
        ("form.submitted", 20, {}, {"form": "demo"}),
        ("order.placed", 10, {}, {"amount": 3000}),
    )):  # fmt: skip
        happen(engine, [event(number, kind, NOW - ago * DAY, lead, **properties)], NOW - ago * DAY)
        work(engine, NOW - ago * DAY)
    return engine


def test_a_score_is_taken_apart_into_rules_events_and_versions(ann: Engine):
    engagement, fit, priority = tell(ann).scores
    assert [(each.rule, each.points, each.amount, each.type, each.note) for each in engagement.entries] == [
        ("engagement.ordered", 30, 27.78, "order.placed", "decayed"),
        ("engagement.asked", 40, 20, "form.submitted", "decayed"),
        ("engagement.viewed", 5, 1.25, "page.viewed", "decayed"),
        ("engagement.asked", None, 0, "form.submitted", "not counted: limit once per event.form"),
    ]
    assert {each.version for each in engagement.entries} == {version_of(RULES)}
    assert [(each.rule, each.amount, each.note) for each in fit.entries] == [
        ("fit.big", 33, "true of the lead's fields")
    ]
    assert priority.entries[0].note == 'score("fit") is 33, score("engagement") is 49.0262'


def test_events_that_the_log_no_longer_holds_are_told_together(ann: Engine):
    before = tell(ann)
    with ann.begin() as conn:
        conn.execute(text("DELETE FROM events WHERE event_id IN ('0', '1')"))
    after = tell(ann)
    assert [each.score for each in after.scores] == [each.score for each in before.scores]
    assert (after.events, after.gone, after.fields) == (2, 2, before.fields)
    engagement = after.scores[0].entries
    gone = {each.rule for each in engagement if each.note == "of events that are no longer in the log"}
    assert gone == {"part engagement", "part engagement/web"}
    assert {each.rule for each in engagement} - gone == {"engagement.ordered", "engagement.asked"}
    assert round(sum(entry.amount for entry in engagement), 2) == pytest.approx(after.scores[0].score, abs=0.00501)
    then = tell(ann, at=NOW - 15 * DAY)
    assert (then.events, then.gone) == (1, 2)
    assert [(each.rule, each.amount) for each in then.scores[0].entries] == [("engagement.asked", 35.64)]


def test_an_event_without_points_says_which_condition_was_false(ann: Engine):
    happen(ann, [event(50, "form.submitted", NOW, form="newsletter"), event(51, "chat.started", NOW)], NOW)
    work(ann, NOW)
    chat, form = tell(ann).unscored
    assert (form.type, form.at) == ("form.submitted", NOW)
    assert form.why == (("engagement.asked", 'event.form == "demo" is false (event.form is "newsletter")'),)
    assert dict(chat.why) == {
        "engagement.later": f"counts events from {spelled(datetime(2099, 1, 1, tzinfo=UTC))} on",
        "engagement.earlier": f"counts events before {spelled(datetime(2001, 1, 1, tzinfo=UTC))}",
    }


def test_points_without_a_value_are_told_and_counted(ann: Engine):
    happen(ann, [event(60, "order.placed", NOW), event(61, "order.placed", NOW, amount=900)], NOW)
    work(ann, NOW)
    told = tell(ann)
    entries = [(each.rule, each.points, each.amount, each.event, each.note) for each in told.scores[0].entries]
    assert ("engagement.ordered", None, 0, 5, "no points: its expression has no value") in entries
    assert ("engagement.ordered", 9, 9, 6, "") in entries
    (order,) = told.unscored
    assert (order.event, order.why) == (
        5, (("engagement.ordered", "`event.amount / 100` has no value (event.amount is not known)"),)
    )  # fmt: skip
    assert (told.aside[0].reason, told.aside[0].rule) == ("no-value", "engagement.ordered")
    assert told.aside[0].text == "ordered gives no points: `event.amount / 100` has no value"
    with ann.begin() as conn:
        assert decisions.skipped(conn, NOW - DAY)["no-value", "engagement.ordered"] == 1


def test_points_for_what_is_true_of_a_lead_may_have_no_value(engine: Engine):
    apply(engine, RULES, NOW - DAY)
    happen(engine, [event(1, "page.viewed", NOW, {"employees": 7, "timeline": "later"})], NOW)
    work(engine, NOW)
    fit = next(each for each in tell(engine).scores if each.model == "fit")
    assert [(each.rule, each.amount, each.note) for each in fit.entries] == [
        ("fit.later", 0, "no points: its expression has no value")
    ]
    assert fit.score == 0


def test_what_did_not_happen_is_told_with_the_values_that_stood_against_it(ann: Engine):
    told = tell(ann)
    assert told.stage == "lead"
    qualified = the(told.stages, "sales-qualified")
    assert [(reason.text, reason.values) for reason in qualified.reasons] == [
        ('band("engagement") == "hot"', (('band("engagement")', "warm"),))
    ]
    assert [(each.name, each.holds) for each in told.segments] == [("big", True), ("reader", False)]
    assert told.promotion.state == "too-early"
    assert told.promotion.missing == ("size", "timing")[1:]
    assert the(told.promotion.evidence, "timing").reasons[0].values == (("lead.timeline", None),)
    welcome = told.not_in[0]
    assert welcome.ways == ("the latest form.submitted (event 3) did not fulfil the condition",)
    assert welcome.conditions[0].reasons[0].values == (("event.form", "demo"),)


def test_looking_back_takes_the_events_and_the_rules_of_then(ann: Engine):
    apply(ann, DEARER, NOW - DAY)
    work(ann, NOW)
    then, now = tell(ann, at=NOW - 25 * DAY), tell(ann)
    assert [each.score for each in then.scores][1] == 33
    assert [each.score for each in now.scores][1] == 66
    assert (then.rules.version, now.rules.version) == (version_of(RULES), version_of(DEARER))
    assert (then.events, now.events) == (2, 4)
    assert (then.stage, then.scores[0].band) == ("lead", "warm")
    assert max(line.at for line in then.timeline) <= NOW - 25 * DAY
    for each in then.scores:
        assert round(sum(entry.amount for entry in each.entries), 2) == pytest.approx(each.score, abs=0.00501)


def test_before_the_first_event_there_is_nothing_to_tell(ann: Engine):
    told = tell(ann, at=NOW - 80 * DAY)
    assert (told.events, told.stage, told.scores[0].entries) == (0, "", ())


def test_a_promoted_lead_says_so(ann: Engine):
    happen(ann, [event(9, "order.placed", NOW, {"timeline": "now"}, amount=5000)], NOW)
    work(ann, NOW)
    told = tell(ann)
    assert (told.stage, told.promotion.state) == ("opportunity", "promoted")
    assert told.opportunities[0].details["amount"] == "2500.00"


def test_nobody_is_due_who_is_past_promotion(ann: Engine):
    happen(ann, [event(9, "crm.won", NOW, {"timeline": "now"})], NOW)
    work(ann, NOW)
    told = tell(ann)
    assert (told.stage, told.promotion.state) == ("customer", "too-late")


def test_a_loss_is_known_from_when_it_was_heard_of_until_it_is_made_good(ann: Engine):
    happen(ann, [event(9, "order.placed", NOW, {"timeline": "now"}, amount=5000)], NOW)
    work(ann, NOW)
    for day, kind in ((1, "crm.lost"), (2, "crm.won"), (3, "crm.lost")):
        happen(ann, [event(9 + day, kind, NOW)], NOW + day * DAY)
        work(ann, NOW + day * DAY)
    with ann.connect() as conn:
        lead = leads.find(conn, ANN)
        assert lead is not None
        decided = decisions.story(conn, lead.id)
        happened = history.logs(conn, [lead.id])[lead.id]
    known = [
        lost([each for each in decided if each.decided_at <= at], [each for each in happened if each.received_at <= at])
        for at in (NOW + day * DAY for day in range(4))
    ]
    assert known == [False, True, False, True]


def test_every_decision_has_words(ann: Engine):
    happen(ann, [event(9, "order.placed", NOW, {"timeline": "now"}, amount=5000)], NOW)
    happen(
        ann, [event(10, "form.submitted", NOW, form="newsletter"), event(11, "email.clicked", NOW, machine=True)], NOW
    )
    happen(ann, [event(12, "page.viewed", NOW - 50 * DAY, {"employees": "many"})], NOW)
    work(ann, NOW)
    told = tell(ann)
    said = {line.kind: sentence(line) for line in told.timeline}
    assert set(said) <= set(WORDINGS)
    assert said["promoted"].startswith("opportunity 2500.00 EUR for webhook, on the evidence of size, timing")
    assert said["enrolled"] == "enters welcome"
    assert any("field employees not taken over" in sentence(line) for line in told.timeline)
    json.dumps(told.as_data(), default=str)


def test_a_decision_of_another_program_is_shown_as_it_is():
    line = Line(NOW, None, "teleported", "x.y", "v", None, None, {"to": "mars", "why": None})
    assert sentence(line) == "teleported x.y (to mars)"
    odd = Line(NOW, None, "scored", "x.y", "v", None, None, {"points": 3})
    assert sentence(odd) == "scored x.y (points 3)"


# ── campaigns ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def asked(ann: Engine) -> Engine:
    """Ann asked for a demo and placed an order, and gets one mail a week."""
    apply(ann, CAMPAIGNS, NOW)
    work(ann, NOW)
    happen(ann, [event(30, "form.submitted", NOW, form="demo"), event(31, "order.placed", NOW, amount=1)], NOW)
    work(ann, NOW)
    return ann


def test_why_a_lead_is_not_in_a_campaign_is_told_for_every_way_in(asked: Engine):
    told = tell(asked)
    ways = the_campaign(told.not_in, "ways")
    assert ways.ways == (
        "stage sales-qualified was not entered",
        "it is not in segment reader",
        "band hot of engagement was not entered",
        "there is no date for it to come",
        "there is no date for it to come",
        f"it begins at {spelled(next_monday(NOW))}",
    )
    assert [(each.name, each.holds) for each in ways.conditions] == [("reader", False), ("when", False)]
    assert {each.campaign for each in told.not_in} == {"welcome", "ways", "early"}
    early = the_campaign(told.not_in, "early")
    (asked_at,) = {line.event for line in told.timeline if line.kind == "not_enrolled"}
    assert early.reason == "exit-holds"
    assert early.ways == (
        f"the latest form.submitted (event {asked_at}) did not let it in: what ends it holds already",
    )


def test_why_a_run_waits_and_which_cap_holds_a_mail_is_told(asked: Engine):
    first = tell(asked)
    assert {(each.campaign, each.key, each.step, each.why) for each in first.enrolments} == {
        ("asked", "demo", "second", ""),
        ("receipts", "", "send-hello", ""),
    }
    work(asked, NOW + 2 * DAY)
    told = tell(asked, now=NOW + 2 * DAY)
    free = spelled(NOW + 7 * DAY)
    assert {each.why for each in told.enrolments} == {f"held back (the cap of 1 mail in 7 days is full) until {free}"}
    assert all(told.causes[row.key].type == "form.submitted" for row in told.outbox)
    then = tell(asked, at=NOW + DAY / 2, now=NOW + 2 * DAY)
    assert {(each.campaign, each.key) for each in then.enrolments} == {("asked", "demo"), ("receipts", "")}


def test_mails_that_were_not_sent_are_told_with_their_reason(asked: Engine):
    apply(asked, SKIPPING, NOW)
    work(asked, NOW + DAY)
    told = tell(asked, now=NOW + DAY).not_sent
    assert {(each.rule, each.reason) for each in told} == {("asked.second", "cap"), ("receipts.send-hello", "cap")}
    assert told[0].text.endswith(": mail hello not sent (the cap of 1 mail in 7 days is full)")


def test_a_hand_off_says_until_when_it_waits_and_who_has_answered(asked: Engine):
    happen(asked, [event(9, "order.placed", NOW, {"timeline": "now"}, amount=5000)], NOW)
    work(asked, NOW)
    assert tell(asked).handoff == f"sales has not accepted it yet, and may until {spelled(NOW + DAY)}"
    work(asked, NOW + DAY)
    late = "nobody has accepted it in time: boss@acme.test is told"
    assert tell(asked, now=NOW + DAY).handoff == f"{late}, at {spelled(NOW + DAY)}"
    assert tell(asked, at=NOW + DAY / 2, now=NOW + DAY).handoff == ""


def test_a_stage_that_has_a_reason_tells_it(asked: Engine):
    assert tell(asked).stage_reason == ""
    ben = "email:ben@acme.test"
    with asked.begin() as conn:
        events.append(conn, [NewEvent("product", "40", "page.viewed", NOW, ben, (ben,), {}, {"employees": 1})], NOW)
    process_slice(asked, slice_of(ben), BOOKS, lambda: NOW)
    with asked.begin() as conn:
        told = story.read(conn, ben, COMPILED.__getitem__, NOW)
    assert told is not None
    assert (told.stage, told.stage_reason, told.stages) == ("disqualified", "too small", [])


def test_nobody_has_no_story(engine: Engine):
    apply(engine, RULES, NOW)
    with engine.begin() as conn:
        assert story.read(conn, ANN, COMPILED.__getitem__, NOW) is None


def test_what_counts_for_nothing_is_told_with_its_reason(ann: Engine):
    odd = [
        event(20, "coffee.drunk", NOW, {"shoe_size": 38}),
        event(21, "coffee.drunk", NOW),
        event(22, "order.placed", NOW, {"employees": "many"}, amount="lots"),
    ]
    happen(ann, odd, NOW)
    work(ann, NOW)
    told = tell(ann)
    assert {(each.reason, each.rule, each.number) for each in told.aside} == {
        ("bad-value", "field.timeline", 1),
        ("undeclared-event", "event.coffee.drunk", 2),
        ("undeclared-field", "field.shoe_size", 1),
        ("bad-property", "event.order.placed", 1),
        ("no-value", "engagement.ordered", 1),
        ("bad-value", "field.employees", 1),
    }
    assert {each.text for each in told.aside} >= {
        "no rule can use it: the rules declare no event coffee.drunk",
        "no rule can use the amount of this order.placed: lots is not a number",
    }
    json.dumps(told.as_data(), default=str)
    with ann.connect() as conn:
        assert status.read(conn, NOW).skipped == {
            ("bad-property", "event.order.placed"): 1,
            ("no-value", "engagement.ordered"): 1,
            ("bad-value", "field.employees"): 1,
            ("undeclared-event", "event.coffee.drunk"): 2,
        }
        assert status.read(conn, NOW + 31 * DAY).skipped == {}
