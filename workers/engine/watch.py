"""What has to be watched of a lead because time alone may change it: the conditions of a rulebook, taken apart."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from workers.engine.counters import Span
    from workers.engine.rules import Ask, Expression, Rulebook, ScoreModel, Segment, Test


K = TypeVar("K")
N = TypeVar("N", int, float)


class Level(NamedTuple):
    """A comparison of a score with a number: it turns where the score passes `score`."""

    model: str
    score: float


class Age(NamedTuple):
    """A comparison of `days_since(event)` with a number: it turns when the latest event is `age` microseconds old."""

    event: str
    age: int


class Least(NamedTuple):
    """A comparison of `count` or `distinct` within a span with a number: it turns when fewer than `number` are left."""

    event: str
    detail: str
    span: Span
    number: int


class Moving(NamedTuple):
    """Any other condition that time may turn.

    Attributes:
        holds: whether it is true.
        apart: for a comparison of numbers or dates, how far they are apart; None for anything else.
        asks: what it looks at.
    """

    holds: Test
    apart: Test | None
    asks: frozenset[Ask]


class Running(NamedTuple):
    """A count within a span that is compared with numbers, in order: it turns when fewer than one of them are left."""

    event: str
    detail: str
    span: Span
    leasts: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Lasting:
    """Something that turns at an instant which holds until fields change, or one of these events is counted."""

    what: Running | Moving
    events: frozenset[str]


Turn = Level | Age | Least | Moving
"""A part of a condition that time may turn."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What is watched at a time, each thing once.

    Attributes:
        levels: for each score that is watched, the numbers that it may pass, in order; its bands beside them.
        ages: for each event type, the ages that its latest event may reach, in order.
        lasting: counts within spans, and whatever else depends on fields and counted events alone.
        movings: everything else.
        loose: True if some condition may ask for a score in another way than by comparing it with a number.
    """

    levels: Mapping[str, tuple[float, ...]]
    ages: Mapping[str, tuple[int, ...]]
    lasting: tuple[Lasting, ...]
    movings: tuple[Moving, ...]
    loose: bool

    @classmethod
    def of(cls, conditions: Iterable[Expression], models: Iterable[str] = ()) -> Watch:
        """All that turns these conditions, and the bands of these models."""
        levels: defaultdict[str, set[float]] = defaultdict(set, {model: set() for model in models})
        ages: defaultdict[str, set[int]] = defaultdict(set)
        leasts: defaultdict[tuple[str, str, Span], set[int]] = defaultdict(set)
        movings: dict[Moving, None] = {}
        conditions = list(conditions)
        for turn in [turn for each in conditions for turn in each.turns]:
            if isinstance(turn, Level):
                levels[turn.model].add(turn.score)
            elif isinstance(turn, Age):
                ages[turn.event].add(turn.age)
            elif isinstance(turn, Least):
                leasts[turn[:3]].add(turn.number)
            else:
                movings[turn] = None
        asked = any(ask.what == "score" for moving in movings for ask in moving.asks)
        loose = asked or any(each.code is None for each in conditions)  # one that was made by hand may ask anything
        counts = [Running(*of, numbers) for of, numbers in in_order(leasts).items()]
        lasting = [Lasting(each, frozenset({each.event})) for each in counts]
        lasting += [Lasting(each, counted(each)) for each in movings if is_lasting(each)]
        others = tuple(each for each in movings if not is_lasting(each))
        return cls(in_order(levels), in_order(ages), tuple(lasting), others, loose)


def is_lasting(moving: Moving) -> bool:
    """True if nothing that it looks at changes but by telling fields and counting events."""
    return all(ask.what in {"field", "now", "first", "last", "days_since", "count", "distinct"} for ask in moving.asks)


def counted(moving: Moving) -> frozenset[str]:
    """The types of events that it looks at."""
    return frozenset(ask.name for ask in moving.asks if ask.what not in {"field", "now"})


def in_order(found: Mapping[K, set[N]]) -> dict[K, tuple[N, ...]]:
    """Each set as a tuple from lowest to highest."""
    return {name: tuple(sorted(numbers)) for name, numbers in found.items()}


# ── of a rulebook ────────────────────────────────────────────────────────────────────────────────────────────


def steady_segments(segments: Mapping[str, Segment]) -> frozenset[str]:
    """The segments that depend on fields alone, directly or by way of others."""
    steady = {name for name, segment in segments.items() if only_fields(segment.when, segments)}
    while passing := {name for name in steady if not only_fields(segments[name].when, steady)}:
        steady -= passing
    return frozenset(steady)


def is_steady(model: ScoreModel, segments: Collection[str]) -> bool:
    """True if the model's profile rules depend on fields, and on segments that do."""
    rules = model.profile_rules
    return all(only_fields(part, segments) for rule in rules for part in (rule.when, rule.points))


def is_fluid(model: ScoreModel) -> bool:
    """True if time changes the score in another way than by decay and by turning its conditions."""
    points = [rule.points for rule in model.profile_rules if not isinstance(rule.points, int | float)]
    return model.formula is not None or any(ask.moves for each in points for ask in each.asks)


def watch_of(rulebook: Rulebook, stage: str) -> Watch:
    """What time may change about where a lead stands that is in a stage: segments, scores, bands, the stage itself."""
    present = [each for each in rulebook.stages if each.name == stage and each.back_from]
    stages = [*rulebook.ahead.get(stage, rulebook.stages), *rulebook.back.get(stage, ()), *present]
    tests = [*(each.when for each in rulebook.segments.values()), *(each.when for each in stages if each.when)]
    profile = [rule.when for model in rulebook.models.values() for rule in model.profile_rules]
    return Watch.of([*tests, *profile], [model.name for model in rulebook.banded])


def only_fields(expression: Expression | float, segments: Collection[str]) -> bool:
    """True if an expression asks for fields and for these segments at most."""
    if isinstance(expression, int | float):
        return True
    return all(ask.what == "field" or (ask.what == "segment" and ask.name in segments) for ask in expression.asks)
