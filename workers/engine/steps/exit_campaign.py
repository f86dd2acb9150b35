"""`exit_campaign`: end the lead's runs of a campaign, also while they wait.

- exit_campaign: trial
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workers.engine.steps import LeaveCampaign, Verdict, said

if TYPE_CHECKING:
    from workers.engine.steps import Visit


@dataclass(frozen=True, slots=True)
class Step:
    """Settings: `exit_campaign`, the campaign's name."""

    exit_campaign: str = field(metadata=said("the campaign", names="campaign"))
    id: str

    def run(self, visit: Visit) -> Verdict:  # noqa: ARG002  every step has this shape
        """End its runs."""
        detail = {"does": "exit_campaign", "campaign": self.exit_campaign}
        return Verdict("acted", detail, action=LeaveCampaign(self.exit_campaign))
