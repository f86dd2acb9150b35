from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workers.engine.builders import DAY, NOW, NURTURE, WELCOME, event, model, points, rulebook
from workers.engine.decide import Outcome, decide
from workers.engine.steps import wait
from workers.engine.values import Enrolment, LeadState, Promote, Send, Suppress
from workers.exceptions import NewerState

RULES = rulebook()
OTHER = replace(NURTURE, name="welcome")
ANN = {"email": "ann@acme.test", "first_name": "Ann"}


def newsletter(number: int = 1, **more):
    return event(number, "form.submitted", form="newsletter", lead=ANN, **more)


def after(outcome: Outcome, days: float, *events, rules=RULES) -> Outcome:
    return decide(outcome.state, 7, events, rules, NOW + days * DAY)


def first(*events, rules=RULES) -> Outcome:
    return decide(LeadState(), 7, events, rules, NOW)


def kinds(outcome: Outcome) -> list[str]:
    return [decision.kind for decision in outcome.decisions]


def effects(outcome: Outcome, kind: type) -> list:
    return [decision.effect for decision in outcome.decisions if isinstance(decision.effect, kind)]


def detail(outcome: Outcome, kind: str) -> dict:
    return next(dict(decision.detail) for decision in outcome.decisions if decision.kind == kind)


def test_a_two_step_drip_goes_out_in_its_time() -> None:
    day0 = first(newsletter())
    assert effects(day0, Send) == [Send("mail:7:welcome:1:hello", "welcome", "hello", "welcome/hello")]
    assert day0.wake_at == NOW + 2 * DAY

    early = after(day0, 1.9)
    assert effects(early, Send) == []

    day2 = after(early, 2)
    assert [send.step for send in effects(day2, Send)] == ["case-study"]
    assert kinds(day2) == ["sent", "finished"]
    assert day2.wake_at is not None  # the band `warm` ends by decay
    assert after(day2, 3).state.enrolments["welcome"].outcome == "finished"


def test_looking_again_at_the_same_instant_decides_nothing_new() -> None:
    once = first(newsletter())
    assert after(once, 0).decisions == ()


def test_the_state_given_is_left_alone() -> None:
    day0 = first(newsletter())
    before = day0.state.dump()
    after(day0, 2, event(2, "page.viewed"))
    assert day0.state.dump() == before


def test_an_exit_acts_while_waiting() -> None:
    left = after(first(newsletter()), 1, event(2, "email.replied"))
    assert kinds(left) == ["exited"]
    assert left.state.enrolments["welcome"].reason == "email.replied"
    assert effects(after(left, 2), Send) == []


def test_an_exit_in_the_same_batch_as_the_entry_wins_if_it_came_later() -> None:
    outcome = first(newsletter(1, ago=timedelta(hours=2)), event(2, "email.replied"))
    assert outcome.state.enrolments["welcome"].outcome == "exited"
    assert effects(outcome, Send) == []


def test_who_was_in_before_does_not_enter_again_and_is_told_why() -> None:
    day0 = first(newsletter())
    assert detail(after(day0, 1, newsletter(2)), "not_enrolled") == {"reason": "already-in"}
    done = after(day0, 2)
    assert detail(after(done, 3, newsletter(3)), "not_enrolled") == {"reason": "once-only"}


def test_re_entry_waits_for_its_time_and_makes_new_keys() -> None:
    rules = rulebook(campaigns=(replace(WELCOME, again=30 * DAY),), promotion=None)
    done = after(first(newsletter(), rules=rules), 2, rules=rules)
    assert detail(after(done, 10, newsletter(2), rules=rules), "not_enrolled") == {"reason": "too-soon"}
    again = after(done, 30, newsletter(3), rules=rules)
    assert [send.key for send in effects(again, Send)] == ["mail:7:welcome:2:hello"]


def test_a_stage_enters_a_campaign() -> None:
    rules = rulebook(campaigns=(NURTURE,), promotion=None)
    outcome = first(newsletter(), rules=rules)
    assert outcome.state.stage == "lead"
    assert kinds(outcome) == ["scored", "banded", "staged", "staged", "enrolled", "sent", "finished"]
    assert outcome.state.enrolments["nurture"].outcome == "finished"


@pytest.mark.parametrize(
    ("bad_news", "reason"),
    [
        (event(2, "email.unsubscribed"), "unsubscribed"),
        (event(2, "email.complained"), "complained"),
        (event(2, "email.bounced", kind="hard"), "bounced"),
    ],
)
def test_bad_news_ends_every_run_and_suppresses(bad_news, reason) -> None:
    outcome = after(first(newsletter()), 1, bad_news)
    assert effects(outcome, Suppress) == [Suppress(reason)]
    assert outcome.state.enrolments["welcome"].reason == reason
    assert detail(after(outcome, 2, newsletter(3)), "not_enrolled") == {"reason": reason}


def test_a_soft_bounce_suppresses_nobody() -> None:
    assert after(first(newsletter()), 1, event(2, "email.bounced", kind="soft")).state.suppressed == ""


def test_nobody_without_an_address_is_mailed() -> None:
    outcome = first(event(1, "form.submitted", form="newsletter"))
    assert detail(outcome, "skipped") == {"run": 1, "reason": "no-email", "template": "welcome/hello"}


def test_machine_clicks_neither_score_nor_start_anything() -> None:
    rules = rulebook(rules=(points("email.clicked", 9),))
    outcome = first(event(1, "email.clicked", machine=True), rules=rules)
    assert kinds(outcome) == ["skipped", "staged"]
    assert outcome.state.scores == {}


def test_the_later_event_tells_the_field_whichever_arrives_first() -> None:
    early = event(1, "page.viewed", ago=2 * DAY, lead={"title": "Analyst"})
    late = event(2, "page.viewed", ago=1 * DAY, lead={"title": "Chief", "city": None})
    together = first(late, early).state
    apart = after(first(late), 0, early).state
    assert together.fields == apart.fields == {"title": "Chief"}


def test_a_decaying_score_leaves_its_band_by_itself() -> None:
    outcome = first(newsletter())
    assert outcome.state.bands == {"engagement": "warm"}
    asleep = after(outcome, 2)
    assert asleep.wake_at is not None
    woken = decide(asleep.state, 7, (), RULES, asleep.wake_at)
    assert detail(woken, "banded")["to"] is None
    just_before = decide(asleep.state, 7, (), RULES, asleep.wake_at - timedelta(seconds=1))
    assert just_before.decisions == ()
    assert woken.wake_at is None


def test_a_floor_above_the_band_never_wakes_anybody() -> None:
    rules = rulebook(engagement=model(minimum=25))
    assert after(first(newsletter(), rules=rules), 2, rules=rules).wake_at is None


RIPE = {"email": "ann@acme.test", "first_name": "Ann", "size": 200, "budget": 9, "title": "Chief of it", "seats": 3}


def hot(lead):
    return (
        event(1, "form.submitted", form="demo", lead=lead),
        event(2, "form.submitted", form="demo"),
    )


def test_a_ripe_lead_is_promoted_once_with_its_reasons() -> None:
    outcome = first(*hot(RIPE | {"company": "Acme"}))
    (promote,) = effects(outcome, Promote)
    assert promote.key == "promotion:7:1"
    assert promote.opportunity["amount"] == "721.50"
    assert promote.opportunity["close_on"] == "2026-04-15"
    assert promote.opportunity["name"] == "Acme deal"
    assert promote.opportunity["person"]["email"] == "ann@acme.test"
    assert "Score engagement: 80 (hot)" in promote.opportunity["note"]
    assert outcome.state.stage == "opportunity"
    assert effects(after(outcome, 1, event(3, "form.submitted")), Promote) == []


def test_promotion_ends_the_drip_that_names_it() -> None:
    outcome = first(newsletter())
    promoted = after(outcome, 1, event(2, "form.submitted", lead=RIPE), event(3, "form.submitted"))
    assert promoted.state.enrolments["welcome"].reason == "stage opportunity"


@pytest.mark.parametrize(
    ("lack", "missing"),
    [
        ({"size": 5}, ["when"]),
        ({"budget": None, "seats": None}, ["budget", "timing"]),
        ({"budget": None, "size": 5}, ["when", "budget", "timing"]),
        ({"email": None}, ["email"]),
    ],
)
def test_what_is_missing_is_said_once(lack, missing) -> None:
    outcome = first(*hot({name: value for name, value in (RIPE | lack).items() if value is not None}))
    assert detail(outcome, "not_promoted")["missing"] == missing
    assert "not_promoted" not in kinds(after(outcome, 1, event(3, "page.viewed")))


def test_evidence_that_comes_later_completes_the_promotion() -> None:
    outcome = first(*hot(RIPE | {"budget": None}))
    done = after(outcome, 1, event(3, "page.viewed", lead={"timeline": "now"}))
    assert len(effects(done, Promote)) == 1


def test_winning_makes_a_customer_and_nothing_goes_back() -> None:
    customer = first(event(1, "crm.won"))
    assert customer.state.stage == "customer"
    assert after(customer, 1, newsletter(2)).state.stage == "customer"


def test_a_customer_is_no_candidate() -> None:
    customer = after(first(*hot(RIPE | {"budget": None})), 1, event(3, "crm.won"))
    ripe = after(customer, 2, event(4, "page.viewed", lead={"budget": 9}))
    assert effects(ripe, Promote) == []
    assert "not_promoted" not in kinds(ripe)


def test_a_run_keeps_to_the_campaign_as_it_was_entered() -> None:
    edited = replace(WELCOME, version="w2", steps=(WELCOME.steps[0], wait.Step(9 * DAY, "long")))
    rules = replace(rulebook(campaigns=(edited,)), archive={("welcome", "w1"): WELCOME})
    day2 = after(first(newsletter()), 2, rules=rules)
    assert [send.step for send in effects(day2, Send)] == ["case-study"]


@pytest.mark.parametrize(("archive", "reason"), [({}, "campaign-gone"), ({("welcome", "w1"): OTHER}, "step-gone")])
def test_a_run_whose_definition_is_lost_ends_with_the_reason(archive, reason) -> None:
    rules = replace(rulebook(campaigns=()), archive=archive)
    lost = after(first(newsletter()), 2, rules=rules)
    assert lost.state.enrolments["welcome"].reason == reason


def test_a_trailing_wait_finishes_when_it_is_over() -> None:
    rules = rulebook(campaigns=(replace(WELCOME, steps=(wait.Step(DAY, "pause"),)),))
    outcome = first(newsletter(), rules=rules)
    assert outcome.state.enrolments["welcome"].outcome == ""
    assert kinds(after(outcome, 1, rules=rules)) == ["finished"]


@given(st.lists(st.sampled_from(["form.submitted", "page.viewed", "email.replied"]), max_size=8))
def test_a_state_is_the_same_after_being_stored(names) -> None:
    outcome = first(*(event(number, name, form="newsletter", lead=RIPE) for number, name in enumerate(names)))
    assert LeadState.load(outcome.state.dump()) == outcome.state


def test_a_state_of_a_newer_format_is_refused() -> None:
    with pytest.raises(NewerState, match="format 99"):
        LeadState.load({"format": 99})


def test_every_decision_names_rulebook_and_rule() -> None:
    for decision in first(newsletter()).decisions:
        assert decision.version == RULES.version
        assert decision.rule
        assert decision.at == NOW


def test_enrolments_in_a_copied_state_do_not_touch_the_original() -> None:
    state = LeadState(enrolments={"welcome": Enrolment("w1", 1, 0, "pause", 1)})
    copy = state.copy()
    copy.enrolments["welcome"] = replace(copy.enrolments["welcome"], outcome="exited")
    assert state.enrolments["welcome"].outcome == ""
