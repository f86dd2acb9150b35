"""Scores read from sums: parts into groups, groups into a model, each kept in its range; and bands of a score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from workers.engine.decay import PRECISION, RESOLUTION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.engine.decay import Course
    from workers.engine.rules import Band, Group, Part, ScoreModel

NO_EVENT: Final[Mapping[str, Any]] = {}
"""The event that a condition on a lead sees."""
HOUR: Final = 3_600_000_000


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


def falls_below(score_at: Course, threshold: float, now: int, far: int) -> int | None:
    """The first instant after `now` at which a falling score is below a threshold by RESOLUTION; None for never.

    For scores made of several sums, which have no closed form. The first step is the one that a straight line would
    take, which a decaying score never undercuts; then the bracket is narrowed to a microsecond, between the straight
    line through its ends and its middle. A sum of one kind answers by itself (`Decay.falls_below`).

    Args:
        score_at: the score at an instant, if nothing but time happens; not rounded.
        threshold: points.
        now: microseconds.
        far: microseconds after which nothing changes any more.
    """
    target = threshold - RESOLUTION
    low, above = now, score_at(now) - target
    step = min(far, HOUR)
    below = score_at(now + step) - target
    if below > 0 and above > below:
        step = min(far, max(step, int(step * above / (above - below))))
        below = score_at(now + step) - target
    while below > 0:
        if low + step - now >= far:
            return None
        low, above, step = low + step, below, min(far, step * 2)
        below = score_at(low + step) - target
    return narrowed(score_at, target, (low, above), (low + step, below))


def narrowed(score_at: Course, target: float, low: tuple[int, float], high: tuple[int, float]) -> int:
    """The first instant in a bracket at which the score is down at the target; ends are (instant, score - target)."""
    (left, above), (right, below) = low, high
    halve = False
    while right - left > 1:
        middle = (left + right) // 2
        if not halve and above > below:
            middle = min(right - 1, max(left + 1, left + int((right - left) * above / (above - below))))
        width, gap = right - left, score_at(middle) - target
        if gap > 0:
            left, above = middle, gap
        else:
            right, below = middle, gap
        halve = (right - left) * 2 > width
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
