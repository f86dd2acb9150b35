"""`split`: send people different ways by chance, always the same person the same way; perhaps to find the better one.

    - split:
        arms:
          short: {weight: 50, steps: [{send: welcome/hello}]}
          long: {weight: 50, steps: [{send: trial/first-steps}]}
        measure: {event: email.clicked, when: '"/pricing" in event.url', within: 7 days}
        decide: {confidence: 95%, at_least: 200, at_most: 5000}

With `measure`, each arm is counted by how many of its people do what is measured. With `decide`, everybody takes the
better arm as soon as the difference is certain enough, however often one looks at it; if no difference shows among
`at_most` people, the test ends with that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from workers.engine.campaigns.runs import share
from workers.engine.rules import Expression, Trigger
from workers.engine.steps import NOWHERE, Goto, Objection, Percent, Verdict, said
from workers.engine.values import MICROSECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from workers.engine.steps import Known, Visit


SURE: Final = Percent(0.95)


@dataclass(frozen=True, slots=True)
class Arm:
    """One way: how many go it, in proportion to the others, and its steps."""

    weight: float = field(default=1, metadata=said("how many go this way, in proportion to the other arms"))
    steps: Goto = field(default=NOWHERE, metadata=said("what is done for them"))


@dataclass(frozen=True, slots=True)
class Measure:
    """What counts as success: an event within some time after the split."""

    event: str = field(metadata=said("the type of event that is success", names="event"))
    when: Expression | None = field(default=None, metadata=said("only if this is true", scope="event"))
    within: timedelta = field(default=timedelta(days=7), metadata=said("how long after the split it counts"))


@dataclass(frozen=True, slots=True)
class Stop:
    """When the test is over: as soon as it is so certain, among at least so many people, and at most so many."""

    confidence: Percent = field(default=SURE, metadata=said("how certain the difference has to be"))
    at_least: int = field(default=100, metadata=said("people to look at before anything is decided"))
    at_most: int = field(default=10_000, metadata=said("people after whom the test ends without a difference"))


@dataclass(frozen=True, slots=True)
class Split:
    """The arms by name, and the test, if it is one."""

    arms: Mapping[str, Arm] = field(metadata=said("the ways, by name"))
    measure: Measure | None = field(default=None, metadata=said("what is compared; without it nothing is"))
    decide: Stop | None = field(
        default=None, metadata=said("when everybody takes the better way; without it nobody does")
    )


@dataclass(frozen=True, slots=True)
class Step:
    """Settings: `split` with `arms`, and for a test `measure` and `decide`."""

    split: Split = field(metadata=said("the arms, and the test, if it is one"))
    id: str

    @property
    def ways(self) -> tuple[Goto, ...]:
        """See `steps`."""
        return tuple(arm.steps for arm in self.split.arms.values())

    def objections(self, known: Known) -> Iterator[Objection]:  # noqa: ARG002  every step has this shape
        """See `steps`."""
        arms, decide = self.split.arms, self.split.decide
        if len(arms) < 2:  # noqa: PLR2004  (two are the fewest)
            text = f"a split has two arms or more, this has {len(arms)}"
            yield Objection("one-arm", text, "add another, or write the steps without it", ("split", "arms"))
        for name, arm in arms.items():
            if arm.weight < 0:
                place = ("split", "arms", name, "weight")
                yield Objection("out-of-range", f"the weight of `{name}` is {arm.weight:g}", "0 is the least", place)
        if arms and all(arm.weight == 0 for arm in arms.values()):
            yield Objection("no-weight", "nobody goes any of these ways", "give an arm a weight", ("split", "arms"))
        if decide and self.split.measure is None:
            text = "nothing is measured that could decide"
            yield Objection("missing-key", text, "add `measure: {event: …}`", ("split", "decide"))
        if decide and decide.at_least > decide.at_most:
            text = f"the test ends after {decide.at_most:,} people, and is looked at from {decide.at_least:,} on"
            yield Objection("never-decided", text, "raise `at_most`", ("split", "decide", "at_most"))

    @property
    def measure(self) -> Trigger | None:
        """What is counted for each arm."""
        measure = self.split.measure
        return Trigger(measure.event, measure.when) if measure else None

    @property
    def measured_within(self) -> int:
        """For how long after the split, in microseconds."""
        return self.split.measure.within // MICROSECOND if self.split.measure else 0

    def run(self, visit: Visit) -> Verdict:
        """The arm of this lead: the same in every run, unless the test has found the better one meanwhile."""
        name = f"{visit.campaign.name}.{self.id}"
        winner = visit.rulebook.controls.winners.get(name, "")
        arm = winner if winner in self.split.arms else self.drawn(visit.campaign.name, visit.lead_id)
        detail = {"arm": arm, **({"decided": True} if winner else {})}
        return Verdict("split", detail, goto=self.split.arms[arm].steps or None, arm="" if winner else arm)

    def drawn(self, campaign: str, lead_id: int) -> str:
        """The arm that chance has for a lead: the one in whose part of the whole its number from 0 to 1 lies."""
        rest = share("split", f"{campaign}.{self.id}", lead_id) * sum(arm.weight for arm in self.split.arms.values())
        for name, arm in self.split.arms.items():
            rest -= arm.weight
            if rest < 0:
                return name
        return name
