"""What `check` finds, as cases; and that nothing it accepts can fail later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.workers.rulebook.base import BASE
from workers.engine.campaigns.walk import MOST_STEPS
from workers.exceptions import RulebookError
from workers.rulebook import Problem, check, compile_rulebook, to_sarif
from workers.rulebook.problems import Place, Problems

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "cases" / "rules.yaml").read_text("utf-8"))


def bundle_of(case: dict[str, Any]) -> dict[str, str]:
    own = {path: text for path, text in case.items() if "/" in path}
    return {path: text for path, text in {**BASE, **own}.items() if text is not None}


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(case):
    found = check(bundle_of(case))
    shown = [f"{problem.file}:{problem.line}:{problem.column} {problem.code}" for problem in found]
    assert shown == [place for place, _ in case["problems"]], "\n" + "\n".join(map(str, found))
    for problem, (_, word) in zip(found, case["problems"], strict=True):
        assert word in f"{problem.text}; {problem.hint}"
        assert problem.hint, "nothing says what to do"


def test_the_base_has_no_mistake():
    assert check(BASE) == []


def test_a_finding_in_one_line():
    problem = Problem(
        "rules/campaigns/welcome.yaml", 3, 5, "unknown-key", "there is no key `knd`", "did you mean `kind`?"
    )
    assert str(problem) == (
        "rules/campaigns/welcome.yaml:3:5: unknown-key: there is no key `knd`; did you mean `kind`?"
    )


def test_a_warning_says_so_and_stops_nothing():
    problems = Problems()
    problems.warn(Place("templates/a/mail.txt", 2), "loud", "THE SUBJECT shouts", "write it in small letters")
    assert not problems
    (found,) = problems.found()
    assert str(found) == ("templates/a/mail.txt:2:1: warning: loud: THE SUBJECT shouts; write it in small letters")
    assert to_sarif([found])["runs"][0]["results"][0]["level"] == "warning"


def test_a_refused_bundle_raises_with_all_findings():
    with pytest.raises(RulebookError) as caught:
        compile_rulebook({**BASE, "rules/x.yaml": "x: 1", "rules/y.yaml": ""})
    assert [problem.file for problem in caught.value.problems] == ["rules/x.yaml", "rules/y.yaml"]
    assert "rules/x.yaml:1:1: unknown-kind" in str(caught.value)


def test_an_empty_bundle_is_refused():
    assert [problem.code for problem in check({})] == ["missing-file"]


@pytest.mark.parametrize(("number", "codes"), [(MOST_STEPS, []), (MOST_STEPS + 1, ["too-many-steps"])])
def test_a_campaign_has_no_more_steps_than_a_run_takes_in_one_go(number: int, codes: list[str]):
    steps = "\n".join(["  - wait: 1 day"] * number)
    rules = {**BASE, "rules/campaigns/x.yaml": f"campaign: x\nenter: {{stage: lead}}\nsteps:\n{steps}\n"}
    assert [problem.code for problem in check(rules)] == codes
