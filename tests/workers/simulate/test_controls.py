"""Pauses, and tests that are decided: what people and results change while a campaign runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.workers.simulate.test_campaigns import EMAIL, RULES, START
from workers.engine.decide import Outcome, decide
from workers.engine.rules import Controls
from workers.engine.values import Event, LeadState, Send
from workers.rulebook import compile_rulebook

PAUSING = {
    "rules/campaigns/test.yaml": "campaign: test\nenter: {event: trial.started}\nsteps:\n"
    "  - send: a\n  - wait: 1 day\n  - send: b\n"
    "  - wait_until: {event: email.clicked, at_most: 2 days}\n    else: [{send: c}]\n",
    "rules/campaigns/other.yaml": "campaign: other\nenter: {event: trial.started}\nsteps: [{wait: 1 day}, {send: d}]",
}


def look(state: LeadState, days: float, *, paused: bool, events: tuple[Event, ...] = ()) -> Outcome:
    rulebook = compile_rulebook(RULES | PAUSING)
    controls = Controls(paused=frozenset({"test"} if paused else ()))
    return decide(state, 1, events, replace(rulebook, controls=controls), START + timedelta(days=days))


def sent(outcome: Outcome) -> list[str]:
    return [each.effect.template for each in outcome.decisions if isinstance(each.effect, Send)]


def test_a_paused_campaign_stands_still_and_goes_on_where_it_was():
    started = Event(1, "trial.started", START, {}, {"email": EMAIL})
    first = look(LeadState(), 0, paused=False, events=(started,))
    held = look(first.state, 1, paused=True)
    assert (sent(first), sent(held)) == (["a"], ["d"])
    assert held.wake_at is None
    assert sent(look(held.state, 5, paused=True)) == []
    resumed = look(held.state, 9, paused=False)
    assert sent(resumed) == ["b"]
    assert resumed.wake_at == START + timedelta(days=11)
    over = look(resumed.state, 11, paused=True)
    assert sent(look(over.state, 20, paused=False)) == ["c"]


def test_exits_act_while_a_campaign_is_paused():
    bundle = RULES | {
        "rules/campaigns/test.yaml": PAUSING["rules/campaigns/test.yaml"] + "exit: {event: email.replied}"
    }
    rulebook = replace(compile_rulebook(bundle), controls=Controls(paused=frozenset({"test"})))
    started = Event(1, "trial.started", START, {}, {"email": EMAIL})
    held = decide(LeadState(), 1, (started,), rulebook, START)
    left = decide(held.state, 1, (Event(2, "email.replied", START),), rulebook, START)
    assert [run.reason for run in left.state.enrolments.values()] == ["email.replied"]


def test_whoever_comes_after_a_test_is_decided_takes_the_better_arm():
    split = (
        "campaign: test\nenter: {event: trial.started}\nsteps:\n"
        "  - split: {arms: {x: {steps: [{send: a}]}, y: {steps: [{send: b}]}}}\n    id: s\n"
    )
    rulebook = compile_rulebook(RULES | {"rules/campaigns/test.yaml": split})
    decided = replace(rulebook, controls=Controls(winners={"test.s": "y"}))
    started = Event(1, "trial.started", START, {}, {"email": EMAIL})
    drawn = {sent(decide(LeadState(), number, (started,), rulebook, START))[0] for number in range(40)}
    assert drawn == {"a", "b"}
    assert {sent(decide(LeadState(), number, (started,), decided, START))[0] for number in range(40)} == {"b"}
