from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workers.engine.hours.changes import DAY, PLACES, wall
from workers.engine.hours import (
    Calendar,
    Quiet,
    add_business,
    add_business_time,
    business_days,
    country_of,
    has_holidays,
    holidays_of,
    local_instant,
    next_allowed,
    on_business_day,
)

BERLIN = ZoneInfo("Europe/Berlin")
WEEK = Calendar()
GERMAN = Calendar(countries=("DE",))
LEADS = Calendar(countries=("lead",))


def local(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("at", "days", "calendar", "country", "expected"),
    [
        ("2026-03-04 10:15", 2, WEEK, None, "2026-03-06 10:15"),
        ("2026-03-06 10:15", 1, WEEK, None, "2026-03-09 10:15"),  # Friday to Monday
        ("2026-03-07 10:15", 1, WEEK, None, "2026-03-09 10:15"),  # Saturday to Monday
        ("2026-03-07 10:15", 0, WEEK, None, "2026-03-07 10:15"),
        ("2026-03-27 10:15", 1, WEEK, None, "2026-03-30 10:15"),  # over a change of clocks, at the same time of day
        ("2026-04-02 10:15", 1, GERMAN, None, "2026-04-07 10:15"),  # over Easter
        ("2026-04-02 10:15", 1, LEADS, "DE", "2026-04-07 10:15"),
        ("2026-04-02 10:15", 1, LEADS, "US", "2026-04-03 10:15"),
        ("2026-04-02 10:15", 1, LEADS, None, "2026-04-03 10:15"),
        ("2026-04-02 10:15", 1, LEADS, "QQ", "2026-04-03 10:15"),
        ("2026-01-05 10:15", 1, GERMAN, None, "2026-01-06 10:15"),
        ("2026-01-05 10:15", 1, LEADS, "DE-BY", "2026-01-07 10:15"),  # Epiphany is kept in Bavaria
        ("2026-12-23 10:15", 1, Calendar(extra=frozenset({date(2026, 12, 24)})), None, "2026-12-25 10:15"),
        ("2026-04-02 10:15", 1, Calendar(countries=("DE",), holidays=False), None, "2026-04-03 10:15"),
        (
            "2026-03-05 10:15",
            1,
            Calendar(weekdays=frozenset({6, 0, 1, 2, 3})),
            None,
            "2026-03-08 10:15",
        ),  # not on Fridays
        ("2026-03-05 10:15", 1, Calendar(weekdays=frozenset()), None, "2026-03-06 10:15"),  # never open: closes nothing
    ],
)
def test_business_days_later_at_the_same_time(at, days, calendar, country, expected) -> None:
    assert add_business(local(at), days, BERLIN, calendar, country) == local(expected)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-03-06 23:59", "2026-03-06 23:59"),
        ("2026-03-07 00:00", "2026-03-09 00:00"),
        ("2026-04-03 12:00", "2026-04-07 00:00"),
        ("2026-12-25 12:00", "2026-12-28 00:00"),
    ],
)
def test_a_day_off_is_followed_by_the_beginning_of_a_business_day(at, expected) -> None:
    assert on_business_day(local(at), BERLIN, GERMAN, None) == local(expected)


@pytest.mark.parametrize(
    ("at", "length", "expected"),
    [
        ("2026-03-06 12:00", timedelta(days=1), "2026-03-09 12:00"),
        ("2026-03-07 12:00", timedelta(days=1), "2026-03-10 00:00"),  # Saturday: Monday is the day
        ("2026-03-06 22:00", timedelta(hours=4), "2026-03-09 02:00"),
        ("2026-03-06 22:00", timedelta(hours=2), "2026-03-07 00:00"),
        ("2026-04-02 22:00", timedelta(days=1, hours=4), "2026-04-08 02:00"),
        ("2026-03-04 12:00", timedelta(), "2026-03-04 12:00"),
    ],
)
def test_business_time_stands_still_on_other_days(at, length, expected) -> None:
    assert add_business_time(local(at), length, BERLIN, GERMAN, None) == local(expected)


CALENDARS = st.builds(
    Calendar,
    st.frozensets(st.integers(0, 6), min_size=1),
    st.sampled_from([(), ("DE",), ("lead",), ("SE", "US-CA")]),
    st.booleans(),
)
COUNTRIES = st.sampled_from([None, "DE", "DE-BY", "IL", "QQ"])


@given(PLACES, CALENDARS, COUNTRIES)
def test_it_is_the_first_business_day(place, calendar, country) -> None:
    zone, at = place
    found = on_business_day(at, zone, calendar, country)
    here, there = at.astimezone(zone).date(), found.astimezone(zone).date()
    assert found >= at
    assert calendar.is_open(there, country)
    assert business_days(here, there, calendar, country) == 0 or not exact(zone, here, there)


def exact(zone: ZoneInfo, here: date, there: date) -> bool:
    """False where one of the days does not exist."""
    days = (here + n * DAY for n in range((there - here).days))
    return all(local_instant(day, time(), zone).astimezone(zone).date() == day for day in days)


@given(PLACES, st.integers(1, 30), CALENDARS, COUNTRIES)
def test_so_many_business_days_lie_between(place, days, calendar, country) -> None:
    zone, at = place
    found = add_business(at, days, zone, calendar, country)
    here, there = at.astimezone(zone).date(), found.astimezone(zone).date()
    assert found > at
    if wall(found, zone).time() == wall(at, zone).time():
        assert business_days(here + DAY, there + DAY, calendar, country) == days


@given(PLACES, st.timedeltas(timedelta(), timedelta(days=20)), CALENDARS, COUNTRIES)
def test_business_time_is_never_shorter(place, length, calendar, country) -> None:
    zone, at = place
    due = add_business_time(at, length, zone, calendar, country)
    assert due >= at + length - timedelta(hours=25)  # whole days are days of the calendar, and some have 23 hours
    assert add_business_time(at, length + timedelta(hours=1), zone, calendar, country) >= due


@given(PLACES, CALENDARS, st.none() | st.builds(Quiet, st.times(), st.times()))
def test_quiet_hours_and_days_off_are_both_kept(place, calendar, quiet) -> None:
    zone, at = place
    found = next_allowed(at, zone, quiet, calendar, "DE")
    assert found >= at
    assert quiet is None or not quiet.covers(found.astimezone(zone).time())
    assert calendar.is_open(found.astimezone(zone).date(), "DE")
    assert next_allowed(found, zone, quiet, calendar, "DE") == found


def test_a_friday_night_is_followed_by_monday_morning() -> None:
    night = Quiet(time(20), time(8))
    assert next_allowed(local("2026-03-06 21:00"), BERLIN, night, WEEK, None) == local("2026-03-09 08:00")
    assert next_allowed(local("2026-03-06 21:00"), BERLIN, None, WEEK, None) == local("2026-03-06 21:00")
    assert next_allowed(local("2026-03-06 21:00"), BERLIN, night, None, None) == local("2026-03-07 08:00")
    assert next_allowed(local("2026-03-07 21:00"), BERLIN, None, WEEK, None) == local("2026-03-09 21:00")


def test_a_day_that_never_was_is_no_business_day() -> None:
    apia = ZoneInfo("Pacific/Apia")  # Friday, 30 December 2011
    saturday = local("2011-12-31 12:00", apia)
    assert on_business_day(saturday, apia, WEEK, None) == local("2012-01-02 00:00", apia)
    assert add_business(local("2011-12-29 12:00", apia), 1, apia, WEEK, None) == local("2012-01-02 00:00", apia)


# ── public holidays ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("code", "day", "free"),
    [
        ("DE", "2026-10-03", True),
        ("DE", "2026-01-06", False),
        ("DE-BY", "2026-01-06", True),
        ("US", "2026-11-26", True),
        ("US", "2026-07-03", True),  # in lieu of Saturday the 4th
        ("FR", "2026-07-14", True),
        ("JP", "2026-05-06", True),
        ("QQ", "2026-12-25", False),
        ("DE-QQ", "2026-12-25", False),
        ("HolidayBase", "2026-12-25", False),
        ("de", "2026-12-25", False),
    ],
)
def test_public_holidays(code: str, day: str, free: bool) -> None:
    assert (date.fromisoformat(day) in holidays_of(code, int(day[:4]))) is free


def test_every_country_that_is_known_works_for_every_year() -> None:
    for country, parts in holidays.list_supported_countries(include_aliases=False).items():
        assert has_holidays(country)
        for year in (1900, 2026, 2036, 9999):
            assert all(day.year == year for day in holidays_of(country, year))
        for part in parts:
            assert has_holidays(f"{country}-{part}") or not (part.isalnum() and len(part) <= 3), part


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (None, "")),
        ({"country": "de"}, ("DE", "")),
        ({"country": "DE", "region": "BY"}, ("DE-BY", "")),
        ({"country": "DE", "region": "de-by"}, ("DE-BY", "")),
        ({"country": "DE", "region": "Bayern"}, ("DE-BY", "")),
        ({"country": "DE", "region": "Narnia"}, ("DE", "")),
        ({"country": "US", "region": "california"}, ("US-CA", "")),
        ({"country": "QQ"}, (None, "country-unknown")),
        ({"country": "Germany"}, (None, "country-unknown")),
    ],
)
def test_the_country_of_a_lead(fields, expected) -> None:
    assert country_of(fields) == expected


def test_who_keeps_no_holidays_does_not_pay_for_them() -> None:
    code = (
        "import sys; from datetime import datetime, UTC; from zoneinfo import ZoneInfo;"
        "from workers.engine import decide, hours;"
        "hours.add_business(datetime.now(UTC), 3, ZoneInfo('Europe/Berlin'), hours.Calendar(), None);"
        "sys.exit('holidays' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_instants_are_utc() -> None:
    at = datetime(2026, 3, 7, 12, tzinfo=UTC)
    assert add_business(at, 1, BERLIN, WEEK, None).tzinfo is UTC
    assert on_business_day(at, BERLIN, WEEK, None).tzinfo is UTC
