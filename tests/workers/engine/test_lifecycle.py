from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workers.engine.builders import (
    DAY,
    DAY_MICROS,
    NOW,
    PROMOTION,
    STAGES,
    WELCOME,
    event,
    model,
    points,
    rulebook,
    says,
)
from workers.engine.call import Call
from workers.engine.counters import Counted, count, span_of
from workers.engine.decide import Outcome, decide
from workers.engine.hours import Calendar
from workers.engine.owners import next_owner
from workers.engine.promotion import acceptance_due
from workers.engine.rules import Band, Field, Owner, Segment, Stage, Trigger
from workers.engine.standing import Standing
from workers.engine.values import LeadState, Notify, Promote, micros
from workers.exceptions import NeedsHistory

HOUR = timedelta(hours=1)


def step(rules, outcome: Outcome | None, days: float, *events) -> Outcome:
    return decide(outcome.state if outcome else LeadState(), 7, events, rules, NOW + days * DAY)


def kinds(outcome) -> list[str]:
    return [decision.kind for decision in outcome.decisions]


def banded(**changes):
    warm = replace(Band("warm", 30, 20), **changes)
    return rulebook(engagement=model(bands=(warm,)), campaigns=(), promotion=None)


# ── bands with hold and cool-down ────────────────────────────────────────────────────────────────────────────


def test_a_band_with_hold_is_entered_when_it_was_held_long_enough() -> None:
    rules = banded(hold=int(2 * DAY_MICROS))
    first = step(rules, None, 0, event(1, "form.submitted"))
    assert first.state.bands == {}
    assert first.wake_at == NOW + 2 * DAY
    assert step(rules, first, 1.9).state.bands == {}
    assert step(rules, first, 2).state.bands == {"engagement": "warm"}


def test_a_hold_that_is_broken_begins_again() -> None:
    rules = replace(banded(hold=int(2 * DAY_MICROS)))
    rules = replace(rules, by_event={**rules.by_event, "email.unsubscribed": (points("email.unsubscribed", -30),)})
    first = step(rules, None, 0, event(1, "form.submitted"))
    broken = step(rules, first, 1, event(2, "email.unsubscribed"))
    assert broken.state.holding == {}
    again = step(rules, broken, 1.5, event(3, "form.submitted"))
    assert again.wake_at == NOW + 3.5 * DAY


def test_a_band_with_cool_down_is_not_entered_again_at_once_but_then_it_is() -> None:
    rules = banded(cool_down=int(10 * DAY_MICROS))
    rules = replace(rules, by_event={**rules.by_event, "email.unsubscribed": (points("email.unsubscribed", -30),)})
    inside = step(rules, None, 0, event(1, "form.submitted"))
    left = step(rules, inside, 1, event(2, "email.unsubscribed"))
    back = step(rules, left, 2, event(3, "form.submitted"), event(4, "form.submitted"))
    assert back.state.bands == {}
    assert back.wake_at == NOW + 11 * DAY
    assert step(rules, back, 11).state.bands == {"engagement": "warm"}


@given(st.lists(st.floats(0, 40), min_size=1, max_size=12))
def test_waking_at_the_said_instants_ends_by_itself(hours) -> None:
    """No lead wakes for ever: each wake-up moves the next one on."""
    rules = banded(hold=int(DAY_MICROS), cool_down=int(3 * DAY_MICROS))
    outcome, now = None, NOW
    for number, gap in enumerate(hours):
        now += gap * HOUR
        state = outcome.state if outcome else LeadState()
        outcome = decide(state, 7, [event(number, "form.submitted")._replace(at=now)], rules, now)
    for _ in range(20):
        if outcome.wake_at is None:
            break
        assert outcome.wake_at > now
        now = outcome.wake_at
        outcome = decide(outcome.state, 7, (), rules, now)
    assert outcome.wake_at is None


# ── segments, counters ───────────────────────────────────────────────────────────────────────────────────────


def test_segments_are_entered_and_left_with_a_decision() -> None:
    big = Segment("enterprise", says(lambda _, lead, __: lead.get("size", 0) >= 100))
    rules = rulebook(segments=(big,), campaigns=(), promotion=None)
    inside = step(rules, None, 0, event(1, "page.viewed", lead={"size": 100}))
    assert inside.state.segments == ["enterprise"]
    outside = step(rules, inside, 1, event(2, "page.viewed", lead={"size": 5}))
    assert dict(outside.decisions[-1].detail) == {"entered": [], "left": ["enterprise"]}
    assert Standing(outside.state, rules, NOW).segment("enterprise") is False
    assert Standing(outside.state, rules, NOW).segment("nobody") is False


def test_segments_in_another_order_are_the_same_segments() -> None:
    one, two = (Segment(name, says(lambda _, lead, __: bool(lead))) for name in ("one", "two"))
    before = rulebook(segments=(one, two), campaigns=(), promotion=None)
    inside = step(before, None, 0, event(1, "page.viewed", lead={"size": 5}))
    after = rulebook(segments=(two, one), campaigns=(), promotion=None)
    moved = step(after, inside, 1, event(2, "page.viewed"))
    assert moved.state.segments == ["two", "one"]
    assert "segmented" not in [decision.kind for decision in moved.decisions]


COUNTING = rulebook(
    counted={"email.clicked": Counted({DAY_MICROS: 60, 3_600_000_000: 24}, {"url": 0})}, campaigns=(), promotion=None
)


@given(
    st.lists(st.tuples(st.integers(0, 90 * DAY_MICROS), st.sampled_from("abc")), max_size=30),
    st.randoms(use_true_random=False),
)
def test_counts_are_exact_in_every_order(rows, random) -> None:
    events = [
        event(number, "email.clicked", ago=timedelta(microseconds=ago), url=url)
        for number, (ago, url) in enumerate(rows)
    ]
    outcome = None
    for each in random.sample(events, len(events)):
        outcome = step(COUNTING, outcome, 0, each)
    standing = Standing(outcome.state if outcome else LeadState(), COUNTING, NOW)
    today = micros(NOW) // DAY_MICROS
    week = [each for each in events if today - micros(each.at) // DAY_MICROS < 7]
    assert standing.count("email.clicked") == len(events)
    assert standing.count("email.clicked", span_of(7 * DAY_MICROS)) == len(week)
    assert standing.distinct("email.clicked", "url") == len({each.properties["url"] for each in events})
    assert standing.distinct("email.clicked", "url", span_of(7 * DAY_MICROS)) == len(
        {each.properties["url"] for each in week}
    )
    assert standing.first("email.clicked") == min((each.at for each in events), default=None)
    assert standing.last("email.clicked") == max((each.at for each in events), default=None)


def test_counts_forget_what_no_span_reaches() -> None:
    old = step(COUNTING, None, 0, *(event(n, "email.clicked", ago=n * DAY, url="a") for n in range(200)))
    assert len(old.state.grains[f"email.clicked|{DAY_MICROS}"]) == 60
    assert count(old.state, "email.clicked", span_of(60 * DAY_MICROS), micros(NOW)) == 60
    assert Standing(old.state, COUNTING, NOW).days_since("email.clicked") == 0
    assert Standing(old.state, COUNTING, NOW).days_since("page.viewed") is None


@pytest.mark.parametrize(
    ("microseconds", "grains", "grain"),
    [(7 * DAY_MICROS, 7, DAY_MICROS), (36 * 3_600_000_000, 36, 3_600_000_000), (90 * 60_000_000, 90, 60_000_000)],
)
def test_spans_are_in_whole_grains(microseconds, grains, grain) -> None:
    assert (span_of(microseconds).grains, span_of(microseconds).grain) == (grains, grain)


# ── stages ───────────────────────────────────────────────────────────────────────────────────────────────────

RECYCLING = (
    *STAGES,
    Stage("recycled", says(lambda _, lead, __: lead.get("timeline") == "later"), ("sales-qualified",), "not now"),
    Stage("disqualified", says(lambda _, lead, __: lead.get("city") == "spam"), ("subscriber", "lead"), "spam", True),
)


def test_a_stage_leads_back_only_where_a_rule_says_so_and_with_its_reason() -> None:
    rules = rulebook(stages=RECYCLING, campaigns=(), promotion=None)
    hot = step(rules, None, 0, event(1, "form.submitted"), event(2, "form.submitted"))
    assert hot.state.stage == "sales-qualified"
    back = step(rules, hot, 1, event(3, "page.viewed", lead={"timeline": "later"}))
    assert back.state.stage == "recycled"
    staged = next(decision for decision in back.decisions if decision.kind == "staged")
    assert dict(staged.detail) == {"from": "sales-qualified", "to": "recycled", "reason": "not now"}


def test_who_was_led_back_stays_while_the_reason_for_it_holds() -> None:
    recycled = replace(RECYCLING[-2], name="recycled")
    rules = rulebook(stages=(STAGES[0], recycled, *STAGES[1:]), campaigns=(), promotion=None)
    hot = step(rules, None, 0, event(1, "form.submitted"), event(2, "form.submitted"))
    back = step(rules, hot, 1, event(3, "page.viewed", lead={"timeline": "later"}))
    assert step(rules, back, 2, event(4, "page.viewed")).state.stage == "recycled"
    assert step(rules, back, 2, event(5, "page.viewed", lead={"timeline": "now"})).state.stage == "sales-qualified"


def test_a_stage_may_change_its_name_and_nobody_notices():
    rules = rulebook(stages=STAGES)
    before = step(rules, None, 0, event(1, "form.submitted", form="demo"), event(2, "form.submitted", form="demo"))
    assert before.state.stage == "sales-qualified"
    renamed = replace(STAGES[2], name="ready", was=("hot", "sales-qualified"))
    again = replace(WELCOME, name="again", enter=(Trigger(None, None, "ready"),), exits=())
    rules = rulebook(stages=(*STAGES[:2], renamed, *STAGES[3:]), campaigns=(again,), promotion=None)
    after = step(rules, before, 50)
    assert (after.state.stage, after.state.staged) == ("ready", before.state.staged)
    assert dict(after.decisions[0].detail) == {"from": "sales-qualified", "to": "ready", "reason": "renamed"}
    assert "again" not in after.state.enrolments
    assert step(rules, after, 51, event(3, "crm.won")).state.stage == "customer"


def test_a_lead_at_a_stage_that_the_rules_do_not_know_stays_there():
    """Which stages lie ahead of it nobody can say: it would begin anew, and get its first mails a second time."""
    rules = rulebook(stages=STAGES)
    before = step(rules, None, 0, event(1, "form.submitted", form="demo"), event(2, "form.submitted", form="demo"))
    rules = rulebook(stages=(*STAGES[:2], *STAGES[3:]))
    after = step(rules, before, 1, event(3, "form.submitted", form="demo"))
    assert after.state.stage == "sales-qualified"
    assert {"staged", "promoted", "not_promoted"}.isdisjoint(kinds(after))
    assert step(rules, after, 2, event(4, "crm.won")).state.stage == "customer"


def test_a_run_of_an_older_version_ends_at_the_old_name_of_a_stage():
    ends = replace(WELCOME, exits=(Trigger(None, None, "sales-qualified"),))
    rules = rulebook(stages=STAGES, campaigns=(ends,), promotion=None)
    inside = step(rules, None, 0, event(1, "form.submitted", form="newsletter"))
    assert not inside.state.enrolments["welcome"].outcome
    renamed = replace(STAGES[2], name="ready", was=("sales-qualified",))
    newer = replace(ends, version="w2", exits=(Trigger(None, None, "ready"),))
    rules = rulebook(stages=(*STAGES[:2], renamed, *STAGES[3:]), campaigns=(newer,), promotion=None)
    rules = replace(rules, archive={("welcome", "w1"): ends})
    out = step(rules, inside, 1, *(event(number, "form.submitted", form="demo") for number in (2, 3)))
    assert out.state.stage == "ready"
    assert out.state.enrolments["welcome"].outcome == "exited"


def test_nothing_leads_on_from_a_terminal_stage() -> None:
    rules = rulebook(stages=RECYCLING, campaigns=(), promotion=None)
    out = step(rules, None, 0, event(1, "page.viewed", lead={"city": "spam"}))
    out = step(rules, out, 1, event(2, "form.submitted"), event(3, "form.submitted"))
    assert out.state.stage == "disqualified"


# ── owners, acceptance, coming back ──────────────────────────────────────────────────────────────────────────


def turns(owners, number, fallback="boss"):
    given = []
    for _ in range(number):
        given.append(next_owner(owners, lambda email, _: given.count(email), fallback))
    return given


def test_turns_follow_the_weights() -> None:
    owners = (Owner("ana", 2), Owner("ben", 1))
    assert turns(owners, 6) == ["ana", "ana", "ben", "ana", "ana", "ben"]


def test_a_cap_passes_the_turn_on_and_then_to_the_fallback() -> None:
    owners = (Owner("ana", 5, cap=2), Owner("ben", 1, cap=1))
    assert turns(owners, 5) == ["ana", "ana", "ben", "boss", "boss"]


RIPE = {"email": "ann@acme.test", "size": 200, "budget": 9, "title": "Chief", "seats": 3, "city": "Wien"}
HANDOFF = replace(PROMOTION, accept_within=timedelta(days=1), escalate_to="boss@example.test")


def promoted(rule):
    rules = rulebook(promotion=rule, campaigns=())
    ripe = event(1, "form.submitted", lead=RIPE), event(2, "form.submitted")
    return rules, step(rules, None, 0, *ripe)


def test_a_territory_comes_before_everybody() -> None:
    wien = (says(lambda _, lead, __: lead.get("city") == "Wien"), (Owner("vera"),))
    _, outcome = promoted(replace(PROMOTION, territories=(wien,)))
    (effect,) = [each.effect for each in outcome.decisions if isinstance(each.effect, Promote)]
    assert effect.owners == (Owner("vera"),)


def test_a_hand_off_that_nobody_accepts_is_escalated_once() -> None:
    rules, outcome = promoted(HANDOFF)
    assert outcome.wake_at == NOW + DAY
    late = step(rules, outcome, 1)
    (note,) = [each.effect for each in late.decisions if isinstance(each.effect, Notify)]
    assert (note.to, note.key) == ("boss@example.test", "escalation:promotion:7:1")
    assert "escalated" not in kinds(step(rules, late, 2))


@pytest.mark.parametrize("sign", ["crm.accepted", "crm.stage_changed", "crm.won"])
def test_an_accepted_hand_off_is_not_escalated(sign) -> None:
    rules, outcome = promoted(HANDOFF)
    taken = step(rules, outcome, 0.5, event(3, sign))
    assert "accepted" in kinds(taken)
    assert "escalated" not in kinds(step(rules, taken, 2))


def test_a_lost_lead_is_promoted_again_only_by_rule() -> None:
    rules, outcome = promoted(PROMOTION)
    lost = step(rules, outcome, 1, event(3, "crm.lost"))
    assert "promoted" not in kinds(lost)
    rules, outcome = promoted(replace(PROMOTION, again=says(lambda _, lead, __: lead.get("timeline") == "now")))
    lost = step(rules, outcome, 1, event(3, "crm.lost"))
    assert "promoted" not in kinds(lost)
    again = step(rules, lost, 2, event(4, "page.viewed", lead={"timeline": "now"}))
    (effect,) = [each.effect for each in again.decisions if isinstance(each.effect, Promote)]
    assert effect.key == "promotion:7:2"


def test_a_lead_that_was_lost_and_then_won_is_no_candidate_any_more() -> None:
    rules, outcome = promoted(replace(PROMOTION, again=says(lambda *_: True)))
    won = step(rules, outcome, 1, event(3, "crm.lost"), event(4, "crm.won"))
    assert (won.state.stage, won.state.lost) == ("customer", False)
    assert "promoted" not in kinds(won)
    assert "promoted" not in kinds(step(rules, won, 100, event(5, "page.viewed")))


def test_the_day_to_close_is_one_of_the_account() -> None:
    rules = replace(rulebook(), account=replace(rulebook().account, zone="Pacific/Auckland"))
    ripe = event(1, "form.submitted", lead=RIPE), event(2, "form.submitted")
    (effect,) = [each.effect for each in step(rules, None, 0, *ripe).decisions if isinstance(each.effect, Promote)]
    assert effect.opportunity["close_on"] == "2026-04-16"  # it is the 2nd of March there already


@pytest.mark.parametrize(
    ("now", "days", "expected"),
    [
        ("2026-03-06T12:00", 1, "2026-03-09T12:00"),  # Friday noon to Monday noon
        ("2026-03-07T12:00", 1, "2026-03-10T00:00"),  # Saturday: Monday is the day
        ("2026-03-03T09:00", 2, "2026-03-05T09:00"),
    ],
)
def test_business_time_stands_still_at_weekends(now, days, expected) -> None:
    zone = ZoneInfo("Europe/Berlin")
    rules = replace(rulebook(), account=replace(rulebook().account, zone="Europe/Berlin"))
    call = Call(LeadState(), 7, rules, datetime.fromisoformat(now).replace(tzinfo=zone))
    due = acceptance_due(call, replace(PROMOTION, business_time=True), timedelta(days=days))
    assert due == datetime.fromisoformat(expected).replace(tzinfo=zone)


def test_business_time_stands_still_on_the_accounts_days_off() -> None:
    easter = replace(rulebook().account, zone="Europe/Berlin", business=Calendar(countries=("DE", "lead")))
    thursday = datetime(2026, 4, 2, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    call = Call(LeadState(fields={"country": "US"}), 7, replace(rulebook(), account=easter), thursday.astimezone(UTC))
    due = acceptance_due(call, replace(PROMOTION, business_time=True), timedelta(hours=26))
    assert due == datetime(2026, 4, 7, 14, tzinfo=ZoneInfo("Europe/Berlin"))


# ── fields ───────────────────────────────────────────────────────────────────────────────────────────────────


def told(declared: Field, *values, order=None) -> object:
    rules = replace(rulebook(campaigns=(), promotion=None), fields={declared.name: declared})
    events = [event(n, "page.viewed", ago=-n * HOUR, lead={declared.name: value}) for n, value in enumerate(values)]
    outcome = None
    for index in order or range(len(events)):
        outcome = step(rules, outcome, 1, events[index])
    return outcome.state.fields.get(declared.name), kinds(outcome)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize(("merge", "expected"), [("last", 5), ("first", 7), ("highest", 9)])
def test_conflicting_sources_are_merged_alike_in_every_order(order, merge, expected) -> None:
    assert told(Field("n", "integer", merge), 7, 9, 5, order=order)[0] == expected


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("date", ("2026-03-02", "2026-10-01", "2026-09-30"), "2026-10-01"),
        ("money", ("9.50", -3, "10"), 10),
        ("decimal", (-1.5, "-0.5", -2), -0.5),
        (
            "datetime",
            ("2026-03-31T12:00:00+02:00", "2026-03-31T11:00:00Z", "2026-03-31T06:59:59-05:00"),
            "2026-03-31T06:59:59-05:00",
        ),
        (
            "datetime",
            ("2026-03-31T12:00:00+02:00", "2026-03-31T10:00:00Z", "2026-01-01T00:00Z"),
            "2026-03-31T12:00:00+02:00",
        ),
    ],
)
def test_the_highest_goes_by_the_value_and_not_by_its_letters(kind, values, expected, order) -> None:
    assert told(Field("n", kind, "highest"), *values, order=order)[0] == expected


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_union_with_more_items_than_it_has_room_for_keeps_the_same_ones_and_says_so(order) -> None:
    kept, said = told(Field("n", "list of integer", "union"), list(range(100, 190)), list(range(180, 230)), order=order)
    assert kept == list(range(100, 200))
    assert said.count("skipped") == 1


def test_a_list_that_is_too_long_is_refused_with_its_reason() -> None:
    kept, said = told(Field("n", "list of integer"), list(range(101)))
    assert kept is None
    assert "skipped" in said


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_union_collects(order) -> None:
    assert told(Field("n", "list of text", "union"), ["b", "a"], "c", order=order)[0] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("text", " Ann ", "Ann"),
        ("text", 7, "7"),
        ("integer", "42", 42),
        ("integer", 42.0, 42),
        ("decimal", "1.5", 1.5),
        ("money", "12.50", 12.5),
        ("boolean", "Yes", True),
        ("date", "2026-03-31T10:00:00Z", "2026-03-31"),
        ("datetime", "2026-03-31T10:00:00+02:00", "2026-03-31T10:00:00+02:00"),
        ("country", "de", "DE"),
        ("zone", "Europe/Berlin", "Europe/Berlin"),
        ("email", "Ann@Acme.TEST", "ann@acme.test"),
        ("url", "https://acme.test/x", "https://acme.test/x"),
        ("list of integer", "3", [3]),
    ],
)
def test_values_become_their_type(kind, value, expected) -> None:
    assert told(Field("n", kind), value)[0] == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", {"a": 1}), ("text", "x" * 2001), ("text", True), ("integer", "many"), ("integer", 1.5),
        ("integer", "1_000"), ("decimal", "NaN"), ("decimal", 1e300), ("decimal", True), ("boolean", "maybe"),
        ("date", "31.3.2026"), ("datetime", "2026-03-31T10:00:00"), ("datetime", "soon"), ("country", "Germany"),
        ("zone", "Mars/Base"), ("email", "ann at acme"), ("url", "javascript:alert(1)"), ("list of integer", ["x"]),
    ],
)  # fmt: skip
def test_what_is_not_of_the_type_is_recorded_and_changes_nothing(kind, value) -> None:
    kept, said = told(Field("n", kind), value)
    assert kept is None
    assert "skipped" in said


def test_only_allowed_values_are_taken() -> None:
    declared = Field("n", "text", allowed=("now", "later"))
    assert told(declared, "now")[0] == "now"
    assert told(declared, "never")[0] is None


@given(st.lists(st.one_of(st.none(), st.text(), st.integers(), st.floats(), st.booleans(), st.lists(st.integers()))))
def test_no_value_of_any_kind_makes_the_engine_fail(values) -> None:
    for kind in ("text", "integer", "money", "date", "datetime", "zone", "list of text"):
        for merge in ("last", "highest", "union"):
            told(Field("n", kind, merge), None, *values)


# ── rules that changed ───────────────────────────────────────────────────────────────────────────────────────


def test_changed_scoring_rules_ask_for_the_history_and_say_what_changed() -> None:
    before = rulebook(campaigns=(), promotion=None)
    after = rulebook(rules=(points("form.submitted", 10),), campaigns=(), promotion=None, scoring="s2")
    events = [event(1, "form.submitted", lead={"city": "Wien"}), event(2, "page.viewed")]
    old = step(before, None, 0, *events)
    with pytest.raises(NeedsHistory):
        step(after, old, 0)
    new = decide(old.state, 7, (), after, NOW, history=events)
    assert Standing(new.state, after, NOW).score("engagement") == 10
    (said,) = [each for each in new.decisions if each.kind == "recounted"]
    assert dict(said.detail) == {"reason": "rules", "events": 2, "scores": {"engagement": 10, "fit": 0}}
    assert new.state.fields == {"city": "Wien"}
    assert new.state.events == 2
