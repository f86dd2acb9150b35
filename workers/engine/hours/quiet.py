"""Quiet hours: a stretch of the local day in which nobody is disturbed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from workers.engine.hours.clocks import DAY, transition
from workers.engine.hours.zones import LEAD

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

SOME_DAY: Final = datetime(2000, 1, 1)  # noqa: DTZ001  times are subtracted as the clock shows them


@dataclass(frozen=True, slots=True)
class Quiet:
    """From `start` until just before `end`, over midnight where `end` is the earlier of the two.

    Attributes:
        start: local time.
        end: local time; equal to `start` it means that no hour is quiet.
        zone: `lead`, `account` or the IANA name of a zone.
    """

    start: time
    end: time
    zone: str = LEAD

    def __str__(self) -> str:
        """As people say it."""
        return f"{self.start:%H:%M} to {self.end:%H:%M}"

    def covers(self, clock: time) -> bool:
        """True if the hours are quiet when clocks show this."""
        if self.start <= self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end

    def left(self, clock: time) -> timedelta:
        """How long the quiet hours last from a time within them, by the clock."""
        end, now = (datetime.combine(SOME_DAY, each) for each in (self.end, clock))
        return end - now if end > now else end - now + DAY


def after_quiet(at: datetime, quiet: Quiet, zone: ZoneInfo) -> datetime:
    """The earliest instant that is neither before `at` nor, by the clocks of the zone, within the quiet hours."""
    local = at.astimezone(zone)
    while quiet.covers(local.time()):
        end = at.astimezone(UTC) + quiet.left(local.time())
        if end.astimezone(zone).utcoffset() == local.utcoffset():
            return end
        at = transition(at.astimezone(UTC), end, zone)  # the clocks are set on the way: see what they show then
        local = at.astimezone(zone)
    return at
