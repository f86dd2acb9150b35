"""A campaign as a map: which step leads where, found in what the steps declare about themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from workers.engine.experiments import Arm, Rule
from workers.engine.steps import Goto, end, split
from workers.rulebook.campaigns import digest
from workers.rulebook.plain import plain
from workers.rulebook.stepkeys import is_part, keys_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from workers.engine.rules import Campaign
    from workers.engine.steps import Step

THEN: Final = "then"
ELSE: Final = "else"
NO_WAY: Final = "none"
"""How a way is named that is taken because no other is open, as it stands in the decision `branched`."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way on from a step.

    Attributes:
        name: as the decision names it: the number of a branch, `then`, `else`, or the arm of a split; empty where
            there is only one.
        to: id of the step that it leads to; empty for the end.
        when: the condition on which it is taken, as it stands in the file; or empty.
        weight: of an arm, its part of all; None elsewhere.
    """

    name: str
    to: str
    when: str = ""
    weight: float | None = None


def ways(campaign: Campaign, step: Step) -> tuple[Way, ...]:
    """Every way on from a step, in the order of the file; the way to the next step is one of them if it can be."""
    after = "" if isinstance(step, end.Step) else campaign.following[step.id]
    found = list(_inside(step, ""))
    if not found:
        return (Way("", after),)
    if [way.name for way in found] == [ELSE]:
        found.insert(0, Way(THEN, ""))
    if all(way.when for way in found):
        found.append(Way(NO_WAY, ""))
    return tuple(Way(way.name, way.to or after, way.when, way.weight) for way in found)


def _inside(part: Any, name: str) -> Iterator[Way]:
    """The ways that a step, or a part of one, declares."""
    condition, weight = getattr(part, "when", None), getattr(part, "weight", None)
    kind: Any = type(part)
    for key, each in keys_of(kind).items():
        value = getattr(part, each.name)
        if each.kind is Goto:
            if not name:
                yield Way(key, value)
            elif not hasattr(part, "when") or (condition is None) == (key == ELSE):
                yield Way(key if key == ELSE else name, value, condition.source if condition else "", weight)
        elif isinstance(value, tuple):
            for number, item in enumerate(value, 1):
                yield from _inside(item, str(number)) if is_part(type(item)) else ()
        elif isinstance(value, Mapping):
            for arm, item in value.items():
                yield from _inside(item, arm) if is_part(type(item)) else ()
        elif is_part(type(value)):
            yield from _inside(value, name)


def reached(campaign: Campaign, start: str, end: str) -> list[Step]:
    """The steps that can be reached from one on, until another."""
    found: dict[str, Step] = {}
    waiting = [start]
    while waiting:
        step = campaign.by_id.get(waiting.pop())
        if step is not None and step.id != end and step.id not in found:
            found[step.id] = step
            waiting += [way.to for way in ways(campaign, step)]
    return list(found.values())


def test_of(campaign: Campaign, step: Step) -> str:
    """What tells the test at a split from earlier ones at the same place: arms, shares, measure, and all that is done.

    When to stop is not part of it: the test may be looked at whenever one likes.
    """
    after = campaign.following[step.id]
    told = {way.name: [way.weight, *map(plain, reached(campaign, way.to, after))] for way in ways(campaign, step)}
    return digest([told, plain(getattr(step, "measure", None)), getattr(step, "measured_within", 0)])


# ── tests ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Trial:
    """A test that a split of a campaign is.

    Attributes:
        name: `test_of` it.
        shares: of the people, by arm; together 1.
        within: how long after the split success counts.
        rule: when it is over; None for one that is only looked at.
    """

    campaign: str
    step: str
    name: str
    shares: Mapping[str, float]
    within: timedelta
    rule: Rule | None


def trials(campaign: Campaign) -> Iterator[Trial]:
    """The tests in a campaign."""
    for step in campaign.steps:
        if isinstance(step, split.Step) and step.split.measure:
            stop, arms = step.split.decide, step.split.arms
            whole = sum(arm.weight for arm in arms.values())
            shares = {name: arm.weight / whole for name, arm in arms.items()}
            rule = Rule(float(stop.confidence), stop.at_least, stop.at_most) if stop else None
            name = test_of(campaign, step)
            yield Trial(campaign.name, step.id, name, shares, step.split.measure.within, rule)


def arms_of(trial: Trial, counts: Mapping[str, int]) -> list[Arm]:
    """The arms of a test with what has been counted at its split."""
    return [
        Arm(arm, share, counts.get(f"arm:{trial.name}:{arm}", 0), counts.get(f"success:{trial.name}:{arm}", 0))
        for arm, share in trial.shares.items()
    ]
