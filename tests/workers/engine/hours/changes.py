"""When clocks are set in the zones of the world, worked out from nothing but their offsets."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterator

ZONES = tuple(sorted(available_timezones()))
FIRST, LAST = datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 12, 31, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
HISTORY = {
    "Pacific/Apia": datetime(2011, 12, 30, 10, tzinfo=UTC),  # no 30 December
    "Pacific/Kwajalein": datetime(1993, 8, 21, 12, tzinfo=UTC),  # no 21 August
    "Pacific/Kiritimati": datetime(1994, 12, 31, 10, 40, tzinfo=UTC),  # no 31 December
    "America/St_Johns": datetime(
        2006, 10, 29, 2, 31, tzinfo=UTC
    ),  # from one minute past midnight back to the day before
    "Asia/Manila": datetime(1844, 12, 31, tzinfo=UTC),
    "America/Juneau": datetime(1867, 10, 18, tzinfo=UTC),  # a day that came twice
}
"""The most extraordinary ones of the past."""


@cache
def changes(name: str) -> tuple[datetime, ...]:
    """The instants of ten years at which a zone sets its clocks, to the minute."""
    return tuple(change(name, at, at + DAY) for at in changed_days(name))


def changed_days(name: str) -> Iterator[datetime]:
    zone, at, offset = ZoneInfo(name), FIRST, FIRST.astimezone(ZoneInfo(name)).utcoffset()
    while at < LAST:
        after = (at + DAY).astimezone(zone).utcoffset()
        if after != offset:
            yield at
        at, offset = at + DAY, after


def change(name: str, low: datetime, high: datetime) -> datetime:
    zone, offset = ZoneInfo(name), low.astimezone(ZoneInfo(name)).utcoffset()
    return next(
        at
        for n in range(1, (high - low) // MINUTE + 1)
        if (at := low + n * MINUTE).astimezone(zone).utcoffset() != offset
    )


CHANGING = tuple(name for name in ZONES if changes(name))


@st.composite
def near_changes(draw: st.DrawFn) -> tuple[ZoneInfo, datetime]:
    """A zone, and an instant not far from one at which its clocks are set."""
    name = draw(st.sampled_from(CHANGING + tuple(HISTORY)))
    middle = draw(st.sampled_from(changes(name) + ((HISTORY[name],) if name in HISTORY else ())))
    return ZoneInfo(name), middle + draw(st.timedeltas(-2 * DAY, 2 * DAY))


@st.composite
def anywhere(draw: st.DrawFn) -> tuple[ZoneInfo, datetime]:
    """Any zone, and any instant from the first railways until the tables end."""
    at = draw(st.datetimes(datetime(1840, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
    return ZoneInfo(draw(st.sampled_from(ZONES))), at


PLACES = near_changes() | anywhere()
CLOCKS = st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 45, 59])) | st.times()


def wall(at: datetime, zone: ZoneInfo) -> datetime:
    """What clocks and calendars show."""
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def wanted(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock)
