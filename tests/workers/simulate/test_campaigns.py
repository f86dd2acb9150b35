"""Campaigns on the virtual clock: every feature as a case, and what an edit does to those who are under way."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.workers.rulebook.base import BASE
from workers.engine.expressions.durations import parse_duration
from workers.engine.rules import Controls
from workers.engine.standing import Standing
from workers.rulebook import compile_rulebook
from workers.simulate.clock import run
from workers.simulate.heard import Heard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.engine.rules import Rulebook
    from workers.engine.values import Decision
    from workers.simulate.clock import Result

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
CASES = yaml.safe_load((Path(__file__).parent / "cases" / "campaigns.yaml").read_text(encoding="utf-8"))
EMAIL = "ann@acme.test"


def mail(category: str) -> str:
    return f"---\nsubject: Hello\ncategory: {category}\n---\nHello\n"


TEMPLATES = {f"templates/{name}/mail.txt": mail("marketing") for name in "abcde"}
RULES = {path: text for path, text in BASE.items() if "campaigns" not in path} | TEMPLATES
RULES["templates/receipt/mail.txt"] = mail("transactional")
RULES["rules/fields.yaml"] += """\
  time_zone: zone
  renewal: date
  born: date
  webinar_at: datetime
  seats: {type: integer, merge: highest}
  mood: {type: text, allowed: [good, bad]}
  manager: email
"""


def after(text: str) -> timedelta:
    """`2 days`, `26 hours`, or days and hours as the results have them: `2+20`."""
    if "+" in text:
        days, hours = map(int, text.split("+"))
        return timedelta(days=days, hours=hours)
    length = timedelta() if text == "0d" else parse_duration(text)
    assert length is not None
    return length


def heard(event: dict[str, Any], who: str) -> Heard:
    event = dict(event)
    at, kind, lead = START + after(event.pop("at")), event.pop("type"), event.pop("lead", {})
    return Heard(at, at, kind, (who,), None, event, lead)


def said(at: datetime) -> str:
    hours = (at - START) // timedelta(hours=1)
    return f"{hours // 24}+{hours % 24}"


def sayings(decision: Decision) -> Iterator[str]:
    yield f"{decision.kind} {decision.rule}"
    yield f"{decision.kind} {decision.rule}: {decision.detail.get('reason') or decision.detail.get('doubt')}"
    yield f"{decision.kind} {decision.rule}? {decision.detail.get('doubt')}"


def files_of(case: dict[str, Any]) -> dict[str, str]:
    alone = {"rules/campaigns/test.yaml": case["campaign"]} if "campaign" in case else {}
    return {**case.get("files", {}), **alone}


def rules_of(case: dict[str, Any]) -> Rulebook:
    return compile_rulebook(RULES | files_of(case))


def changes_of(case: dict[str, Any]) -> list[tuple[datetime, Rulebook]]:
    """What is edited, paused and decided on the way: each change replaces files, and says what is set by hand then."""
    files, rules, archive, told = RULES | files_of(case), rules_of(case), {}, []
    for change in case.get("changes", ()):
        archive |= {(name, each.version): each for name, each in rules.campaigns.items()}
        files |= files_of(change)
        rules = compile_rulebook(files)
        controls = Controls(frozenset(change.get("paused", ())), change.get("winners", {}))
        told.append((START + after(change["at"]), replace(rules, archive=dict(archive), controls=controls)))
    return told


def played(case: dict[str, Any]) -> Result:
    events = [heard(each, case.get("who", f"email:{EMAIL}")) for each in case["events"]]
    events[0] = events[0]._replace(lead={**events[0].lead, **case.get("lead", {})})
    return run(events, rules_of(case), START + after(case["until"]), changes=changes_of(case))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_case(case: dict[str, Any]):
    rules, result = rules_of(case), played(case)
    assert [f"{said(each.at)} {each.template}" for each in result.mails] == case["mails"]
    told = [(at, f"{effect.to}: {effect.subject}: {effect.text}") for at, _, effect in result.notices]
    told += [(at, f"{effect.hook}: {json.dumps(effect.payload)}") for at, _, effect in result.hooks]
    for (at, text), wanted in zip(sorted(told), case.get("told", ()), strict=True):
        assert f"{said(at)} {text}".startswith(wanted)
    (person,) = result.people
    assert {name: person.state.fields.get(name) for name in case.get("fields", ())} == case.get("fields", {})
    standing = Standing(person.state, rules, result.until)
    assert {name: standing.score(name) for name in case.get("score", ())} == case.get("score", {})
    assert person.state.stage == case.get("stage", person.state.stage)
    if "outcome" in case:
        runs = [f"{each.outcome} {each.reason}".strip() for each in person.state.enrolments.values()]
        assert runs == [case["outcome"]]
    if "silent" in case:
        assert case["silent"] not in {said for _, decision in result.decisions for said in sayings(decision)}
    if "says" in case:
        told = {said for _, decision in result.decisions for said in sayings(decision)}
        assert set(case["says"] if isinstance(case["says"], list) else [case["says"]]) - told == set()
