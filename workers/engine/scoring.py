"""Scores as exact sums, so that a score depends on the event log alone and never on the order in which it was read.

An entry of `points` made at time t is worth `points * 2 ** -((now - t) / half_life)`. Summing such worths in floating
point would give another last digit for every order of arrival. Here an entry is written down once, at a fixed
landmark, as the integer `points * 2 ** ((t - landmark) / half_life)` in units of 2 ** -FRACTION_BITS ("forward decay",
Cormode et al. 2009), and integers of any size add up the same in every order. Reading divides by how far `now` is
from the landmark. The integer of an active lead has about as many bits as its history has half-lives, plus fifty.
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import ldexp, log2
from typing import TYPE_CHECKING, Any, Final

from workers.engine.values import micros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.engine.rules import Band, Facts, ScoreModel

LANDMARK: Final = micros(datetime(2025, 1, 1, tzinfo=UTC))
FRACTION_BITS: Final = 40
PRECISION: Final = 6
"""Decimals of a score; finer differences are rounding of the reading and decide nothing."""
RESOLUTION: Final = 10.0**-PRECISION
NO_EVENT: Final[Mapping[str, Any]] = {}
"""The event that a condition on a lead sees."""


def entry(points: int, at: int, half_life: int | None) -> int:
    """What an entry adds to its model's accumulator.

    Args:
        points: whole points, may be negative.
        at: microseconds of the event.
        half_life: microseconds, or None for points that keep their worth.
    """
    if half_life is None:
        return points
    lives, rest = divmod(at - LANDMARK, half_life)
    mantissa = round(ldexp(points * 2.0 ** (rest / half_life), FRACTION_BITS))
    return mantissa << lives if lives >= 0 else mantissa >> -lives


def reading(accumulator: int, half_life: int | None, now: int) -> float:
    """The score that an accumulator stands for at `now` (microseconds), not yet clamped, to PRECISION decimals."""
    if half_life is None:
        return float(accumulator)
    lives, rest = divmod(now - LANDMARK, half_life)
    # A float holds 53 bits and overflows at 1,024: take the leading bits, and put the scale back in one exact step.
    spare = max(0, accumulator.bit_length() - 64)
    leading = ldexp(float(accumulator >> spare), spare - lives - FRACTION_BITS)
    score: float = leading * 2.0 ** -(rest / half_life)
    return round(score, PRECISION)


def falls_below(accumulator: int, half_life: int | None, threshold: float, now: int) -> int | None:
    """The first microsecond after `now` when a decaying score reads below `threshold`; None if it never does.

    It is found in closed form. A threshold of zero or less is never passed by decay.
    """
    target = threshold - RESOLUTION
    if half_life is None or accumulator <= 0 or target <= 0:
        return None
    lives = log2(accumulator) - FRACTION_BITS - log2(target)
    return max(now + 1, LANDMARK + int(lives * half_life) + 1)


def profile_points(model: ScoreModel, fields: Mapping[str, Any], facts: Facts) -> int:
    """The sum of the model's profile rules that hold for these fields."""
    return sum(rule.points for rule in model.profile_rules if rule.when.value(NO_EVENT, fields, facts) is True)


def clamp(model: ScoreModel, score: float) -> float:
    """The score inside its model's range."""
    return min(model.maximum, max(model.minimum, score))


def band_at(bands: Sequence[Band], current: str | None, score: float) -> str | None:
    """The band for a score, given the one the lead is in.

    Bands lie inside each other: who is `hot` is also `warm`. Going up takes `enter`, staying takes `leave`, so a lead
    that falls out of `hot` stays `warm` as long as it would have stayed there.

    Args:
        bands: from lowest to highest.
        current: name of the present band, or None.
        score: clamped.
    """
    names = [band.name for band in bands]
    held = names.index(current) if current in names else -1
    for index in range(len(bands) - 1, -1, -1):
        bar = bands[index].leave if index <= held else bands[index].enter
        if score >= bar:
            return bands[index].name
    return None
