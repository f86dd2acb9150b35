"""`wait`: let some time pass before the next step.

- wait: 2 days
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.engine.steps import Verdict

if TYPE_CHECKING:
    from datetime import timedelta

    from workers.engine.steps import Visit


@dataclass(frozen=True, slots=True)
class Step:
    """Settings: `wait`, a duration, counted from the moment the step is reached."""

    wait: timedelta
    id: str

    def run(self, visit: Visit) -> Verdict:
        """Stay until the duration has passed."""
        until = visit.now + self.wait
        return Verdict("waiting", {"until": until.isoformat()}, until=until)
