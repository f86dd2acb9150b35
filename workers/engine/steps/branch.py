"""`branch`: take the first way whose condition holds.

    - branch:
        - when: score("fit") >= 60
          steps: [{send: trial/first-steps}]
        - else: [{send: welcome/hello}]

Where no condition holds and there is no `else`, the run goes on with the next step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.engine.scoring import NO_EVENT
from workers.engine.steps import NOWHERE, Goto, Verdict, setting

if TYPE_CHECKING:
    from workers.engine.rules import Expression
    from workers.engine.steps import Visit


@dataclass(frozen=True, slots=True)
class Way:
    """One way: its condition and its steps; or the steps for everybody else."""

    when: Expression | None = setting("the condition on the lead", None)
    steps: Goto = setting("what is done if it holds", NOWHERE)
    otherwise: Goto = setting("what is done for everybody who has come so far", NOWHERE, key="else")


@dataclass(frozen=True, slots=True)
class Step:
    """Settings: `branch`, a list of ways in order."""

    branch: tuple[Way, ...] = setting("the ways, in order")
    id: str

    def run(self, visit: Visit) -> Verdict:
        """The first way whose condition holds."""
        for number, way in enumerate(self.branch, 1):
            if way.when is None:
                return Verdict("branched", {"took": "else"}, goto=way.otherwise or None)
            if way.when.value(NO_EVENT, visit.state.fields, visit.facts) is True:
                return Verdict("branched", {"took": number, "when": way.when.source}, goto=way.steps or None)
        return Verdict("branched", {"took": None})
