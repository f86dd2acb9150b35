"""`end`: the run is over, with an outcome to count by.

- end: nurtured
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.engine.steps import Verdict

if TYPE_CHECKING:
    from workers.engine.steps import Goto, Visit


@dataclass(frozen=True, slots=True)
class Step:
    """Settings: `end`, a word for how it ended."""

    end: str
    id: str

    @property
    def ways(self) -> tuple[Goto, ...]:
        """See `steps`: nothing comes behind it."""
        return ()

    def run(self, visit: Visit) -> Verdict:  # noqa: ARG002  every step has this shape
        """End the run here."""
        return Verdict("finished", {"outcome": self.end}, ends=True, outcome=self.end)
