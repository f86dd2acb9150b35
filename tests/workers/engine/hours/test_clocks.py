from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workers.engine.hours.changes import (
    CHANGING,
    CLOCKS,
    DAY,
    HISTORY,
    LAST,
    MINUTE,
    PLACES,
    ZONES,
    changes,
    wall,
    wanted,
)
from workers.engine.hours import local_instant, next_local, weekdays_of
from workers.engine.hours.clocks import exists

MICROSECOND = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("zone", "local", "expected"),
    [
        ("Europe/Berlin", "2026-03-04 09:00", "2026-03-04 08:00"),
        ("Europe/Berlin", "2026-03-29 02:30", "2026-03-29 01:00"),  # a gap: the first instant after it
        ("Europe/Berlin", "2026-10-25 02:30", "2026-10-25 00:30"),  # twice: the first of the two
        ("Asia/Beirut", "2026-03-29 00:00", "2026-03-28 22:00"),  # the day begins at one
        ("America/Nuuk", "2026-03-28 23:30", "2026-03-29 01:00"),  # an evening without its last hour
        ("Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-03 15:30"),  # half an hour
        ("Antarctica/Troll", "2026-03-29 01:30", "2026-03-29 01:00"),  # two hours
        ("Pacific/Apia", "2011-12-30 09:00", "2011-12-30 10:00"),  # a day that never was: the next one's beginning
        ("UTC", "2026-02-28 23:59", "2026-02-28 23:59"),
    ],
)
def test_a_local_time_is_one_instant(zone: str, local: str, expected: str) -> None:
    at = datetime.fromisoformat(local)
    found = local_instant(at.date(), at.time(), ZoneInfo(zone))
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)
    assert found.tzinfo is UTC


@given(PLACES, CLOCKS)
def test_it_is_the_first_at_which_clocks_show_that_time_or_a_later_one(place, clock) -> None:
    zone, at = place
    asked = wanted(at.astimezone(zone).date(), clock)
    found = local_instant(asked.date(), clock, zone)
    assert wall(found, zone) >= asked
    assert all(wall(found - ago, zone) < asked for ago in [MICROSECOND, *(n * 7 * MINUTE for n in range(1, 300))])


@given(PLACES, CLOCKS, st.frozensets(st.integers(0, 6), min_size=1) | st.none())
def test_the_next_one_is_later_and_none_is_left_out(place, clock, weekdays) -> None:
    zone, at = place
    found = next_local(at, clock, zone, weekdays)
    first, last = at.astimezone(zone).date(), found.astimezone(zone).date()
    days = [first + n * DAY for n in range((last - first).days + 1)]
    instants = {
        local_instant(day, clock, zone)
        for day in days
        if (weekdays is None or day.weekday() in weekdays) and exists(day, zone)
    }
    assert [each for each in instants if at < each <= found] == [found]


@pytest.mark.parametrize(
    "clock", [time(0), time(0, 30), time(1), time(2, 30), time(3), time(12), time(23, 30), time.max]
)
def test_each_day_round_a_change_of_clocks_has_exactly_one_in_every_zone(clock: time) -> None:
    for name in CHANGING:
        zone = ZoneInfo(name)
        for change in changes(name):
            at = change - 36 * 60 * MINUTE
            day = at.astimezone(zone).date() + (DAY if wall(at, zone).time() >= clock else timedelta())
            for ahead in range(4):
                at = next_local(at, clock, zone)
                assert wall(at - MICROSECOND, zone) < wanted(day + ahead * DAY, clock) <= wall(at, zone)


@pytest.mark.parametrize(
    "name", ["Europe/Berlin", "America/Nuuk", "Africa/Casablanca", "Australia/Lord_Howe", "Asia/Beirut"]
)
@pytest.mark.parametrize("clock", [time(2, 15), time(23, 45), time(0)])
def test_ten_years_have_as_many_as_days(name: str, clock: time) -> None:
    zone = ZoneInfo(name)
    start = at = datetime(2026, 1, 1, 12, tzinfo=UTC)
    count = 0
    while (at := next_local(at, clock, zone)) < LAST:
        count += 1
    first, last = wall(start, zone), wall(LAST, zone)
    assert count == (last.date() - first.date()).days + (last.time() > clock) - (first.time() >= clock)


@pytest.mark.parametrize("name", HISTORY)
def test_the_strangest_days_of_history_end(name: str) -> None:
    zone, middle = ZoneInfo(name), HISTORY[name]
    at, days = middle - 5 * DAY, []
    for _ in range(8):
        at = next_local(at, time(9), zone)
        days.append(at.astimezone(zone).date())
    assert days == sorted(set(days))


def test_a_missing_day_has_none() -> None:
    zone = ZoneInfo("Pacific/Apia")
    before = datetime(2011, 12, 29, 9, tzinfo=zone)
    assert next_local(before, time(9), zone) == datetime(2011, 12, 31, 9, tzinfo=zone)
    fridays = weekdays_of(["fri"])
    assert next_local(datetime(2011, 12, 23, 9, tzinfo=zone), time(9), zone, fridays) == datetime(
        2012, 1, 6, 9, tzinfo=zone
    )


@given(st.sampled_from(ZONES))
def test_without_days_there_is_none(name: str) -> None:
    with pytest.raises(ValueError, match="no 09:00"):
        next_local(LAST, time(9), ZoneInfo(name), frozenset())


def test_the_second_of_two_is_never_taken() -> None:
    zone = ZoneInfo("Europe/Berlin")
    first = next_local(datetime(2026, 10, 24, 12, tzinfo=UTC), time(2, 30), zone)
    assert first == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert next_local(first, time(2, 30), zone) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)
    assert local_instant(date(2026, 10, 25), time(2, 30, fold=1), zone) == first


def test_days_of_the_week_are_named_short_or_long() -> None:
    assert weekdays_of(["mon", "sunday"]) == {0, 6}
