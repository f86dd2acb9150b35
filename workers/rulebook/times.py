"""How times are written: on the clock, on the calendar, in a zone, in a country, and on a schedule."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final, cast
from zoneinfo import available_timezones

from workers.engine.expressions.durations import DURATION, LONGEST, parse_duration
from workers.engine.hours import WEEKDAYS, Schedule, countries, has_holidays, local_instant, weekdays_of, zone_named
from workers.rulebook.notations import Notation
from workers.text import nearest

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from workers.engine.hours import Weekday
    from workers.rulebook.nodes import Scalar

CLOCK: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]"
WEEKDAY: Final = f"({'|'.join(f'{day[:3]}|{day}' for day in WEEKDAYS)})"
WHOSE: Final = ("lead", "account")
LAST: Final = 31
"""The last day of any month: one that a month does not have is its last."""


class Clock(Notation):
    """A local time, `08:30`."""

    words = "a time of day"
    advice = "write it with two digits each, from 00:00 to 23:59, like 08:30 or 17:00"
    pattern = f"^{CLOCK}$"
    makes = time

    @classmethod
    def read(cls, node: Scalar) -> time | None:
        """See `Notation.read`."""
        return time.fromisoformat(node.raw) if re.fullmatch(CLOCK, node.raw, re.ASCII) else None


class Day(Notation):
    """A date, `2026-12-24`."""

    words = "a date"
    advice = "write it like 2026-12-24"
    pattern = "^20[0-9]{2}-[0-9]{2}-[0-9]{2}$"
    makes = date

    @classmethod
    def read(cls, node: Scalar) -> date | None:
        """See `Notation.read`."""
        if not re.fullmatch(cls.pattern, node.raw, re.ASCII):
            return None
        try:
            return date.fromisoformat(node.raw)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Moment(Notation):
    """A time in an example: `2 days` after it begins, or `2026-03-05 09:00` by a clock.

    Attributes:
        after: how long after the beginning.
        clock: what the clock shows, without a zone; None where `after` counts.
    """

    words = "a time in an example"
    advice = "write it like 2 days or 90m, counted from the beginning, or like 2026-03-05 09:00"
    pattern = rf"^({DURATION}|20[0-9]{{2}}-[0-9]{{2}}-[0-9]{{2}} {CLOCK})$"

    after: timedelta = timedelta()
    clock: datetime | None = None

    @classmethod
    def read(cls, node: Scalar) -> Moment | None:
        """See `Notation.read`."""
        text = node.raw.strip()
        if (after := parse_duration(text)) is not None:
            return cls(after) if after <= LONGEST else None
        if not re.fullmatch(cls.pattern, text, re.ASCII):
            return None
        try:
            return cls(clock=datetime.fromisoformat(text))
        except ValueError:
            return None

    def instant(self, beginning: datetime, zone: ZoneInfo) -> datetime:
        """When that is, in an example that begins at `beginning`, on a clock in `zone`."""
        if self.clock is None:
            return beginning + self.after
        return local_instant(self.clock.date(), self.clock.time(), zone)


class Zone(Notation):
    """A time zone by its IANA name, or `lead` or `account` for theirs. Read as that word."""

    words = "a time zone"
    advice = "write lead, account, or a zone like Europe/Berlin"
    pattern = "^[A-Za-z][A-Za-z0-9_+/-]*$"
    code = "unknown-zone"

    @classmethod
    def read(cls, node: Scalar) -> str | None:
        """See `Notation.read`."""
        return node.raw if node.raw in WHOSE or zone_named(node.raw) else None

    @classmethod
    def hint(cls, node: Scalar) -> str:
        """The zone that may be meant."""
        return did_you_mean(nearest(node.raw, {*WHOSE, *available_timezones()}), cls.advice)


class Country(Notation):
    """A country or a part of one with public holidays of its own, as ISO 3166 has it, or `lead` for the lead's own."""

    words = "a country whose public holidays are known"
    advice = "write its two letters, like DE, with a part of it like US-CA, or lead for the lead's own"
    pattern = "^(lead|[A-Z]{2}(-[A-Z0-9]{1,3})?)$"
    code = "unknown-country"

    @classmethod
    def read(cls, node: Scalar) -> str | None:
        """See `Notation.read`."""
        return node.raw if node.raw == WHOSE[0] or has_holidays(node.raw) else None

    @classmethod
    def hint(cls, node: Scalar) -> str:
        """The country that may be meant."""
        country, _, _ = node.raw.partition("-")
        if has_holidays(country):
            return f"write {country}; this part of it has no public holidays of its own"
        return did_you_mean(countries().get(node.raw.casefold()), cls.advice)


class Timetable(Notation):
    """`day 08:30`, `monday 09:00`, `monday, thursday 09:00`, `month on 1 at 09:00`."""

    words = "a schedule"
    advice = (
        "write it like day 08:30, monday 09:00, monday and friday 09:00, month on 1 at 09:00, month on last at 09:00"
    )
    pattern = rf"^(day|{WEEKDAY}((, ?| and ){WEEKDAY})*|month on ([1-9]|[12][0-9]|3[01]|last))( at)? {CLOCK}$"
    makes = Schedule

    @classmethod
    def read(cls, node: Scalar) -> Schedule | None:
        """See `Notation.read`."""
        if not re.fullmatch(cls.pattern, node.raw.strip(), re.ASCII):
            return None
        *days, clock = re.sub(r",| and | at ", " ", node.raw).split()
        at = time.fromisoformat(clock)
        if days[0] == "month":
            return Schedule(at, None, LAST if days[2] == "last" else int(days[2]))
        return Schedule(at, None if days == ["day"] else weekdays_of(cast("list[Weekday]", days)))


def did_you_mean(word: str | None, otherwise: str) -> str:
    """A hint."""
    return f"did you mean `{word}`?" if word else otherwise
