"""Examples beside the rules. Cases as data: cases/examples.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.workers.reports.bundles import RULES
from workers.rulebook import compile_rulebook, examples_of
from workers.simulate.examples import Run, run_examples

CASES = {
    case["name"]: case
    for case in yaml.safe_load(Path(__file__).with_name("cases").joinpath("examples.yaml").read_text())
}


def run(name: str) -> Run:
    file = yaml.safe_dump({"examples": [{"name": name, **CASES[name]["example"]}]})
    bundle = RULES | {"rules/examples.yaml": file}
    (done,) = run_examples(examples_of(bundle), compile_rulebook(bundle))
    return done


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    assert [difference.text for difference in run(name).differences] == CASES[name]["differences"]


def test_a_difference_says_what_it_is_made_of() -> None:
    (difference,) = run("a range of scores").differences
    assert difference.hint == "it is made of +40 asked"
    assert run("the way through the stages").story[-1].split()[2:4] == ["time", "staged"]


def test_what_did_not_hold_says_why() -> None:
    differences = run("what is missing, all of it").differences
    assert differences[0].hint == "no evidence of timing"
