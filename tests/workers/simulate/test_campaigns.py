"""Campaigns on the virtual clock: every feature as a case, and what an edit does to those who are under way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.workers.rulebook.base import BASE
from workers.engine.decide import Outcome, decide
from workers.engine.expressions.durations import parse_duration
from workers.engine.rules import Controls
from workers.engine.values import Event, LeadState, Send
from workers.rulebook import compile_rulebook
from workers.simulate.clock import run
from workers.simulate.heard import Heard

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
CASES = yaml.safe_load((Path(__file__).parent / "cases" / "campaigns.yaml").read_text(encoding="utf-8"))
EMAIL = "ann@acme.test"


def mail(category: str) -> str:
    return f"---\nsubject: Hello\ncategory: {category}\n---\nHello\n"


TEMPLATES = {f"templates/{name}/mail.txt": mail("marketing") for name in "abcde"}
RULES = {path: text for path, text in BASE.items() if "campaigns" not in path} | TEMPLATES
RULES["templates/receipt/mail.txt"] = mail("transactional")


def after(text: str) -> timedelta:
    length = timedelta() if text == "0d" else parse_duration(text)
    assert length is not None
    return length


def heard(event: dict[str, Any]) -> Heard:
    event = dict(event)
    at, kind, lead = START + after(event.pop("at")), event.pop("type"), event.pop("lead", {})
    return Heard(at, at, kind, (f"email:{EMAIL}",), None, event, lead)


def said(at: datetime) -> str:
    hours = (at - START) // timedelta(hours=1)
    return f"{hours // 24}+{hours % 24}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_case(case: dict[str, Any]):
    files = dict(case.get("files", {}))
    if "campaign" in case:
        files["rules/campaigns/test.yaml"] = case["campaign"]
    events = [heard(each) for each in case["events"]]
    events[0] = events[0]._replace(lead={**events[0].lead, **case.get("lead", {})})
    result = run(events, compile_rulebook(RULES | files), START + after(case["until"]))
    assert [f"{said(each.at)} {each.template}" for each in result.mails] == case["mails"]
    (person,) = result.people
    if "outcome" in case:
        runs = [f"{each.outcome} {each.reason}".strip() for each in person.state.enrolments.values()]
        assert runs == [case["outcome"]]
    if "says" in case:
        assert case["says"] in {f"{decision.kind} {decision.rule}" for _, decision in result.decisions}


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
