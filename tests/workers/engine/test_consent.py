"""Who wants which mail: what single events do, in any order."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

from tests.workers.engine.builders import DAY_MICROS, NOW, event, rulebook, says
from workers.engine.categories import Category, ConsentPolicy, Sign, may_mail, standing
from workers.engine.decide import decide
from workers.engine.values import Consent, LeadState, Send, Suppress

if TYPE_CHECKING:
    from workers.engine.rules import Rulebook

TICKED = Sign("form.submitted", says(lambda event, _lead, _facts: event.get("webinars") is True), "Invite me")
POLICY = ConsentPolicy(
    {
        "marketing": Category("marketing", "News", "", "legitimate_interest"),
        "letter": Category("letter", "Letter", "", "consent"),
        "webinars": Category("webinars", "Webinars", "", "consent", double_opt_in=True, signs=(TICKED,)),
    },
    template="consent/confirm",
    at_most=2,
    within=DAY_MICROS,
    soft_bounces=3,
    soft_within=7 * DAY_MICROS,
)
BOOK: Rulebook = replace(rulebook(), consent=POLICY)
KNOWN = LeadState(fields={"email": "ann@acme.test"})


def said(number: int, action: str, category: str = "letter", **given: Any) -> Any:
    return event(number, f"consent.{action}", category=category, **given)


def after(*events: Any, state: LeadState = KNOWN) -> Any:
    return decide(state, 7, events, BOOK, NOW)


def wants(outcome: Any) -> set[str]:
    return {name for name in POLICY.categories if may_mail(outcome.state.consents, POLICY, name)}


def effects(outcome: Any, kind: type) -> list[Any]:
    return [each.effect for each in outcome.decisions if isinstance(each.effect, kind)]


def test_nobody_gets_by_consent_what_they_did_not_ask_for():
    assert wants(after()) == {"marketing"}


def test_a_record_says_what_when_where_and_which_text():
    outcome = after(said(1, "given", text="Write to me", place="https://acme.test/letter"))
    (line,) = effects(outcome, Consent)
    assert line == Consent("letter", "given", "given", NOW, "Write to me", "https://acme.test/letter", "consent")
    assert wants(outcome) == {"marketing", "letter"}


def test_a_ticked_box_is_consent_and_its_text_comes_from_the_rules():
    unticked = event(1, "form.submitted", form="demo", webinars=False)
    assert effects(after(unticked), Consent) == []
    (line,) = effects(after(event(2, "form.submitted", form="demo", webinars=True)), Consent)
    assert (line.category, line.text, line.place, line.standing) == ("webinars", "Invite me", "demo", "pending")


def test_who_said_what_last_counts_in_whatever_order_it_arrives():
    story = [said(1, "given"), event(2, "email.unsubscribed"), said(3, "given"), said(4, "withdrawn")]
    at_times = [each._replace(at=NOW.replace(hour=each.id)) for each in story]
    both, letter, nothing = (frozenset(each) for each in (["marketing", "letter"], ["letter"], []))
    expectations = [("given", both), ("withdrawn", nothing), ("given", letter), ("withdrawn", nothing)]
    for length, expected in enumerate(expectations, 1):
        ends = set()
        for order in permutations(at_times[:length]):
            outcome = after()
            for each in order:
                outcome = after(each, state=outcome.state)
            gets = set() if outcome.state.suppressed else wants(outcome)
            ends.add((standing(outcome.state.consents, "letter"), frozenset(gets)))
        assert ends == {expected}, length


def test_an_unsubscribing_that_is_taken_back_leaves_what_was_said_before_in_whatever_order_it_arrives():
    kinds = ["consent.given", "email.unsubscribed", "email.resubscribed", "email.unsubscribed"]
    story = [event(n, kind, category="letter")._replace(at=NOW.replace(hour=n)) for n, kind in enumerate(kinds, 1)]
    both: frozenset[str] = frozenset({"marketing", "letter"})
    for length, expected in enumerate([both, frozenset(), both, frozenset()], 1):
        ends = set()
        for order in permutations(story[:length]):
            outcome = after()
            for each in order:
                outcome = after(each, state=outcome.state)
            ends.add(frozenset(() if outcome.state.suppressed else wants(outcome)))
        assert ends == {expected}, length


def test_what_was_withdrawn_by_itself_stays_withdrawn():
    gone = after(said(1, "withdrawn"), event(2, "email.unsubscribed"))
    back = after(event(3, "email.resubscribed"), state=gone.state)
    assert (wants(back), back.state.suppressed) == ({"marketing"}, "")


@pytest.mark.parametrize("reason", ["complained", "bounced"])
def test_resubscribing_lifts_no_complaint_and_no_bounce(reason: str):
    state = replace(KNOWN, suppressed=reason)
    assert after(event(1, "email.resubscribed"), state=state).state.suppressed == reason


def test_unsubscribing_ends_all_marketing_and_new_consent_brings_back_only_what_it_names():
    gone = after(said(1, "given"), event(2, "email.unsubscribed"))
    assert (wants(gone), gone.state.suppressed) == (set(), "unsubscribed")
    back = after(said(3, "given"), state=gone.state)
    assert (wants(back), back.state.suppressed) == ({"letter"}, "")


@pytest.mark.parametrize("reason", ["complained", "bounced"])
def test_consent_lifts_no_complaint_and_no_bounce(reason: str):
    state = replace(KNOWN, suppressed=reason)
    assert after(said(1, "given"), state=state).state.suppressed == reason


def test_a_graver_reason_takes_the_place_of_unsubscribing():
    outcome = after(event(1, "email.unsubscribed"), event(2, "email.complained"), event(3, "email.unsubscribed"))
    assert outcome.state.suppressed == "complained"
    assert effects(outcome, Suppress) == [Suppress("unsubscribed"), Suppress("complained")]


def test_double_opt_in_asks_first_and_mails_after_the_confirmation():
    asked = after(said(1, "given", "webinars"))
    assert wants(asked) == {"marketing"}
    (mail,) = effects(asked, Send)
    assert (mail.template, mail.confirms, mail.key) == (
        "consent/confirm",
        "webinars",
        "mail:7:consent.confirm:1:webinars",
    )
    assert wants(after(said(2, "confirmed", "webinars"), state=asked.state)) == {"marketing", "webinars"}


def test_whoever_unsubscribed_is_asked_and_lifted_only_by_confirming():
    gone = after(event(1, "email.unsubscribed"))
    asked = after(said(2, "given", "webinars"), state=gone.state)
    assert len(effects(asked, Send)) == 1
    assert asked.state.suppressed == "unsubscribed"
    sure = after(said(3, "confirmed", "webinars"), state=asked.state)
    assert (sure.state.suppressed, wants(sure)) == ("", {"webinars"})


def test_repeated_requests_are_bounded():
    outcome = after(*[said(number, "given", "webinars") for number in range(1, 6)])
    assert [mail.key[-10:] for mail in effects(outcome, Send)] == ["1:webinars", "2:webinars"]
    reasons = [each.detail["reason"] for each in outcome.decisions if each.kind == "skipped"]
    assert reasons == ["asked-often-enough"] * 3


def test_an_old_confirmation_link_gives_nothing_back():
    story = [said(1, "given", "webinars"), said(2, "confirmed", "webinars"), said(3, "withdrawn", "webinars")]
    outcome = after(*story, said(4, "confirmed", "webinars"))
    assert wants(outcome) == {"marketing"}
    assert [each.detail["reason"] for each in outcome.decisions if each.kind == "skipped"] == ["not-asked"]


def test_a_category_that_nobody_declared_is_counted_and_changes_nothing():
    outcome = after(said(1, "given", "nonsense"))
    assert outcome.state.consents == {}
    assert [each.detail["reason"] for each in outcome.decisions if each.kind == "skipped"] == ["unknown-category"]


@pytest.mark.parametrize(("days", "reason"), [([3, 2, 1], "soft-bounced"), ([20, 2, 1], ""), ([2, 1], "")])
def test_so_many_soft_bounces_in_their_time_are_enough(days: list[int], reason: str):
    bounces = [
        event(n, "email.bounced", ago=day * NOW.resolution * DAY_MICROS, kind="soft") for n, day in enumerate(days)
    ]
    assert after(*bounces).state.suppressed == reason


def test_taking_an_address_from_the_list_by_hand_lifts_that_reason():
    gone = after(event(1, "email.bounced", kind="hard"))
    assert after(event(2, "suppression.removed", reason="manual"), state=gone.state).state.suppressed == "bounced"
    assert after(event(2, "suppression.removed", reason="bounced"), state=gone.state).state.suppressed == ""
