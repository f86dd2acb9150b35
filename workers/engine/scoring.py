"""Scores read from sums: parts into groups, groups into a model, each kept in its range; and bands of a score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from workers.engine.decay import PRECISION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
                total += part.decay.worth(held, now)
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
            worth = part.decay.worth(held, now)
            total += part.minimum if worth < part.minimum else min(worth, part.maximum)
    if profile:
        for rule in group.profile_rules:
            total += profile.get(rule.id, 0)
    return group.minimum if total < group.minimum else min(total, group.maximum)


def part_sum(part: Part, sums: Mapping[str, Any], now: int) -> float:
    """The points of one part."""
    total = sums.get(part.name)
    return clamp(part.decay.worth(total, now), part.minimum, part.maximum) if total else 0.0


def clamp(score: float, minimum: float, maximum: float) -> float:
    """The number inside its range."""
    return min(maximum, max(minimum, score))


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
