from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workers.engine.hours.changes import CLOCKS, DAY, PLACES
from workers.engine.hours import Schedule, anniversary, next_date

BERLIN = ZoneInfo("Europe/Berlin")
NINE = time(9)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("day", "year", "expected"),
    [
        ("2000-02-29", 2026, "2026-02-28"),
        ("2000-02-29", 2028, "2028-02-29"),
        ("2000-02-29", 2100, "2100-02-28"),
        ("2001-02-28", 2028, "2028-02-28"),
        ("1990-12-31", 2026, "2026-12-31"),
    ],
)
def test_anniversaries(day: str, year: int, expected: str) -> None:
    assert anniversary(date.fromisoformat(day), year) == date.fromisoformat(expected)


@pytest.mark.parametrize(
    ("at", "day", "days", "yearly", "expected"),
    [
        ("2026-03-01 12:00", "1990-03-05", 0, True, "2026-03-05 09:00"),
        ("2026-03-05 08:59", "1990-03-05", 0, True, "2026-03-05 09:00"),
        ("2026-03-05 09:00", "1990-03-05", 0, True, "2027-03-05 09:00"),
        ("2026-03-01 12:00", "2000-02-29", 0, True, "2027-02-28 09:00"),
        ("2027-03-01 12:00", "2000-02-29", 0, True, "2028-02-29 09:00"),
        ("2026-12-20 12:00", "1990-01-10", -30, True, "2027-12-11 09:00"),  # 11 December 2026 is over
        ("2026-12-01 12:00", "1990-01-10", -30, True, "2026-12-11 09:00"),  # before a birthday of next year
        ("2026-01-05 12:00", "1990-12-20", 30, True, "2026-01-19 09:00"),  # after one of last year
        ("2026-01-05 12:00", "1990-12-20", 800, True, "2026-02-27 09:00"),  # after one of three years ago
        ("2026-03-01 12:00", "2026-04-15", -30, False, "2026-03-16 09:00"),
        ("2026-03-17 12:00", "2026-04-15", -30, False, None),
        ("2026-03-01 12:00", "2028-04-15", -30, True, "2028-03-16 09:00"),  # not before the day itself
        ("2026-03-01 12:00", "9999-12-31", 1, False, None),
        ("2026-03-01 12:00", "9999-12-31", 1, True, None),
        ("2026-03-01 12:00", "0001-01-01", -1, False, None),
        ("2026-03-01 12:00", "0001-01-01", -1, True, "2026-12-31 09:00"),
        ("2026-03-28 12:00", "1990-03-30", -1, True, "2026-03-29 09:00"),  # the clocks are set that night
    ],
)
def test_a_date_field_asks_for_an_instant(at, day, days, yearly, expected) -> None:
    found = next_date(local(at), date.fromisoformat(day), timedelta(days=days), NINE, BERLIN, yearly=yearly)
    assert found == (local(expected) if expected else None)


def test_an_offset_goes_by_the_clock() -> None:
    found = next_date(local("2026-03-01 12:00"), date(2026, 3, 30), timedelta(hours=-24), NINE, BERLIN, yearly=False)
    assert found == local("2026-03-29 09:00")


@given(PLACES, st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.timedeltas(-900 * DAY, 900 * DAY), CLOCKS)
def test_every_year_has_its_day(place, day, offset, clock) -> None:
    zone, at = place
    found = next_date(at, day, offset, clock, zone, yearly=True)
    assert found is not None
    assert found > at
    following = next_date(found, day, offset, clock, zone, yearly=True)
    assert following is not None
    assert timedelta(days=363) < following - found < timedelta(days=368)
    if found - at > timedelta(days=368):
        assert found <= datetime.combine(day, clock, UTC) + offset + 2 * DAY  # it waits for the day itself


@pytest.mark.parametrize(
    ("schedule", "at", "expected"),
    [
        (Schedule(time(8, 30)), "2026-03-04 08:30", "2026-03-05 08:30"),
        (Schedule(time(8, 30)), "2026-03-04 08:29", "2026-03-04 08:30"),
        (Schedule(NINE, frozenset({0})), "2026-03-02 09:00", "2026-03-09 09:00"),
        (Schedule(NINE, frozenset({0, 3})), "2026-03-02 09:00", "2026-03-05 09:00"),
        (Schedule(NINE, None, 1), "2026-03-01 08:00", "2026-03-01 09:00"),
        (Schedule(NINE, None, 1), "2026-12-01 09:00", "2027-01-01 09:00"),
        (Schedule(NINE, None, 31), "2026-01-31 09:00", "2026-02-28 09:00"),
        (Schedule(NINE, None, 31), "2028-02-01 09:00", "2028-02-29 09:00"),
        (Schedule(time(2, 30)), "2026-03-28 12:00", "2026-03-29 03:00"),
    ],
)
def test_schedules(schedule: Schedule, at: str, expected: str) -> None:
    assert schedule.next(local(at), BERLIN) == local(expected)


@given(PLACES, st.integers(1, 31), CLOCKS)
def test_every_month_has_one(place, day, clock) -> None:
    zone, at = place
    schedule, months = Schedule(clock, None, day), []
    for _ in range(14):
        found = schedule.next(at, zone)
        assert found > at
        at = found
        # A time that a gap leaves out may be on the day after.
        moved = (at - timedelta(hours=26)).astimezone(zone).date() + DAY
        months.append(moved.year * 12 + moved.month)
    assert all(after - before in {0, 1, 2} for before, after in pairwise(months))
