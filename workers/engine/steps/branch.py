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
from workers.engine.steps import NOWHERE, Goto, Objection, Verdict, said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.engine.rules import Expression
    from workers.engine.steps import Known, Visit


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

    @property
    def ways(self) -> tuple[Goto, ...]:
        """See `steps`."""
        last = () if any(way.when is None for way in self.branch) else (NOWHERE,)
        return (*(way.otherwise if way.when is None else way.steps for way in self.branch), *last)

    def objections(self, known: Known) -> Iterator[Objection]:  # noqa: ARG002  every step has this shape
        """See `steps`."""
        if not self.branch:
            yield Objection("empty-branch", "the branch has no ways", "write one: `- when: …`", ("branch",))
        for number, way in enumerate(self.branch):
            yield from self._about(way, number)

    def _about(self, way: Way, number: int) -> Iterator[Objection]:
        """What makes no sense about one way."""
        place = ("branch", number)
        if way.when is not None and way.otherwise:
            yield Objection("too-many-keys", "`when` and `else` in one way", "begin each with a dash", (*place, "else"))
        elif way.when is None and way.steps:
            yield Objection("missing-key", "the way says no condition", "add `when`, or call it `else`", place)
        elif not (way.steps or way.otherwise):
            yield Objection("empty-branch", "nothing is done on this way", "write its steps, or remove it", place)
        if way.otherwise and number + 1 < len(self.branch):
            text = "`else` takes everybody, and there are ways behind it"
            yield Objection("unreachable", text, "write it last", (*place, "else"))

    def run(self, visit: Visit) -> Verdict:
        """The first way whose condition holds."""
        for number, way in enumerate(self.branch, 1):
            if way.when is None:
                return Verdict("branched", {"took": "else"}, goto=way.otherwise or None)
            if way.when.value(NO_EVENT, visit.state.fields, visit.facts) is True:
                return Verdict("branched", {"took": number, "when": way.when.source}, goto=way.steps or None)
        return Verdict("branched", {"took": None})
