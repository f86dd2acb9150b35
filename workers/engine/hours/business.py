"""Business days: which days a company or a country works, and how far away the next ones are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, timedelta
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Final
from warnings import catch_warnings

from workers.engine.hours.clocks import DAY, MIDNIGHT, instant_from, local_instant
from workers.engine.hours.quiet import after_quiet
from workers.engine.hours.zones import LEAD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

    from workers.engine.hours.quiet import Quiet

MONDAY_TO_FRIDAY: Final = frozenset(range(5))
MOST_CLOSED: Final = 366
"""Days in a row that may be closed. A calendar with more of them never opens, and closes nothing."""
COUNTRY_FIELDS: Final = ("country",)
REGION: Final = "region"
COUNTRY_UNKNOWN: Final = "country-unknown"
"""The reason why no public holidays are kept for a lead that has a country."""
CODE: Final = re.compile(r"([A-Z]{2})(?:-([A-Z0-9]{1,3}))?")
"""ISO 3166: a country, `DE`, or a part of one, `DE-BY`."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Which days are business days.

    Attributes:
        weekdays: days of the week on which there is work; Monday is 0.
        countries: whose public holidays are free: `DE`, `US-CA`, or `lead` for those of the lead's own country.
        holidays: False leaves public holidays out of account.
        extra: other days that are free.
    """

    weekdays: frozenset[int] = MONDAY_TO_FRIDAY
    countries: tuple[str, ...] = ()
    holidays: bool = True
    extra: frozenset[date] = frozenset()

    def is_open(self, day: date, country: str | None) -> bool:
        """True on a business day, for a lead of that country."""
        if day.weekday() not in self.weekdays or day in self.extra:
            return False
        if not (self.holidays and self.countries):
            return True
        codes = (country if code == LEAD else code for code in self.countries)
        return not any(code and day in holidays_of(code, day.year) for code in codes)


WORKING_WEEK: Final = Calendar()
"""Monday to Friday."""


# ── public holidays ──────────────────────────────────────────────────────────────────────────────────────────


ONE_AT_A_TIME: Final = Lock()
"""Warnings are silenced for the whole process, not for a thread. (Some lunar holidays are not known far ahead.)"""


@lru_cache(maxsize=4096)
def holidays_of(code: str, year: int) -> frozenset[date]:
    """The public holidays of a country or a part of it, days in lieu included; none where nobody knows them.

    Args:
        code: ISO 3166, like `DE` or `DE-BY`.
        year: of the Gregorian calendar.
    """
    if not has_holidays(code):
        return frozenset()
    country, _, part = code.partition("-")
    with ONE_AT_A_TIME, catch_warnings(action="ignore", category=UserWarning):
        # Only names depend on the language; without one, the machine's settings would be looked at.
        kept = entity(country)(subdiv=part or None, years=year, expand=False, language="en_US")
    return frozenset(day for day in kept if day.year == year)


@lru_cache(maxsize=4096)
def has_holidays(code: str) -> bool:
    """True if the public holidays of this country, or this part of it, are known."""
    if (match := CODE.fullmatch(code)) is None:
        return False
    country, part = match.groups()
    return (kept := entity(country)) is not None and (part is None or part in kept.subdivisions)


def countries() -> Mapping[str, str]:
    """The codes of all countries whose public holidays are known, by whatever they are called, in lower case."""
    from holidays.registry import COUNTRIES

    return {name.casefold(): codes[1] for codes in COUNTRIES.values() for name in codes}


def entity(country: str) -> Any:
    """What the package `holidays` knows of a country of two capital letters, or None."""
    import holidays  # takes a twentieth of a second, which most rulebooks need not pay

    return getattr(holidays, country, None)


def country_of(fields: Mapping[str, Any], names: Sequence[str] = COUNTRY_FIELDS) -> tuple[str | None, str]:
    """The country whose public holidays a lead has.

    Args:
        fields: what is known about the lead; `region` may say which part of the country: `BY`, `DE-BY` or `Bayern`.
        names: the fields that a country may stand in, the first one that is there counts.

    Returns:
        `DE` or `DE-BY`, None where none is known, and why none could be taken: `country-unknown`, or empty.
    """
    for name in names:
        if said := fields.get(name):
            code = place(str(said), str(fields.get(REGION) or ""))
            return code, "" if code else COUNTRY_UNKNOWN
    return None, ""


@lru_cache(maxsize=4096)
def place(country: str, region: str) -> str | None:
    """The code of a country, with that of its part where that has holidays of its own; None for no country."""
    country = country.strip().upper()
    if not has_holidays(country):
        return None
    short = region.strip().upper().removeprefix(f"{country}-")
    named = parts(country).get(region.strip().casefold(), short)
    return next((code for code in (f"{country}-{short}", f"{country}-{named}") if has_holidays(code)), country)


@lru_cache(maxsize=256)
def parts(country: str) -> Mapping[str, str]:
    """The codes of a country's parts by their names in lower case."""
    aliases: Mapping[str, Sequence[str]] = entity(country).get_subdivision_aliases()
    return {alias.casefold(): code for code, names in aliases.items() for alias in names}


# ── business days ────────────────────────────────────────────────────────────────────────────────────────────


def on_business_day(at: datetime, zone: ZoneInfo, calendar: Calendar, country: str | None) -> datetime:
    """`at` if that is on a business day, else the beginning of the next one.

    Args:
        at: the result is not earlier than that.
        zone: where days begin and end.
        calendar: which days are business days; one that has none closes nothing.
        country: the lead's, as `country_of` gives it.
    """
    day = at.astimezone(zone).date()
    if calendar.is_open(day, country):
        return at
    for _ in range(MOST_CLOSED):
        day += DAY
        if calendar.is_open(day, country):
            start = instant_from(at, day, MIDNIGHT, zone)
            if start.astimezone(zone).date() == day:
                return start
    return at


def add_business(at: datetime, days: int, zone: ZoneInfo, calendar: Calendar, country: str | None) -> datetime:
    """The same local time on the business day that is `days` business days later; the rest is as in `on_business_day`.

    From a day that is none, the next business day is the first: one business day after Saturday noon is Monday noon.
    """
    local = at.astimezone(zone)
    day = local.date()
    for _ in range(days):
        day = next_open(day, calendar, country)
    if day == local.date():
        return at
    due = local_instant(day, local.time(), zone)
    # On a day that the zone has left out there is no work either.
    return due if due.astimezone(zone).date() == day else on_business_day(due, zone, calendar, country)


def next_open(day: date, calendar: Calendar, country: str | None) -> date:
    """The first business day after a day; the very next day if the calendar has none."""
    for ahead in range(1, MOST_CLOSED):
        if calendar.is_open(following := day + ahead * DAY, country):
            return following
    return day + DAY


def add_business_time(
    at: datetime, length: timedelta, zone: ZoneInfo, calendar: Calendar, country: str | None
) -> datetime:
    """When a time is over that stands still on all days but business days; a business day is 24 hours."""
    days, rest = divmod(length, DAY)
    at = on_business_day(at.astimezone(UTC), zone, calendar, country)
    due = add_business(at, days, zone, calendar, country)
    while True:
        tomorrow = instant_from(due, due.astimezone(zone).date() + DAY, MIDNIGHT, zone)
        if rest <= tomorrow - due:
            return due + rest
        rest -= tomorrow - due
        due = on_business_day(tomorrow, zone, calendar, country)


def next_allowed(
    at: datetime, zone: ZoneInfo, quiet: Quiet | None, calendar: Calendar | None, country: str | None
) -> datetime:
    """The instant from `at` on that is on a business day and outside the quiet hours; None allows all.

    With quiet hours it is the earliest one. Without them a free day puts off to the same time of day: what is due on a
    Saturday afternoon is right on Monday afternoon, and at midnight for nobody.

    Args:
        at: the result is not earlier than that.
        zone: where the clocks hang that both go by.
        quiet: hours to leave out.
        calendar: which days are business days.
        country: the lead's, as `country_of` gives it.
    """
    for _ in range(MOST_CLOSED):
        before = at
        if calendar is not None and (start := on_business_day(at, zone, calendar, country)) != at:
            at = start if quiet is not None else add_business(at, 1, zone, calendar, country)
        if quiet is not None:
            at = after_quiet(at, quiet, zone)
        if at == before:
            break
    return at


def business_days(start: date, end: date, calendar: Calendar, country: str | None) -> int:
    """How many business days there are from `start` until the day before `end`."""
    return sum(calendar.is_open(start + n * DAY, country) for n in range((end - start).days))
