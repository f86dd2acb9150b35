"""Time as people live it: zones, local clocks, quiet hours, business days, birthdays, schedules. Pure arithmetic.

Instants are aware datetimes in UTC; zones are those of IANA. What holds everywhere, in every zone:

- A local date and time is one instant: the first at which the clocks there show it, or a later time of that day. So a
  time that a gap leaves out is the first instant after the gap, and of a time that comes twice the first counts.
- Nothing is earlier than asked for, nothing happens twice, and nothing is put off for ever.
- A day that a zone has left out (Samoa had no 30 December 2011) does not exist, and nothing happens on it.
"""

from __future__ import annotations

from workers.engine.hours.business import (
    WORKING_WEEK,
    Calendar,
    add_business,
    add_business_time,
    business_days,
    countries,
    country_of,
    has_holidays,
    holidays_of,
    next_allowed,
    on_business_day,
)
from workers.engine.hours.clocks import WEEKDAYS, Weekday, local_instant, next_local, weekdays_of
from workers.engine.hours.dates import Schedule, anniversary, next_date, occurrence
from workers.engine.hours.quiet import Quiet, after_quiet
from workers.engine.hours.zones import ACCOUNT, LEAD, zone_by, zone_named, zone_of

__all__ = [
    "ACCOUNT",
    "LEAD",
    "WEEKDAYS",
    "WORKING_WEEK",
    "Calendar",
    "Quiet",
    "Schedule",
    "Weekday",
    "add_business",
    "add_business_time",
    "after_quiet",
    "anniversary",
    "business_days",
    "countries",
    "country_of",
    "has_holidays",
    "holidays_of",
    "local_instant",
    "next_allowed",
    "next_date",
    "next_local",
    "occurrence",
    "on_business_day",
    "weekdays_of",
    "zone_by",
    "zone_named",
    "zone_of",
]
