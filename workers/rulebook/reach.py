"""How high and how low a score can get by its rules: the sum of all that earns points, each as often as it may."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from workers.engine.rules import EventRule, Expression
from workers.engine.scoring import clamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from workers.engine.rules import Group, ProfileRule, ScoreModel

Reach = tuple[float, float]


def reach(model: ScoreModel, rules: Sequence[EventRule]) -> Reach:
    """The lowest and highest number that a score can be.

    Args:
        model: the score; for a formula it is the range.
        rules: its event rules.
    """
    if model.formula is not None:
        return model.minimum, model.maximum
    by_part: dict[str, list[Reach]] = {}
    for rule in rules:
        by_part.setdefault(rule.part, []).append(earned(rule))
    return kept(summed(of_group(group, by_part) for group in model.groups), model.minimum, model.maximum)


def of_group(group: Group, by_part: Mapping[str, Sequence[Reach]]) -> Reach:
    """What a group can add."""
    parts = [kept(summed(by_part.get(part.name, ())), part.minimum, part.maximum) for part in group.parts]
    return kept(summed([*parts, *map(earned, group.profile_rules)]), group.minimum, group.maximum)


def earned(rule: EventRule | ProfileRule) -> Reach:
    """The least and most that one rule can add, nothing included."""
    least, most = (rule.least, rule.most) if isinstance(rule.points, Expression) else (rule.points, rule.points)
    times = 1.0
    if isinstance(rule, EventRule):
        ends = rule.limit is not None and rule.limit.window is None and rule.limit.key is None
        times = rule.limit.most if ends and rule.limit else inf
    return min(0.0, least * times if least else 0), max(0.0, most * times if most else 0)


def summed(reaches: Iterable[Reach]) -> Reach:
    """The reach of a sum. Points that fade come to nothing, so nothing is always within it."""
    low, high = 0.0, 0.0
    for least, most in reaches:
        low, high = low + least, high + most
    return low, high


def kept(reached: Reach, minimum: float, maximum: float) -> Reach:
    """A reach inside a range."""
    return clamp(reached[0], minimum, maximum), clamp(reached[1], minimum, maximum)
