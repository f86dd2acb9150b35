"""Examples beside the rules, checked as far as names go. Running them is the virtual clock's business."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workers.rulebook.declarations import CampaignFile, PromoteFile
from workers.rulebook.expected import Expectations
from workers.rulebook.shape import Text
from workers.text import suggestion

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from workers.engine.rules import Campaign
    from workers.rulebook.declarations import Example, ExampleEvent, Outcome
    from workers.rulebook.names import Checker
    from workers.rulebook.specs import Specs

NONE: Final = "none"
"""The band, or grade, of a lead that is in none."""
BESIDE_EVIDENCE: Final = frozenset({"when", "email"})
"""What can stand against promotion beside the criteria."""


def examples_in(specs: Specs) -> Iterator[Example]:
    """All examples of all files."""
    for files in specs.files.values():
        for file in files:
            yield from getattr(file, "examples", ())


def check_examples(specs: Specs, campaigns: Mapping[str, Campaign], check: Checker) -> None:
    """Every name that an example uses has to be there, and every time has to come."""
    promote = specs.one(PromoteFile)
    evidence = promote.promote.evidence if promote else None
    missing = BESIDE_EVIDENCE.union(evidence.names("of") if evidence else ())
    broken = {
        problem.file for problem in check.problems.found() if problem.level == "error"
    }  # what is said of those may be right
    files = {str(file.campaign): file.campaign.place.file for file in specs.of(CampaignFile)}
    whole = {name: campaign for name, campaign in campaigns.items() if files[name] not in broken}
    first: dict[str, Text] = {}
    for example in examples_in(specs):
        if other := first.get(example.name):
            text = f"a second example `{example.name}`, the first is in {other.place.file}, line {other.place.line}"
            check.problems.add(example.name.place, "duplicate-name", text, "give it another name")
        first.setdefault(str(example.name), example.name)
        check_example(example, missing, check)
        Expectations(example, whole, check).check()


def check_example(example: Example, missing: Collection[str], check: Checker) -> None:
    """One example."""
    check_fields(example.given.lead, check)
    for event in example.given.events:
        check_event(event, check)
    outcomes = [outcome for outcome in (example.expect, example.never) if outcome is not None]
    if not any(outcome.node.entries for outcome in outcomes):
        text = "the example expects nothing"
        check.problems.add(example.node.place, "missing-key", text, "add `expect` or `never`")
    for outcome in outcomes:
        check_outcome(outcome, missing, check)


def check_event(event: ExampleEvent, check: Checker) -> None:
    """An event, its properties, and the fields that it tells."""
    check_fields(event.lead, check)
    if not check.event(event.type):
        return
    known = check.names.events[event.type]
    for name in event.properties:
        if name not in known:
            hint = suggestion(name, [*known, "lead"], declare=f"declare it with {event.type} in rules/events.yaml")
            text = f"the event {event.type} has no property `{name}`"
            check.problems.add(event.node.keys[name], "unknown-property", text, hint)


def check_fields(names: Iterable[str], check: Checker) -> None:
    """Fields of the lead."""
    for name in names:
        if isinstance(name, Text):
            check.known("field", name, {"email", *check.names.fields}, "declare it in rules/fields.yaml")


def check_outcome(outcome: Outcome, missing: Collection[str], check: Checker) -> None:
    """Where a lead can stand, and what can go out."""
    check_numbers(outcome, check)
    for segment in outcome.segments:
        check.known("segment", segment, check.names.segments, "declare it in rules/segments.yaml")
    for stage in [*outcome.reached, *([outcome.stage] if outcome.stage else ())]:
        check.stage(stage)
    for name in outcome.missing:
        check.known("criterion", name, missing)
    check_fields(outcome.lead, check)


def check_numbers(outcome: Outcome, check: Checker) -> None:
    """Scores, bands and grades."""
    for model in outcome.score:
        check.score(model)
    for model, band in outcome.band.items():
        if check.score(model):
            check.known("band", band, {*check.names.bands[model], NONE})
    for grade, label in outcome.grade.items():
        if check.known("grade", grade, check.names.grades, "write a file that begins with `grade:`"):
            labels = check.names.grades[grade]
            if labels is not None:
                check.known("grade", label, {*labels, NONE})
