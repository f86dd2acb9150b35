"""`stage`: put the lead into a stage of the lifecycle.

    - stage: lead
      reason: asked for a call

It counts at once: campaigns that begin or end at that stage do. The lead moves on from there by the conditions of the
stages as from any other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workers.engine.steps import SetStage, Verdict, said

if TYPE_CHECKING:
    from workers.engine.steps import Visit


@dataclass(frozen=True, slots=True)
class Step:
    """Settings: `stage`, and the `reason`."""

    stage: str = field(metadata=said("the stage", names="stage"))
    id: str
    reason: str = field(default="", metadata=said("why, in the lead's history; default: the stage's own", beside=True))

    @property
    def leads_to(self) -> tuple[str, str]:
        """See `steps`."""
        return ("stage", self.stage)

    def run(self, visit: Visit) -> Verdict:
        """Change the stage, unless the lead is there."""
        if visit.state.stage == self.stage:
            return Verdict("skipped", {"reason": "so-already", "stage": self.stage})
        return Verdict("acted", {"does": "stage", "stage": self.stage}, action=SetStage(self.stage, self.reason))
