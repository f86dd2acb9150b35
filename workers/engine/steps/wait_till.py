"""`wait_till`: wait for a time of day, perhaps on certain days of the week.

    - wait_till: "09:00"
      days: [tue, thu]
      zone: account

It is the next time that the clock shows this, later than the moment when the step is reached. It is the lead's own
clock, unless `zone` says whose.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from workers.engine.campaigns.places import zone_for
from workers.engine.hours import next_local, weekdays_of
from workers.engine.steps import Verdict, said

if TYPE_CHECKING:
    from datetime import time

    from workers.engine.hours import Weekday
    from workers.engine.steps import Visit


@dataclass(frozen=True, slots=True)
class Step:
    """Settings: `wait_till`, a local time; `days` of the week, and whose clock it is, `zone`."""

    waits: ClassVar[bool] = True

    wait_till: time = field(metadata=said("the local time"))
    id: str
    days: tuple[Weekday, ...] = field(
        default=(), metadata=said("only on these days of the week, like [tue, thu]; default: on any", beside=True)
    )
    zone: str = field(
        default="lead",
        metadata=said(
            "whose clock it is: `lead` (the account's, if the lead's is not known), `account`, or a time zone",
            beside=True,
            names="zone",
        ),
    )

    def run(self, visit: Visit) -> Verdict:
        """Stay until the clock shows it."""
        zone, doubt = zone_for(visit, self.zone)
        until = next_local(visit.now, self.wait_till, zone, weekdays_of(self.days) if self.days else None)
        return Verdict("waiting", {"until": until.isoformat(), **({"doubt": doubt} if doubt else {})}, until=until)
