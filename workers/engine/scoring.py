"""Scores read from sums: parts into groups, groups into a model, each kept in its range; and bands of a score."""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING, Any, Final

from workers.engine.decay import HALVINGS, PRECISION, RESOLUTION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.engine.decay import Course
    from workers.engine.rules import Band, Group, Part, ScoreModel

NO_EVENT: Final[Mapping[str, Any]] = {}
"""The event that a condition on a lead sees."""
HOUR: Final = 3_600_000_000
MILLISECOND: Final = 1_000


def part_sums(model: ScoreModel, sums: Mapping[str, Any], profile: Mapping[str, float], now: int) -> float:
    """The model's score: its groups' sums, each in its range, added up and kept in the model's range.

    Args:
        model: one with groups.
        sums: the lead's sums, by part.
        profile: points of the profile rules that hold, by rule.
        now: microseconds.
    """
    total = 0.0
    if model.free:
        for part in model.parts:
            if held := sums.get(part.name):
                total += part.decay.read(held, now)
        if profile:
            total += sum(profile.values())
    else:
        for group in model.groups:
            total += group_sum(group, sums, profile, now)
    return round(min(model.maximum, max(model.minimum, total)), PRECISION)


def group_sum(group: Group, sums: Mapping[str, Any], profile: Mapping[str, float], now: int) -> float:
    """The points of one group."""
    total = 0.0
    for part in group.parts:
        if held := sums.get(part.name):
            worth = part.decay.read(held, now)
            total += part.minimum if worth < part.minimum else min(worth, part.maximum)
    if profile:
        for rule in group.profile_rules:
            total += profile.get(rule.id, 0)
    return group.minimum if total < group.minimum else min(total, group.maximum)


def part_sum(part: Part, sums: Mapping[str, Any], now: int) -> float:
    """The points of one part."""
    total = sums.get(part.name)
    return clamp(part.decay.read(total, now), part.minimum, part.maximum) if total else 0.0


def clamp(score: float, minimum: float, maximum: float) -> float:
    """The number inside its range."""
    return min(maximum, max(minimum, score))


def course(model: ScoreModel, sums: Mapping[str, Any], profile: Mapping[str, float], now: int) -> Course:
    """What `part_sums` will be at instants from `now` on, if nothing but time happens to the sums."""
    groups = [
        (
            sum([profile.get(rule.id, 0.0) for rule in group.profile_rules]),
            [(part.decay.course(total, now), part) for part in group.parts if (total := sums.get(part.name))],
            group,
        )
        for group in model.groups
    ]

    def at(moment: int) -> float:
        score = 0.0
        for held, parts, group in groups:
            total = held
            for part_at, part in parts:
                worth = part_at(moment)
                total += part.minimum if worth < part.minimum else min(worth, part.maximum)
            score += group.minimum if total < group.minimum else min(total, group.maximum)
        return clamp(score, model.minimum, model.maximum)

    return at


def falls_below(score_at: Course, threshold: float, now: int, end: int) -> int | None:
    """The first instant after `now` at which a falling score is below a threshold by RESOLUTION; None for never.

    For scores made of several sums, which have no closed form. What decays is a straight line in its logarithm, or
    nearly one: the first step is the one that this line would take, then the bracket is narrowed to a millisecond,
    between the line through its ends and its middle. A sum of one kind answers by itself (`Decay.falls_below`).

    Args:
        score_at: the score at an instant, if nothing but time happens; not rounded.
        threshold: points.
        now: microseconds.
        end: do not look further than this instant.
    """
    gap = gap_of(score_at, threshold - RESOLUTION)
    if end <= now or gap(end) > 0:
        return None
    low, above = now, gap(now)
    high = min(end, now + HOUR)
    below = gap(high)
    if below > 0 and above > below:
        low, above, high = high, below, min(end, now + int((high - now) * above / (above - below)) + MILLISECOND)
        below = gap(high)
    while below > 0:
        low, above, high = high, below, min(end, now + 2 * (high - now))
        below = gap(high)
    return narrowed(gap, (low, above), (high, below))


def gap_of(score_at: Course, target: float) -> Course:
    """How far a score is above a target: the logarithm of their ratio, or where there is none, the difference."""
    if target <= 0:
        return lambda at: score_at(at) - target
    lowest = target / 2**HALVINGS
    return lambda at: log2(max(score_at(at), lowest) / target)


def narrowed(gap: Course, low: tuple[int, float], high: tuple[int, float]) -> int:
    """An instant at which the gap is closed, a millisecond after it is not; ends are (instant, gap).

    The Illinois method: the line through both ends says where to look next, and an end that stays for a second time
    counts half, so that both of them close in.
    """
    (left, above), (right, below) = low, high
    stayed = ""
    while right - left > MILLISECOND:
        middle = left + int((right - left) * above / (above - below)) if above > below else (left + right) // 2
        middle = min(right - 1, max(left + 1, middle))
        distance = gap(middle)
        if distance > 0:
            left, above, below = middle, distance, below / 2 if stayed == "right" else below
            stayed = "right"
        else:
            right, below, above = middle, distance, above / 2 if stayed == "left" else above
            stayed = "left"
    return right


def plain_part(model: ScoreModel, sums: Mapping[str, Any]) -> Part | None:
    """The model's only sum, if no clamp but the model's own stands between it and the score."""
    if not model.free or model.formula is not None:
        return None
    parts = [part for part in model.parts if sums.get(part.name)]
    return parts[0] if len(parts) == 1 else None


def band_at(bands: Sequence[Band], current: str | None, score: float) -> str | None:
    """The band for a score, given the one the lead is in.

    Bands lie inside each other: who is `hot` is also `warm`. Going up takes `enter`, staying takes `leave`, so a lead
    that falls out of `hot` stays `warm` as long as it would have stayed there.

    Args:
        bands: from lowest to highest.
        current: name of the present band, or None.
        score: clamped.
    """
    inside = False
    for band in reversed(bands):
        inside = inside or band.name == current
        if score >= (band.leave if inside else band.enter):
            return band.name
    return None
