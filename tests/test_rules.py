"""The example company uses every word of the language, and everything in it is shown by an example that holds.

A new step, trigger or key fails here until `rules/` has a use for it, or it stands in UNUSED with the reason why not.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.workers.rulebook.used import STEPS, all_words, words_of
from tests.workers.simulate.test_campaigns import CASES, files_of
from workers.cli._checking import check_all
from workers.engine.expressions.functions import FUNCTIONS
from workers.engine.expressions.vocabulary import FILTER_NAMES
from workers.rulebook import compile_rulebook, examples_of, read
from workers.simulate.examples import Run, run_examples

ROOT: Final = Path(__file__).parents[1]
BUNDLE: Final = read(ROOT / "rules", ROOT / "templates")
RULEBOOK: Final = compile_rulebook(BUNDLE)
UNUSED: Final = {
    "a field: type": "types are alike, and nobody has fields of all of them",
    "a score: decay: none": "a score has one way to fade; `half_life` and steps are shown",
    "evidence: all": "one of three ways to count; `at_least` is shown",
    "evidence: any": "the same",
    "the account's file: machines": "stands in a file of its own",
    "a route": "names providers that the example company has not got; sending.yaml shows it in a comment",
    "sending: routes": "the same",
    "a warm-up plan": "begins on a day, and that would be over",
    "sending: warm_up": "the same",
    "tracking: consent": "its consent is the law's, not tracking's",
    "tracking: url": "needs a domain",
    "what an example holds back: zone": "the lead's clock is the one to think of",
    "what an example keeps out: reason": "each is what the engine says; three of them are shown",
    "a message of an example: zone": "the lead's clock is the one to think of",
    "a webhook of an example": "times are shown by mails",
}
TRIED_ELSEWHERE: Final = {
    "a campaign: examples": "test_expected.py",
    "a campaign: owner": "told in test_steering.py",
    "a campaign: pause_when": "test_steering.py",
    "when a campaign stops by itself": "test_steering.py",
}
CAMPAIGNS: Final = (
    STEPS, "a campaign", "a cap", "an event that", "a stage that", "a segment that", "a band that", "a condition that",
    "a date that", "a schedule that", "an edit that", "what a reply does", "quiet hours", "business days",
)  # fmt: skip
"""What the words of campaigns are told under."""


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return run_examples(examples_of(BUNDLE), RULEBOOK)


def without(words: set[str], known: dict[str, str]) -> list[str]:
    """Words that do not stand among those with a reason."""
    return sorted(each for each in words if not any(each.startswith(reason) for reason in known))


def test_the_example_company_is_without_a_mistake() -> None:
    assert list(map(str, check_all(BUNDLE).problems)) == []


def test_the_example_company_uses_every_word_of_the_language() -> None:
    used = words_of(BUNDLE)
    assert without(all_words() - used, UNUSED) == []
    assert [reason for reason in UNUSED if not any(each.startswith(reason) for each in all_words() - used)] == []


def test_the_example_company_uses_every_function_and_filter_of_expressions() -> None:
    rules = "\n".join(text for path, text in BUNDLE.items() if path.startswith("rules/"))
    written = re.sub(r"(^|\s)#.*", "", rules)
    assert [word for word in FUNCTIONS if not re.search(rf"\b{word}\(", written)] == []
    assert [word for word in sorted(FILTER_NAMES) if not re.search(rf"\|\s*{word}\b", written)] == []


def test_every_step_of_the_example_company_is_come_to_in_an_example(runs: list[Run]) -> None:
    open_ones = [campaign for campaign in RULEBOOK.campaigns.values() if campaign.edit != "drain"]
    steps = {f"{campaign.name}.{step.id}" for campaign in open_ones for step in campaign.steps}
    assert steps - {word for run in runs for line in run.story for word in line.split()} == set()


def test_every_campaign_has_examples_beside_it() -> None:
    files = {example.node.place.file for example in examples_of(BUNDLE)}
    assert {path for path in BUNDLE if path.startswith("rules/campaigns/")} - files == set()


def test_every_word_of_campaigns_is_tried_on_the_virtual_clock() -> None:
    files = [files_of(each) for case in CASES for each in (case, *case.get("changes", ()))]
    used = {word for bundle in files for word in words_of(bundle)}
    words = {each for each in all_words() if each.startswith(CAMPAIGNS)}
    assert without(words - used, TRIED_ELSEWHERE) == []
