"""When campaigns begin by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from workers.engine.hours import LEAD, Schedule, next_date, zone_by

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

MORNING: Final = time(9)
"""When things are done that have a day and no time."""
UNTOLD: Final = ""
SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Dated:
    """At a date that a field of the lead tells.

    Attributes:
        field: of type date or datetime.
        offset: how long after that date; negative is before it.
        at: local time.
        yearly: on every anniversary, from the date itself on.
        zone: `lead`, `account` or the name of a zone.
        zone_fields: fields that may tell the lead's zone.
    """

    field: str
    offset: timedelta = timedelta()
    at: time = MORNING
    yearly: bool = False
    zone: str = "lead"
    zone_fields: tuple[str, ...] = ()

    def basis(self, fields: Mapping[str, Any]) -> str:
        """The date, what is to be done with it, and what may tell the zone, as text."""
        said = f"{self.offset // SECOND} {self.at:%H:%M} {self.yearly:d} {self.zone}\n"
        return said + basis(fields, (self.field, *(self.zone_fields if self.zone == LEAD else ())))

    def next(self, after: datetime, fields: Mapping[str, Any], account_zone: str) -> datetime | None:
        """The next time after an instant, or None if there is none."""
        zone, _ = zone_by(self.zone, fields, account_zone, self.zone_fields)
        day = day_in(fields.get(self.field), zone)
        return None if day is None else next_date(after, day, self.offset, self.at, zone, yearly=self.yearly)


@dataclass(frozen=True, slots=True)
class Scheduled:
    """Again and again.

    Attributes:
        schedule: when.
        zone: `lead`, `account` or the name of a zone.
        zone_fields: fields that may tell the lead's zone.
    """

    schedule: Schedule
    zone: str = "account"
    zone_fields: tuple[str, ...] = ()

    def basis(self, fields: Mapping[str, Any]) -> str:
        """The schedule itself, and what may tell the zone, as text."""
        return f"{self.schedule} {self.zone}\n{basis(fields, self.zone_fields if self.zone == LEAD else ())}"

    def next(self, after: datetime, fields: Mapping[str, Any], account_zone: str) -> datetime | None:
        """The next time after an instant."""
        zone, _ = zone_by(self.zone, fields, account_zone, self.zone_fields)
        return self.schedule.next(after, zone)


def basis(fields: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """The values of some fields, as one text."""
    return "\n".join(str(fields.get(name, UNTOLD)) for name in names)


def day_in(value: Any, zone: ZoneInfo) -> date | None:
    """The day that a field tells: a date as it stands, an instant as the clocks of the zone show it."""
    try:
        return date.fromisoformat(value) if len(value) == len("2026-01-31") else in_zone(value, zone)
    except (TypeError, ValueError):  # not told, or no date
        return None


def in_zone(value: str, zone: ZoneInfo) -> date:
    """The local day of an instant."""
    at = datetime.fromisoformat(value)
    return (at.astimezone(zone) if at.tzinfo else at).date()
