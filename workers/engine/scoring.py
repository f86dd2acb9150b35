"""Scores read from sums: parts into groups, groups into a model, each kept in its range; and bands of a score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from workers.engine.decay import DAY, PRECISION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workers.engine.rules import Band, Group, Part, ScoreModel

NO_EVENT: Final[Mapping[str, Any]] = {}
"""The event that a condition on a lead sees."""


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
    earned = sum(part_sum(part, sums, now) for part in group.parts)
    held = sum(profile.get(rule.id, 0) for rule in group.profile_rules)
    return clamp(earned + held, group.minimum, group.maximum)


def part_sum(part: Part, sums: Mapping[str, Any], now: int) -> float:
    """The points of one part."""
    total = sums.get(part.name)
    return clamp(part.decay.read(total, now), part.minimum, part.maximum) if total else 0.0


def clamp(score: float, minimum: float, maximum: float) -> float:
    """The number inside its range."""
    return min(maximum, max(minimum, score))


def falls_below(score_at: Callable[[int], float], threshold: float, now: int, far: int) -> int | None:
    """The first instant after `now` at which a falling score is below a threshold, to the microsecond; None for never.

    For scores made of several sums, which have no closed form: the step is doubled until the score is below, then the
    bracket is halved. A sum of one kind answers by itself (`Decay.falls_below`).

    Args:
        score_at: the score at an instant, if nothing but time happens.
        threshold: points.
        now: microseconds.
        far: microseconds after which nothing changes any more.
    """
    low, step = now, min(far, DAY // 24)
    while score_at(now + step) >= threshold:
        if step >= far:
            return None
        low, step = now + step, min(far, step * 2)
    high = now + step
    while high - low > 1:
        middle = (low + high) // 2
        if score_at(middle) < threshold:
            high = middle
        else:
            low = middle
    return high


def plain_part(model: ScoreModel, sums: Mapping[str, Any]) -> Part | None:
    """The model's only sum, if no clamp but the model's own stands between it and the score."""
    if not model.free or model.formula is not None:
        return None
    parts = [part for part in model.parts if sums.get(part.name)]
    return parts[0] if len(parts) == 1 else None


def horizon(parts: Sequence[Part]) -> int:
    """How long (microseconds) anything can still change by decay; 0 if nothing does."""
    return max((part.decay.lasts for part in parts), default=0)


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
