"""Whether what came of an example is what it expects, and if not, a sentence that says the difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from workers.engine.expressions.reasons import Seen, reasons, scope
from workers.engine.ledger import ledger
from workers.engine.scoring import NO_EVENT
from workers.engine.standing import Standing
from workers.engine.values import LeadState
from workers.simulate import words as in_words
from workers.simulate.journeys import KINDS, Comparison, subject
from workers.simulate.journeys import points as points_given
from workers.simulate.words import because, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from workers.engine.rules import Expression, Rulebook
    from workers.rulebook.declarations import Example, Outcome
    from workers.rulebook.problems import Place
    from workers.simulate.clock import Result
    from workers.simulate.population import Person

NONE: Final = "none"
LINES: Final = 6
"""So many lines of a ledger are shown beside a score that is another than expected."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as expected; `hint` says what may help to find out why."""

    place: Place
    text: str
    hint: str = ""


class Ended:
    """How an example ended."""

    def __init__(self, result: Result, person: Person, rulebook: Rulebook, now: datetime) -> None:
        self.result = result
        self.person = person
        self.state = person.state
        self.rulebook = rulebook
        self.now = now
        self.standing = Standing(person.state, rulebook, now)

    @property
    def mails(self) -> list[str]:
        """Templates of the mails that went out, in their order."""
        return [mail.template for mail in self.result.mails]

    @property
    def reached(self) -> list[str]:
        """Stages that were entered, in their order."""
        return [decision.detail["to"] for _, decision in self.result.decisions if decision.kind == "staged"]

    @property
    def promoted(self) -> bool:
        """True if the lead was handed to sales."""
        return bool(self.result.promotions)

    @property
    def missing(self) -> list[str]:
        """What stood against promotion."""
        return [] if self.promoted else list(self.state.missing or ())

    def made_of(self, model: str) -> str:
        """What a score is made of, largest amounts first."""
        before = LeadState(fields=self.state.fields)
        lines = ledger(before, self.person.events, self.rulebook, self.now).get(model, [])
        shown = sorted((line for line in lines if line.amount), key=lambda line: -abs(line.amount))
        words = [
            f"{line.amount:+g} {line.rule.removeprefix(model + '.')}" + (f" ({line.note})" if line.note else "")
            for line in shown[:LINES]
        ]
        more = f" and {len(shown) - LINES} more" if len(shown) > LINES else ""
        return f"it is made of {', '.join(words)}{more}" if words else "nothing earned points"

    def why(self, condition: Expression) -> str:
        """What makes a condition what it is."""
        return because(
            reasons(condition.source, Seen(scope(self.rulebook), NO_EVENT, self.state.fields, self.standing))
        )

    def story(self, beginning: datetime) -> Iterator[str]:
        """What was decided, one line each, with the time since the beginning."""
        kinds = {event.id: event.type for event in self.person.events}
        for _, decision in self.result.decisions:
            yield told(decision, decision.at - beginning, kinds.get(decision.event or 0, ""))


def judged(example: Example, ended: Ended) -> Iterator[Difference]:
    """Everything that is not as the example says."""
    if example.expect is not None:
        for key in example.expect.node.entries:
            yield from EXPECTED[key](example.expect, ended)
    if example.never is not None:
        yield from unwanted(example.never, ended)


# ── expected ─────────────────────────────────────────────────────────────────────────────────────────────────


def scores(outcome: Outcome, ended: Ended) -> Iterator[Difference]:
    """Scores are as written, as whole as they are written."""
    for model, expected in outcome.score.items():
        score = ended.standing.score(model)
        if not is_score(score, expected):
            text = f"score {model} is {score:g}, expected {spelled(expected)}"
            yield Difference(model.place, text, ended.made_of(model))


def is_score(score: float, expected: float | tuple[float, float]) -> bool:
    """True if the score is the number, or lies between the two."""
    if isinstance(expected, tuple):
        return expected[0] <= score <= expected[1]
    decimals = len(f"{expected:.6f}".rstrip("0").partition(".")[2])
    return abs(score - expected) <= 0.5 * 10.0**-decimals + 1e-9


def spelled(expected: float | tuple[float, float]) -> str:
    """A score or a range for people."""
    return f"{expected[0]:g} to {expected[1]:g}" if isinstance(expected, tuple) else f"{expected:g}"


def bands(outcome: Outcome, ended: Ended) -> Iterator[Difference]:
    """Bands are as written."""
    for model, expected in outcome.band.items():
        band = ended.standing.band(model) or NONE
        if band != expected:
            text = f"band {model} is {band}, expected {expected} (the score is {ended.standing.score(model):g})"
            yield Difference(model.place, text, ended.made_of(model))


def grades(outcome: Outcome, ended: Ended) -> Iterator[Difference]:
    """Grades are as written."""
    for name, expected in outcome.grade.items():
        grade = ended.standing.grade(name) or NONE
        if grade != expected:
            of = ended.rulebook.grades[name].models if name in ended.rulebook.grades else ()
            hint = ", ".join(f"{model} is {ended.standing.band(model) or 'in no band'}" for model in of)
            yield Difference(name.place, f"grade {name} is {grade}, expected {expected}", hint)


def segments(outcome: Outcome, ended: Ended) -> Iterator[Difference]:
    """The lead is in each of these segments."""
    for name in outcome.segments:
        if not ended.standing.segment(name):
            segment = ended.rulebook.segments.get(name)
            hint = ended.why(segment.when) if segment else ""
            yield Difference(name.place, f"the lead is not in segment {name}", hint)


def stage(outcome: Outcome, ended: Ended) -> Iterator[Difference]:
    """The stage at the end is the one written."""
    if outcome.stage is not None and ended.standing.stage != outcome.stage:
        text = f"stage is {ended.standing.stage or NONE}, expected {outcome.stage}"
        found = next((each for each in ended.rulebook.stages if each.name == outcome.stage), None)
        hint = ended.why(found.when) if found and found.when else ""
        yield Difference(outcome.stage.place, text, hint)


def reached(outcome: Outcome, ended: Ended) -> Iterator[Difference]:
    """Each of these stages was entered, in this order."""
    rest = iter(ended.reached)
    for name in outcome.reached:
        if name not in rest:  # takes from the iterator up to it
            way = " → ".join(ended.reached) or NONE
            yield Difference(name.place, f"stage {name} was not reached, or not in this order", f"the way was: {way}")


def mails(outcome: Outcome, ended: Ended) -> Iterator[Difference]:
    """Exactly these mails went out, at these times."""
    wanted = [str(mail.send) for mail in outcome.mails]
    if wanted != ended.mails:
        text = f"mails are {listed(ended.mails)}, expected {listed(wanted)}"
        yield Difference(outcome.place("mails"), text, kept_from(ended))
        return
    comparison = Comparison(ended)
    for mail, seen in zip(outcome.mails, KINDS["mails"].all(ended), strict=True):
        for unlike in comparison.unlike(mail, seen).values():
            yield Difference(mail.node.place, f"mail {mail.send}: {unlike}")


def campaigns(key: str) -> Callable[[Outcome, Ended], Iterator[Difference]]:
    """Everything in a list about campaigns came about; an empty list wants nothing to."""

    def entries(outcome: Outcome, ended: Ended) -> Iterator[Difference]:
        comparison, wanted = Comparison(ended), getattr(outcome, key)
        there = comparison.what_there_is(key)
        for entry in wanted:
            if missing := comparison.missing(key, entry):
                yield Difference(entry.node.place, missing, f"there is: {there}" if there else kept_from(ended))
        if not wanted and there:
            yield Difference(outcome.place(key), f"{key} is not empty, as expected", f"there is: {there}")

    return entries


def points(outcome: Outcome, ended: Ended) -> Iterator[Difference]:
    """Steps gave so many points."""
    given = points_given(ended)
    for model, expected in outcome.points.items():
        if not is_score(given.get(model, 0), expected):
            text = f"steps gave {given.get(model, 0):g} points of {model}, expected {expected:g}"
            yield Difference(model.place, text, kept_from(ended))


def kept_from(ended: Ended) -> str:
    """Why mails or campaigns did not come about, as far as it was decided."""
    reasons = [
        f"{decision.rule}: {decision.detail['reason']}"
        for _, decision in ended.result.decisions
        if decision.kind in {"not_enrolled", "exited", "skipped"} and "reason" in decision.detail
    ]
    return "; ".join(dict.fromkeys(reasons))


def promoted(outcome: Outcome, ended: Ended) -> Iterator[Difference]:
    """Handed to sales, or not."""
    if outcome.promoted is not None and outcome.promoted != ended.promoted:
        text = "was not promoted" if outcome.promoted else "was promoted"
        yield Difference(outcome.place("promoted"), text, against(ended) if outcome.promoted else "")


def against(ended: Ended) -> str:
    """What stood against promotion."""
    if ended.rulebook.promotion is None:
        return "no rule promotes anybody"
    if ended.state.missing is None:
        at = ended.rulebook.promotion.at
        return f"rules look at leads from stage {at} on, this one is at {ended.standing.stage or NONE}"
    return in_words.against(ended.missing)


def missing(outcome: Outcome, ended: Ended) -> Iterator[Difference]:
    """Exactly this stands against promotion."""
    if set(outcome.missing) != set(ended.missing):
        text = f"missing is {listed(ended.missing)}, expected {listed(outcome.missing)}"
        yield Difference(outcome.place("missing"), text, against(ended))


def lead(outcome: Outcome, ended: Ended) -> Iterator[Difference]:
    """Fields are as written."""
    for name, expected in outcome.lead.items():
        if (value := ended.state.fields.get(name)) != expected:
            yield Difference(outcome.place("lead"), f"lead.{name} is {shown(value)}, expected {shown(expected)}")


def listed(names: Iterable[str]) -> str:
    """Names for people."""
    return f"[{', '.join(map(str, names))}]"


def shown(value: Any) -> str:
    """A value for people."""
    return NONE if value is None else repr(value)


EXPECTED: Final[dict[str, Callable[[Any, Ended], Iterator[Difference]]]] = {
    "score": scores, "band": bands, "grade": grades, "segments": segments, "stage": stage, "reached": reached,
    "mails": mails, "promoted": promoted, "missing": missing, "lead": lead, "points": points,
    **{key: campaigns(key) for key in KINDS if key != "mails"},
}  # fmt: skip


# ── never ────────────────────────────────────────────────────────────────────────────────────────────────────


def unwanted(outcome: Outcome, ended: Ended) -> Iterator[Difference]:
    """Whatever came about of what must never be."""
    for place, words, there in came_about(outcome, ended):
        if there:
            yield Difference(place, f"{words}, which must never be")


def came_about(outcome: Outcome, ended: Ended) -> Iterator[tuple[Place, str, bool]]:
    """Everything that an outcome names: where, in words, and whether it is so."""
    yield from where_it_stands(outcome, ended.standing)
    yield from listed_things(outcome, ended)
    if outcome.stage is not None:
        yield outcome.stage.place, f"stage is {outcome.stage}", ended.standing.stage == outcome.stage
    if outcome.promoted is not None:
        words = "was promoted" if outcome.promoted else "was not promoted"
        yield outcome.place("promoted"), words, ended.promoted == outcome.promoted
    for name, value in outcome.lead.items():
        yield outcome.place("lead"), f"lead.{name} is {shown(value)}", ended.state.fields.get(name) == value


def where_it_stands(outcome: Outcome, standing: Standing) -> Iterator[tuple[Place, str, bool]]:
    """Scores, bands and grades."""
    for model, number in outcome.score.items():
        score = standing.score(model)
        yield model.place, f"score {model} is {score:g}", is_score(score, number)
    for model, band in outcome.band.items():
        yield model.place, f"band {model} is {band}", (standing.band(model) or NONE) == band
    for name, grade in outcome.grade.items():
        yield name.place, f"grade {name} is {grade}", (standing.grade(name) or NONE) == grade


def listed_things(outcome: Outcome, ended: Ended) -> Iterator[tuple[Place, str, bool]]:
    """What stands in lists."""
    for name in outcome.segments:
        yield name.place, f"the lead is in segment {name}", ended.standing.segment(name)
    for name in outcome.reached:
        yield name.place, f"stage {name} was reached", name in ended.reached
    comparison, given = Comparison(ended), points_given(ended)
    for key, kind in KINDS.items():
        for entry in getattr(outcome, key):
            yield entry.node.place, f"there is a {kind.noun.format(subject(entry))}", comparison.came(key, entry)
    for model, number in outcome.points.items():
        yield model.place, f"steps gave {number:g} points of {model}", is_score(given.get(model, 0), number)
    for name in outcome.missing:
        yield name.place, in_words.against([name]), name in ended.missing
