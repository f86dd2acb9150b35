"""Local clocks: the one instant that a local date and time is, in gaps and overlaps too."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

Weekday = Literal[
    "mon", "tue", "wed", "thu", "fri", "sat", "sun",
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
]  # fmt: skip
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY: Final = timedelta(days=1)
SECOND: Final = timedelta(seconds=1)
MIDNIGHT: Final = time()
FORTNIGHT: Final = 14
"""Days to look ahead: a day of the week comes within seven, or fourteen where the zone has left out that one."""


def weekdays_of(names: Iterable[Weekday]) -> frozenset[int]:
    """The days of the week that are named, as `date.weekday` numbers them: Monday is 0."""
    short = [day[:3] for day in WEEKDAYS]
    return frozenset(short.index(name[:3]) for name in names)


def local_instant(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """The first instant at which clocks in the zone show this time of this day, or a later one.

    Raises:
        OverflowError: the instant is before year 1 or after year 9999.
    """
    wall = datetime.combine(day, clock.replace(fold=0) if clock.fold else clock, zone)
    first = wall.astimezone(UTC)
    if first.astimezone(zone) == wall:
        return first
    # In a gap, the offset from before it gives an instant after it, and the offset from after it an instant before it.
    return transition(wall.replace(fold=1).astimezone(UTC), first, zone)


def transition(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The instant after `low`, at `high` or before, from which the clocks are set as they are at `high`.

    Clocks are set at whole seconds.
    """
    offset = high.astimezone(zone).utcoffset()
    low, high = low.replace(microsecond=0), ceiling(high)
    while high - low > SECOND:
        middle = low + (high - low) // SECOND // 2 * SECOND
        if middle.astimezone(zone).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return high


def ceiling(at: datetime) -> datetime:
    """The first whole second that is not before `at`."""
    return at.replace(microsecond=0) + (SECOND if at.microsecond else timedelta())


def instant_from(at: datetime, day: date, clock: time, zone: ZoneInfo) -> datetime:
    """The same as `local_instant`, but not before `at`: where the time comes twice it may be the second of the two."""
    first = local_instant(day, clock, zone)
    if first >= at:
        return first
    return max(at, datetime.combine(day, clock.replace(fold=1), zone).astimezone(UTC))


def exists(day: date, zone: ZoneInfo) -> bool:
    """False for a day that the zone has left out."""
    return local_instant(day, MIDNIGHT, zone).astimezone(zone).date() == day


def next_local(at: datetime, clock: time, zone: ZoneInfo, weekdays: frozenset[int] | None = None) -> datetime:
    """The next instant after `at` at which clocks in the zone show a time: one for every day there is, never two.

    Args:
        at: the result is later than that.
        clock: the time to wait for; a day on which it falls into a gap has the first instant after the gap.
        zone: where the clock hangs.
        weekdays: the days of the week that count (Monday is 0); None for all.

    Raises:
        ValueError: there is no such instant, because no day of the week counts.
    """
    day = at.astimezone(zone).date()
    for _ in range(FORTNIGHT + 1):
        if weekdays is None or day.weekday() in weekdays:
            found = local_instant(day, clock, zone)
            if found > at and (found.astimezone(zone).date() == day or exists(day, zone)):
                return found
        day += DAY
    raise ValueError(f"no {clock:%H:%M} is ever reached on weekdays {sorted(weekdays or ())}")
