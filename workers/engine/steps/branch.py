"""`branch`: take the first way whose condition holds.

    - branch:
        - when: score("fit") >= 60
          steps: [{send: trial/first-steps}]
        - else: [{send: welcome/hello}]

Where no condition holds and there is no `else`, the run goes on with the next step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workers.engine.scoring import NO_EVENT
from workers.engine.steps import NOWHERE, Goto, Verdict, said

if TYPE_CHECKING:
    from workers.engine.rules import Expression
    from workers.engine.steps import Visit


@dataclass(frozen=True, slots=True)
class Way:
    """One way: its condition and its steps; or the steps for everybody else."""

    when: Expression | None = field(default=None, metadata=said("the condition on the lead"))
    steps: Goto = field(default=NOWHERE, metadata=said("what is done if it holds"))
    otherwise: Goto = field(
        default=NOWHERE, metadata=said("what is done for everybody who has come so far", key="else")
    )


@dataclass(frozen=True, slots=True)
class Step:
    """Settings: `branch`, a list of ways in order."""

    branch: tuple[Way, ...] = field(metadata=said("the ways, in order"))
    id: str

    def run(self, visit: Visit) -> Verdict:
        """The first way whose condition holds."""
        for number, way in enumerate(self.branch, 1):
            if way.when is None:
                return Verdict("branched", {"took": "else"}, goto=way.otherwise or None)
            if way.when.value(NO_EVENT, visit.state.fields, visit.facts) is True:
                return Verdict("branched", {"took": number, "when": way.when.source}, goto=way.steps or None)
        return Verdict("branched", {"took": None})
