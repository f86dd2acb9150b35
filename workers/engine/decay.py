"""How points lose their worth with time. Every kind is exact: the same entries in any order give the same number.

An entry is written down once, at a fixed landmark, in whole units of 2 ** -FRACTION_BITS points, and integers of any
size add up the same in every order; reading scales the sum to the present ("forward decay", Cormode et al., 2009).
Summing present worths in floating point would give another last digit for every order of arrival. A sum's integer has
about as many bits as its lead's history has half-lives (or steps), plus fifty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil, ldexp, log2
from typing import TYPE_CHECKING, Any, Final, Protocol

from workers.engine.values import micros

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LANDMARK: Final = micros(datetime(2025, 1, 1, tzinfo=UTC))
FRACTION_BITS: Final = 40
UNIT: Final = 1 << FRACTION_BITS
PRECISION: Final = 6
"""Decimals of a score; finer differences are rounding of the reading and decide nothing."""
RESOLUTION: Final = 10.0**-PRECISION
DAY: Final = 86_400_000_000
MOST_JUMPS: Final = 50
HALVINGS: Final = 64
"""After being halved so often, not even a million points are left as much as RESOLUTION."""

Sum = Any
"""What a decay keeps for its entries: an int, or for expiry a mapping from day to an int. JSON-ready once packed."""


Course = Callable[[int], float]
"""The worth of something at an instant (microseconds), if nothing but time happens."""


class Decay(Protocol):
    """One way of losing worth. `points` are whole units (see `units`); instants are microseconds."""

    @property
    def lasts(self) -> int:
        """Microseconds after which an entry has nothing left to lose; 0 if it loses nothing."""

    def add(self, total: Sum | None, points: int, at: int) -> Sum:
        """The sum with one more entry; with `-points` an entry is taken out again, without a trace."""

    def worth(self, total: Sum, now: int) -> float:
        """The points that the sum is worth at `now`, not rounded."""

    def falls_below(self, total: Sum, threshold: float, now: int) -> int | None:
        """The first instant after `now` at which `worth` is below `threshold`, in closed form; None for never."""

    def course(self, total: Sum, now: int) -> Course:
        """What `worth` will be at instants from `now` on, quick to ask many times."""

    def jumps(self, total: Sum, now: int) -> Iterable[int]:
        """Instants after `now` at which `worth` changes from one to the next; of very many, the first ones."""


def opposite(total: Sum) -> Sum:
    """The sum of the same entries with all their signs turned."""
    return {name: -part for name, part in total.items()} if isinstance(total, dict) else -total


def monotone(total: Sum) -> list[Sum]:
    """Sums that together are worth the same, each of which only falls, or only rises, until it is worth nothing."""
    if not isinstance(total, dict):
        return [total]
    gains = {day: points for day, points in total.items() if points > 0}
    losses = {day: points for day, points in total.items() if points < 0}
    return [part for part in (gains, losses) if part]


def units(points: float) -> int:
    """Points in the unit that is added up."""
    return round(points * UNIT)


def scaled(number: int, times: int, over: int) -> int:
    """`number * times / over` in whole units, rounded towards zero, so that `-number` gives exactly the opposite."""
    size = abs(number) * times // over
    return size if number >= 0 else -size


@dataclass(frozen=True, slots=True)
class Keep:
    """Points keep their worth."""

    @property
    def lasts(self) -> int:
        """See `Decay.lasts`."""
        return 0

    def add(self, total: int | None, points: int, at: int) -> int:  # noqa: ARG002  every decay has this shape
        """See `Decay.add`."""
        return (total or 0) + points

    def worth(self, total: int, now: int) -> float:  # noqa: ARG002
        """See `Decay.worth`."""
        return total / UNIT

    def falls_below(self, total: int, threshold: float, now: int) -> int | None:  # noqa: ARG002
        """See `Decay.falls_below`."""
        return None

    def course(self, total: int, now: int) -> Course:  # noqa: ARG002
        """See `Decay.course`."""
        worth = total / UNIT
        return lambda _: worth

    def jumps(self, total: int, now: int) -> Iterable[int]:  # noqa: ARG002
        """See `Decay.jumps`."""
        return ()


KEEP: Final = Keep()


@dataclass(frozen=True, slots=True)
class HalfLife:
    """Points lose half of their worth in every `length` (microseconds), continuously."""

    length: int

    @property
    def lasts(self) -> int:
        """See `Decay.lasts`."""
        return self.length * HALVINGS

    def add(self, total: int | None, points: int, at: int) -> int:
        """See `Decay.add`."""
        lives, rest = divmod(at - LANDMARK, self.length)
        mantissa = round(points * 2.0 ** (rest / self.length))
        return (total or 0) + (mantissa << lives if lives >= 0 else scaled(mantissa, 1, 1 << -lives))

    def worth(self, total: int, now: int) -> float:
        """See `Decay.worth`."""
        lives, rest = divmod(now - LANDMARK, self.length)
        # A float holds 53 bits and overflows at 1,024: take the leading bits, put the scale back in one exact step.
        spare = max(0, total.bit_length() - 64)
        leading = ldexp(float(total >> spare), spare - lives - FRACTION_BITS)
        worth: float = leading * 2.0 ** -(rest / self.length)
        return worth

    def falls_below(self, total: int, threshold: float, now: int) -> int | None:
        """See `Decay.falls_below`."""
        if total <= 0 or threshold <= 0:
            return None
        lives = log2(total) - FRACTION_BITS - log2(threshold)
        return max(now + 1, LANDMARK + int(lives * self.length) + 1)

    def course(self, total: int, now: int) -> Course:
        """See `Decay.course`."""
        worth, length = self.worth(total, now), self.length
        return lambda at: worth * 2.0 ** ((now - at) / length)

    def jumps(self, total: int, now: int) -> Iterable[int]:  # noqa: ARG002
        """See `Decay.jumps`."""
        return ()


@dataclass(frozen=True, slots=True)
class Steps:
    """At the end of every `length` (microseconds, from one fixed instant on) points lose `percent` of their worth."""

    percent: int
    length: int

    @property
    def lasts(self) -> int:
        """See `Decay.lasts`."""
        return ceil(HALVINGS / log2(100 / (100 - self.percent))) * self.length

    def add(self, total: int | None, points: int, at: int) -> int:
        """See `Decay.add`."""
        step = (at - LANDMARK) // self.length
        grown, kept = (100, 100 - self.percent) if step >= 0 else (100 - self.percent, 100)
        return (total or 0) + scaled(points, grown ** abs(step), kept ** abs(step))

    def worth(self, total: int, now: int) -> float:
        """See `Decay.worth`."""
        step = max(0, (now - LANDMARK) // self.length)
        return scaled(total, (100 - self.percent) ** step, 100**step) / UNIT

    def falls_below(self, total: int, threshold: float, now: int) -> int | None:
        """See `Decay.falls_below`."""
        if total <= 0 or threshold <= 0:
            return None
        spare = log2(total) - FRACTION_BITS - log2(threshold)
        first = max(0, (now - LANDMARK) // self.length) + 1
        step = max(ceil(spare / log2(100 / (100 - self.percent))), first)
        while step > first and self.worth(total, LANDMARK + (step - 1) * self.length) < threshold:
            step -= 1
        while self.worth(total, LANDMARK + step * self.length) >= threshold:
            step += 1
        return LANDMARK + step * self.length

    def course(self, total: int, now: int) -> Course:
        """See `Decay.course`."""
        worth, length, kept = self.worth(total, now), self.length, (100 - self.percent) / 100
        done = max(0, (now - LANDMARK) // length)
        return lambda at: worth * kept ** (max(0, (at - LANDMARK) // length) - done)

    def jumps(self, total: int, now: int) -> Iterable[int]:  # noqa: ARG002
        """See `Decay.jumps`."""
        first = max(0, (now - LANDMARK) // self.length) + 1
        return [LANDMARK + step * self.length for step in range(first, first + MOST_JUMPS)]


@dataclass(frozen=True, slots=True)
class Expiry:
    """Points are gone once the day they were made is `days` old (days of UTC)."""

    days: int

    @property
    def lasts(self) -> int:
        """See `Decay.lasts`."""
        return (self.days + 1) * DAY

    def add(self, total: Mapping[str, int] | None, points: int, at: int) -> dict[str, int]:
        """See `Decay.add`. Days that are over stay: the entry that showed they are may yet be taken out."""
        sums, day = dict(total or {}), str(at // DAY)
        sums[day] = sums.get(day, 0) + points
        if not sums[day]:
            del sums[day]
        return sums

    def left(self, total: Mapping[str, int], now: int) -> Mapping[str, int]:
        """The sum without the days that are over at `now`, and so for good."""
        oldest = now // DAY - self.days
        over = [day for day in total if int(day) <= oldest]
        return {day: total[day] for day in total if day not in over} if over else total

    def worth(self, total: Mapping[str, int], now: int) -> float:
        """See `Decay.worth`."""
        oldest = now // DAY - self.days
        return sum([points for day, points in total.items() if int(day) > oldest]) / UNIT

    def falls_below(self, total: Mapping[str, int], threshold: float, now: int) -> int | None:
        """See `Decay.falls_below`."""
        for day in sorted(int(day) for day in total):
            at = (day + self.days) * DAY
            if at > now and self.worth(total, at) < threshold:
                return at
        return None

    def course(self, total: Mapping[str, int], now: int) -> Course:  # noqa: ARG002
        """See `Decay.course`."""
        ends = [((int(day) + self.days) * DAY, points / UNIT) for day, points in total.items()]
        return lambda at: sum([points for end, points in ends if end > at])

    def jumps(self, total: Mapping[str, int], now: int) -> Iterable[int]:
        """See `Decay.jumps`."""
        return [at for day in total if (at := (int(day) + self.days) * DAY) > now]
