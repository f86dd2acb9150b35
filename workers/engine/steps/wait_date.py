"""`wait_date`: wait for a date that a field of the lead tells, or for so long before or after it.

    - wait_date: {field: renewal, before: 30 days}
      else: [{send: welcome/hello}]
    - wait_date: {field: renewal, after: 7 days, at: "10:30", zone: account}

A day counts from 09:00 on, or from the time in `at`; a field of type datetime, without `at`, from its own instant on.
If the field changes meanwhile, so does the wait. Where it tells no date, or the time is past when the step is reached,
the run goes on at once, and the reason is recorded: with the steps below `else`, or without them with the next step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from workers.engine.campaigns.places import zone_for
from workers.engine.campaigns.timings import MORNING, day_in
from workers.engine.hours import occurrence
from workers.engine.steps import NOWHERE, Goto, Objection, Verdict, said
from workers.engine.values import micros

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import time

    from workers.engine.steps import Known, Visit

UNTIL: Final = "until"
NO_DATE: Final = "no-date"
PAST: Final = "past"


@dataclass(frozen=True, slots=True)
class Awaited:
    """The date that is waited for."""

    name: str = field(metadata=said("the field, of type date or datetime", names="date field", key="field"))
    before: timedelta | None = field(default=None, metadata=said("so long before that date"))
    after: timedelta | None = field(default=None, metadata=said("so long after it"))
    at: time | None = field(default=None, metadata=said("the local time from which that is counted; default: 09:00"))
    zone: str = field(
        default="lead",
        metadata=said(
            "whose clock it is: `lead` (the account's, if the lead's is not known), `account`, or a time zone",
            names="zone",
        ),
    )

    @property
    def offset(self) -> timedelta:
        """How long after the date; negative is before it."""
        return (self.after or timedelta()) - (self.before or timedelta())


@dataclass(frozen=True, slots=True)
class Step:
    """Settings: `wait_date` with `field`, and `before` or `after`, `at` and `zone`; `else`, a list of steps."""

    wait_date: Awaited = field(metadata=said("the date that is waited for"))
    id: str
    otherwise: Goto = field(
        default=NOWHERE,
        metadata=said("steps for when there is no date, or it is past", beside=True, key="else"),
    )

    @property
    def ways(self) -> tuple[Goto, ...]:
        """See `steps`."""
        return (NOWHERE, self.otherwise)

    def objections(self, known: Known) -> Iterator[Objection]:  # noqa: ARG002  every step has this shape
        """See `steps`."""
        if self.wait_date.before and self.wait_date.after:
            yield Objection("too-many-keys", "`before` and `after` together", "remove one", ("wait_date", "after"))

    def run(self, visit: Visit) -> Verdict:
        """Stay until the date, or go on because there is none, or it is past."""
        until, doubt = self._until(visit)
        detail = {"field": self.wait_date.name, **({"doubt": doubt} if doubt else {})}
        if until is None:
            return Verdict("branched", {"took": "else", "reason": NO_DATE, **detail}, goto=self.otherwise or None)
        detail["until"] = until.isoformat()
        if until > visit.now:
            return Verdict("waiting", detail, until=until, hold=UNTIL)
        if visit.overdue():
            return Verdict("branched", {"took": "then", **detail})
        return Verdict("branched", {"took": "else", "reason": PAST, **detail}, goto=self.otherwise or None)

    def ready(self, visit: Visit) -> bool:
        """True if the date is another by now."""
        until, _ = self._until(visit)
        return (None if until is None else micros(until)) != visit.run.due

    def _until(self, visit: Visit) -> tuple[datetime | None, str]:
        """The instant, None if the field tells none; and what was in doubt."""
        wanted = self.wait_date
        zone, doubt = zone_for(visit, wanted.zone)
        value = visit.state.fields.get(wanted.name)
        exact = instant_in(value) if wanted.at is None else None
        if exact is not None:
            return moved(lambda: exact + wanted.offset), doubt
        day = day_in(value, zone)
        if day is None:
            return None, doubt
        return moved(lambda: occurrence(day, wanted.offset, wanted.at or MORNING, zone)), doubt


def instant_in(value: Any) -> datetime | None:
    """The instant that a field tells; None if it tells a day, or nothing."""
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):  # not told, or no date
        return None
    return at if at.tzinfo else None


def moved(reckon: Callable[[], datetime]) -> datetime | None:
    """What is reckoned; None beyond the calendar: CRMs write 9999-12-31 for "never"."""
    try:
        return reckon()
    except (OverflowError, ValueError):
        return None
