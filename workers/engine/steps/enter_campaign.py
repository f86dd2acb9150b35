"""`enter_campaign`: start a run of another campaign.

    - enter_campaign: trial

Its own rules hold: who has been in it before, who is held out, who may not be mailed. This run goes on beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workers.engine.steps import EnterCampaign, Verdict, said

if TYPE_CHECKING:
    from workers.engine.steps import Visit


@dataclass(frozen=True, slots=True)
class Step:
    """Settings: `enter_campaign`, the campaign's name."""

    enter_campaign: str = field(metadata=said("the campaign", names="campaign"))
    id: str

    @property
    def leads_to(self) -> tuple[str, str]:
        """See `steps`."""
        return ("campaign", self.enter_campaign)

    def run(self, visit: Visit) -> Verdict:  # noqa: ARG002  every step has this shape
        """Start it."""
        detail = {"does": "enter_campaign", "campaign": self.enter_campaign}
        return Verdict("acted", detail, action=EnterCampaign(self.enter_campaign))
