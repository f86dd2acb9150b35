"""`promote`: hand the lead to sales, whatever its stage.

    - promote:

What promotion asks for has to be there all the same: its condition, the evidence, an address. What is missing is
recorded, and the run goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from workers.engine.steps import Objection, PromoteLead, Verdict

OPPORTUNITY: Final = "opportunity"

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.engine.steps import Known, Visit


@dataclass(frozen=True, slots=True)
class Step:
    """No settings."""

    id: str

    @property
    def leads_to(self) -> tuple[str, str]:
        """See `steps`."""
        return ("stage", OPPORTUNITY)

    def objections(self, known: Known) -> Iterator[Objection]:
        """See `steps`."""
        if not known.promotes:
            yield Objection("missing-file", "nothing says how leads are promoted", "write rules/promotion.yaml")

    def run(self, visit: Visit) -> Verdict:  # noqa: ARG002  every step has this shape
        """Look whether it can be promoted."""
        return Verdict("acted", {"does": "promote"}, action=PromoteLead())
