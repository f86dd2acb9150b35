"""`wait`: let some time pass before the next step.

    - wait: 2 days

Two days are 48 hours, also where the clocks change meanwhile. Business days are those of the account (`business`), by
the lead's own clock.

    - wait: 2 business days
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from workers.engine.campaigns.places import country_for, zone_for
from workers.engine.hours import add_business
from workers.engine.steps import BusinessDays, Verdict

if TYPE_CHECKING:
    from datetime import datetime

    from workers.engine.steps import Visit


@dataclass(frozen=True, slots=True)
class Step:
    """Settings: `wait`, a duration or business days, counted from the moment the step is reached."""

    waits: ClassVar[bool] = True

    wait: timedelta | BusinessDays
    id: str

    def run(self, visit: Visit) -> Verdict:
        """Stay until that has passed."""
        until, doubt = self._until(visit)
        return Verdict("waiting", {"until": until.isoformat(), **({"doubt": doubt} if doubt else {})}, until=until)

    def _until(self, visit: Visit) -> tuple[datetime, str]:
        if isinstance(self.wait, timedelta):
            return visit.now + self.wait, ""
        zone, doubt = zone_for(visit)
        country, strange = country_for(visit)
        calendar = visit.rulebook.account.business
        return add_business(visit.now, self.wait.days, zone, calendar, country), doubt or strange
