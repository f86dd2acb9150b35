"""Examples beside the rules, run: a lead, what happens to it, and whether what comes of it is what is expected.

Every example begins on Monday, 2 March 2026, at nine o'clock UTC, with a lead that has an address and is held out of
nothing, unless it says so. All of it happens on the virtual clock, with the very engine that runs in production.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from workers.engine.fields import Refused, converted
from workers.rulebook.declarations.examples import BEGINNING
from workers.rulebook.expected import Times
from workers.rulebook.problems import Place, Problem
from workers.simulate.arranged import changes, drawn, entered_before
from workers.simulate.clock import run
from workers.simulate.heard import Heard
from workers.simulate.judging import Difference, Ended, judged
from workers.simulate.population import Population

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from workers.engine.rules import Rulebook
    from workers.rulebook.declarations import Example
    from workers.rulebook.nodes import Node

ADDRESS: Final = "ann@acme.test"
"""Of a lead whose example gives none; `email: null` gives it none at all."""
NOBODY: Final = "example:lead"
"""The identity of the lead of every example."""


@dataclass(frozen=True, slots=True)
class Run:
    """What became of one example.

    Attributes:
        differences: what is not as expected; empty if the example holds.
        story: what was decided, one line each, for a person who looks for the reason.
    """

    name: str
    place: Place
    differences: tuple[Difference, ...]
    story: tuple[str, ...]

    def problems(self) -> Iterator[Problem]:
        """The differences as findings of `check`."""
        for each in self.differences:
            text = f"“{self.name}”: {each.text}"
            yield Problem(each.place.file, each.place.line, each.place.column, "example", text, each.hint)


def run_examples(examples: Iterable[Example], rulebook: Rulebook) -> list[Run]:
    """Run all of them by the same rules, each with a lead of its own."""
    return [run_example(example, rulebook) for example in examples]


def run_example(example: Example, rulebook: Rulebook) -> Run:
    """Run one example."""
    wrong = tuple(impossible(example, rulebook))
    if wrong:
        return Run(str(example.name), example.name.place, wrong, ())
    times = Times(example.given.lead, rulebook.account.zone, rulebook.zone_fields)
    now = times.end(example)
    number = drawn(example.given, rulebook)
    if number is None:
        text = "there is no lead for whom chance has all that is given"
        return Run(str(example.name), example.name.place, (Difference(example.given.node.place, text),), ())
    people = Population()
    person = people.meet(NOBODY, known(example.given.lead, rulebook), BEGINNING, number)
    person.state.enrolments.update(entered_before(example.given, rulebook, times))
    first, *later = changes(example.given, rulebook, times)
    result = run(happenings(example, times), first[1], now, people=people, changes=later)
    ended = Ended(result, person, rulebook, now)
    return Run(str(example.name), example.name.place, tuple(judged(example, ended)), tuple(ended.story(BEGINNING)))


def known(given: Mapping[str, Any], rulebook: Rulebook) -> dict[str, Any]:
    """The fields of the lead from the beginning, as their types keep them."""
    fields = {"email": ADDRESS, **given}
    return {name: value_of(name, value, rulebook) for name, value in fields.items() if value is not None}


def value_of(name: str, value: Any, rulebook: Rulebook) -> Any:
    """A value as its field keeps it.

    Raises:
        Refused: it can't be one.
    """
    declared = rulebook.fields.get(name)
    return value if declared is None or value is None else converted(declared, value)


def happenings(example: Example, times: Times) -> Iterator[Heard]:
    """What happens in an example."""
    for each in example.given.events:
        at = times.instant(each.at)
        yield Heard(at, at, str(each.type), (NOBODY,), None, each.properties, each.lead)


def impossible(example: Example, rulebook: Rulebook) -> Iterator[Difference]:
    """What is given and cannot be: values that their fields refuse."""
    given = example.given
    for fields, node in [(given.lead, given.node), *((each.lead, each.node) for each in given.events)]:
        for name, value in fields.items():
            try:
                value_of(name, value, rulebook)
            except Refused as error:
                place = place_in(node.entries.get("lead"), name) or node.place
                yield Difference(place, f"lead.{name} cannot be {value!r}: {error}", "correct the value")


def place_in(node: Node | None, name: str) -> Place | None:
    """Where the value of a key stands."""
    entries = getattr(node, "entries", {})
    return entries[name].place if name in entries else None
