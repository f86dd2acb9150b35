"""What a score will be if nothing but time happens to it, and when it will pass a number.

Of a single sum, its decay tells in closed form. Scores made of several sums have none: they are searched, and what is
found is right to the millisecond. Sums of one sign all fall, or all rise. Where gains and losses fade together a score
may turn; then stretches of time in which it cannot have passed the number are ruled out by the bounds of its sums.
"""

from __future__ import annotations

from math import inf, log2
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from workers.engine.decay import HALVINGS, RESOLUTION, monotone, opposite
from workers.engine.scoring import clamp, part_sums

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workers.engine.decay import Course
    from workers.engine.rules import Part, ScoreModel

    Bounds = Callable[[int, int], tuple[float, float]]
    """The lowest and the highest that something can be between two instants; exact where they are the same."""
    Floor = Callable[[int, int], float]
    """The same, and only the lowest."""

HOUR: Final = 3_600_000_000
SECOND: Final = 1_000_000
MILLISECOND: Final = 1_000
MARGIN: Final = RESOLUTION / 1_000_000
"""Points by which a score has to be past a number, so that it still is when it is read."""
MOST_LOOKS: Final = 1_000
"""Stretches that are looked at for one score; then the lead is looked at where the search stands, and searched anew."""
MOST_LINES: Final = 12
"""Looks along the line through both ends, which finds what is nearly straight in fewer."""
STRIDE: Final = 1.5
"""Each look at a formula is so many times further ahead than the one before it."""


Between = tuple[float, float]
"""The numbers that a score stands between. It passes them when it falls below the first, or comes up to the second."""
ANYWHERE: Final[Between] = (-inf, inf)


# ── scores of sums ───────────────────────────────────────────────────────────────────────────────────────────


class Sums(NamedTuple):
    """A score of sums as it is now.

    Attributes:
        held: the lead's sums, by part.
        profile: points of the profile rules that hold, by rule; they stay.
        now: microseconds.
    """

    model: ScoreModel
    held: Mapping[str, Any]
    profile: Mapping[str, float]
    now: int


def passes(sums: Sums, between: Between, end: int) -> int | None:
    """The first instant after now, up to `end`, at which a score passes one of two numbers; None if it does not."""
    model, held, profile, now = sums
    low = between[0] - MARGIN if between[0] > model.minimum else -inf
    high = between[1] + MARGIN if between[1] <= model.maximum else inf
    fading = [part for part in model.fading if held.get(part.name)]
    if not fading or (low == -inf and high == inf):
        return None
    if not model.free or len(fading) > 1:
        return of_many(sums, fading, (low, high), end)
    part, offset = fading[0], sum(profile.values()) if profile else 0.0
    if len(model.parts) > 1:
        others = [each for each in model.parts if each is not part and held.get(each.name)]
        offset += sum([each.decay.worth(held[each.name], now) for each in others])
    found = of_one(part, held[part.name], (low - offset, high - offset), now)
    return found if found is not None and found <= end else None


def of_one(part: Part, total: Any, between: Between, now: int) -> int | None:
    """When a single sum passes one of two numbers."""
    low, high = between
    falls = part.decay.falls_below(total, low, now) if low > -inf else None
    if high == inf:
        return falls
    rises = part.decay.falls_below(opposite(total), -high, now)
    return rises if falls is None else falls if rises is None else min(falls, rises)


def of_many(sums: Sums, fading: Sequence[Part], between: Between, end: int) -> int | None:
    """When a score of several sums passes one of two numbers."""
    pieces = [piece for part in fading for piece in monotone(sums.held[part.name])]
    gains = {any_of(piece) > 0 for piece in pieces}
    if len(gains) == 1 and stays(sums, between, end, falls=True in gains):
        return None
    if len(gains) > 1:
        bounds = bounds_of(sums)
        falls = searched(lambda a, b: bounds(a, b)[0] - between[0], sums.now, end)
        return searched(lambda a, b: between[1] - bounds(a, b)[1], sums.now, end if falls is None else falls) or falls
    score_at = course(sums)
    if gains == {True}:
        return closes(above(score_at, between[0]), sums.now, end)
    return closes(lambda at: between[1] - score_at(at), sums.now, end)


def stays(sums: Sums, between: Between, end: int, *, falls: bool) -> bool:
    """True if a score that only falls, or only rises, surely has not passed its number at the end yet."""
    if between[0 if falls else 1] in {-inf, inf}:
        return True
    last = part_sums(sums.model, sums.held, sums.profile, end)
    return last > between[0] + RESOLUTION if falls else last < between[1] - RESOLUTION


def any_of(total: Any) -> int:
    """A number of the same sign as a sum that is not mixed."""
    return int(next(iter(total.values())) if isinstance(total, dict) else total)


def course(sums: Sums) -> Course:
    """The score at instants from now on, not rounded, for sums that are not mixed."""
    bounds = bounds_of(sums)
    return lambda at: bounds(at, at)[0]


def bounds_of(sums: Sums) -> Bounds:
    """Between which numbers the score lies from one instant to another."""
    groups = [
        (
            sum([sums.profile.get(rule.id, 0.0) for rule in group.profile_rules]),
            [(part, courses_of(part, sums)) for part in group.parts if sums.held.get(part.name)],
            group,
        )
        for group in sums.model.groups
    ]
    model = sums.model

    def bounds(first: int, last: int) -> tuple[float, float]:
        lowest = highest = 0.0
        for profile, parts, group in groups:
            low = high = profile
            for part, courses in parts:
                ends = [(each(first), each(last)) for each in courses]
                low += clamp(sum([min(pair) for pair in ends]), part.minimum, part.maximum)
                high += clamp(sum([max(pair) for pair in ends]), part.minimum, part.maximum)
            lowest += clamp(low, group.minimum, group.maximum)
            highest += clamp(high, group.minimum, group.maximum)
        return clamp(lowest, model.minimum, model.maximum), clamp(highest, model.minimum, model.maximum)

    return bounds


def courses_of(part: Part, sums: Sums) -> list[Course]:
    """The courses of a part's sum, each of which only falls or only rises."""
    return [part.decay.course(piece, sums.now) for piece in monotone(sums.held[part.name])]


# ── searching ────────────────────────────────────────────────────────────────────────────────────────────────


def above(score_at: Course, target: float) -> Course:
    """How far a score is above a target: the logarithm of their ratio, or where there is none, the difference.

    What decays is a straight line in its logarithm, or nearly one.
    """
    if target <= 0:
        return lambda at: score_at(at) - target
    lowest = target / 2**HALVINGS
    return lambda at: log2(max(score_at(at), lowest) / target)


def closes(gap: Course, now: int, end: int, within: int = MILLISECOND) -> int | None:
    """The instant, up to `end`, at which a gap that only narrows is closed (zero or less); None if it stays open.

    It is found `within` so many microseconds; to one of them, it is the same wherever the search begins and ends.
    """
    if end <= now or gap(end) > 0:
        return None
    low, width, high = now, gap(now), min(end, now + HOUR)
    below = gap(high)
    if below > 0 and width > below:
        ahead = now + int((high - now) * width / (width - below)) + MILLISECOND
        low, width, high = high, below, min(end, ahead)
        below = gap(high)
    while below > 0:
        low, width, high = high, below, min(end, now + 2 * (high - now))
        below = gap(high)
    return narrowed(gap, (low, width), (high, below), within)


def first_closed(gap: Course, now: int, end: int) -> int | None:
    """The same for a gap that may narrow and widen: it is looked at further and further ahead.

    What closes and opens again between two looks is not seen.
    """
    low, width, step = now, gap(now), HOUR
    while low < end:
        high = min(end, low + step)
        below = gap(high)
        if below <= 0:
            return narrowed(gap, (low, width), (high, below))
        low, width, step = high, below, int((high - now) * (STRIDE - 1)) + HOUR
    return None


def narrowed(gap: Course, low: tuple[int, float], high: tuple[int, float], within: int = MILLISECOND) -> int:
    """An instant at which the gap is closed, at most `within` after it is not; ends are (instant, gap).

    The Illinois method: the line through both ends says where to look next, and an end that stays for a second time
    counts half, so that both of them close in. A gap that goes in steps, as days do, is halved after a few such looks.
    """
    (left, width), (right, below) = low, high
    stayed, looks = "", 0
    while right - left > within:
        looks += 1
        line = width > below and looks <= MOST_LINES
        middle = left + int((right - left) * width / (width - below)) if line else (left + right) // 2
        middle = min(right - 1, max(left + 1, middle))
        distance = gap(middle)
        if distance > 0:
            left, width, below = middle, distance, below / 2 if stayed == "right" else below
            stayed = "right"
        else:
            right, below, width = middle, distance, width / 2 if stayed == "left" else width
            stayed = "left"
    return right


def searched(floor: Floor, now: int, end: int) -> int | None:
    """The first instant, up to `end`, at which something whose floor is known is zero or less, to the second.

    A stretch whose floor is above zero is passed over; any other one is halved. Where that would take too long, as with
    a score that touches the number and turns, it is the beginning of the first stretch that is still open.
    """
    open_ones: list[tuple[int, int]] = []
    looks, start, step = 0, now, HOUR
    while open_ones or start < end:
        if not open_ones:
            stop = min(end, start + step)
            open_ones, start, step = [(start, stop)], stop, 2 * step
        first, last = open_ones.pop()
        looks += 1
        if floor(first, last) > 0:
            continue
        if looks > MOST_LOOKS:
            return max(first, now + SECOND)
        if last - first > SECOND:
            middle = (first + last) // 2
            open_ones += [(middle, last), (first, middle)]
        elif floor(last, last) <= 0:
            return last
    return None
