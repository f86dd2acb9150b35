"""What an edit, a pause and lost rules do to those who are under way: every case as data, one lead at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.workers.simulate.lives import Life
from tests.workers.simulate.test_campaigns import EMAIL, START, after, said, sayings
from workers.engine.values import Event

CASES: Final = yaml.safe_load((Path(__file__).parent / "cases" / "edits.yaml").read_text(encoding="utf-8"))
FILE: Final = "rules/campaigns/test.yaml"


def take(life: Life, number: int, what: dict[str, Any]) -> None:
    """One thing that happens: `rules`, `pause`, `resume`, `forget`, or an event by its type."""
    what = dict(what)
    at = START + after(what.pop("at"))
    ((word, given),) = [(key, what.pop(key)) for key in list(what)[:1]]
    if word == "rules":
        life.publish({} if given is None else {FILE: given} if isinstance(given, str) else given, at)
    elif word == "forget":
        life.live(at)
        life.forget(given)
    elif word in {"pause", "resume"}:
        getattr(life, word)(given, at)
    else:
        life.hear(Event(number, given, at, what, {"email": EMAIL, **what.pop("lead", {})}), at)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_case(case: dict[str, Any]) -> None:
    life = Life()
    for number, what in enumerate(case["story"], 1):
        take(life, number, what)
    life.live(START + after(case["until"]))
    assert [f"{said(at)} {template}" for at, _, template in life.mails] == case["mails"]
    runs = {name: f"{run.outcome} {run.reason}".strip() or run.step for name, run in life.state.enrolments.items()}
    assert runs == case["runs"]
    told = {each for decision in life.decisions for each in sayings(decision)}
    assert set(case.get("says", ())) - told == set()
