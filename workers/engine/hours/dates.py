"""Things that come round: birthdays, renewals, every Monday at nine."""

from __future__ import annotations

from calendar import isleap, monthrange
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from workers.engine.hours.clocks import WEEKDAYS, local_instant, next_local

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

LEAP_DAY: Final = (2, 29)
MONTHS: Final = 12


def anniversary(day: date, year: int) -> date:
    """The day in another year; 29 February is the 28th where there is none."""
    if (day.month, day.day) == LEAP_DAY and not isleap(year):
        return date(year, 2, 28)
    return day.replace(year=year)


def next_date(
    at: datetime,
    day: date,
    offset: timedelta,
    clock: time,
    zone: ZoneInfo,
    *,
    yearly: bool,
) -> datetime | None:
    """The next instant after `at` that a date field asks for.

    Args:
        at: the result is later than that.
        day: what the field says.
        offset: how long before (negative) or after the day, by the calendar and the clock.
        clock: the local time from which `offset` is counted.
        zone: where the clock hangs.
        yearly: every year from the day's own on (a birthday), or that one time only (a renewal).

    Returns:
        None if it is over, or too far away for a calendar.
    """
    try:
        if not yearly:
            return later(at, occurrence(day, offset, clock, zone))
        year = max(day.year, (at.astimezone(zone) - offset).year)
        found = (occurrence(anniversary(day, year + n), offset, clock, zone) for n in range(3))
        return next((each for each in found if each > at), None)
    except (OverflowError, ValueError):  # before year 1 or after 9999, which CRMs write for "never"
        return None


def later(at: datetime, found: datetime) -> datetime | None:
    """`found`, if that is after `at`."""
    return found if found > at else None


def occurrence(day: date, offset: timedelta, clock: time, zone: ZoneInfo) -> datetime:
    """A day and time, moved by the calendar and the clock."""
    moved = datetime.combine(day, clock) + offset
    return local_instant(moved.date(), moved.time(), zone)


@dataclass(frozen=True, slots=True)
class Schedule:
    """`day 08:30`, `monday 09:00`, `month on 1 at 09:00`: once on each day that counts, at a local time.

    Attributes:
        clock: the local time.
        weekdays: days of the week that count, Monday is 0; None for all.
        day: the day of the month that counts; one that a month does not have is its last. None for weekly schedules.
    """

    clock: time
    weekdays: frozenset[int] | None = None
    day: int | None = None

    def __str__(self) -> str:
        """As it is written."""
        if self.day is not None:
            return f"month on {self.day} at {self.clock:%H:%M}"
        days = "day" if self.weekdays is None else ", ".join(WEEKDAYS[day] for day in sorted(self.weekdays))
        return f"{days} {self.clock:%H:%M}"

    def next(self, at: datetime, zone: ZoneInfo) -> datetime:
        """The next instant after `at`."""
        if self.day is None:
            return next_local(at, self.clock, zone, self.weekdays)
        local = at.astimezone(zone)
        month = local.year * MONTHS + local.month - 1
        while (found := in_month(month, self.day, self.clock, zone)) <= at:
            month += 1
        return found


def in_month(month: int, day: int, clock: time, zone: ZoneInfo) -> datetime:
    """The instant in one month, counted from year 0, on a day of it or the last that it has."""
    year, index = divmod(month, MONTHS)
    return local_instant(date(year, index + 1, min(day, monthrange(year, index + 1)[1])), clock, zone)
