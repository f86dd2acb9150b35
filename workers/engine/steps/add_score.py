"""`add_score`: give points of a score to the lead, or take some away.

    - add_score: {model: engagement, points: 15}
    - add_score: {model: engagement, points: lead.seats / 10}

It becomes an event `score.adjusted` in the lead's history, and the score counts it like all others: with its decay, and
within its range. The run waits until that has been done, so the steps behind see it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from workers.engine.campaigns.own import came_back, gave_up, recorded
from workers.engine.rules import Expression
from workers.engine.scoring import NO_EVENT
from workers.engine.steps import Objection, Verdict, said
from workers.engine.values import ADJUSTED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.engine.steps import Known, Visit
    from workers.engine.values import Event

MOST_POINTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Step:
    """Settings: `add_score` with `model` and `points`."""

    model: str = field(metadata=said("the score; one that is made of rules, not a formula", names="sum"))
    points: float | Expression = field(
        metadata=said("how many: a number, or an expression on the lead that gives one", want="number")
    )
    id: str

    def objections(self, known: Known) -> Iterator[Objection]:  # noqa: ARG002  every step has this shape
        """See `steps`."""
        if isinstance(self.points, Expression) or 0 < abs(self.points) <= MOST_POINTS:
            return
        hint = f"write a number from -{MOST_POINTS:,} to {MOST_POINTS:,}, and not 0"
        yield Objection("out-of-range", f"`points` is {self.points:g}", hint, ("add_score", "points"))

    @property
    def leads_to(self) -> tuple[str, str]:
        """See `steps`."""
        return ("event", ADJUSTED)

    def run(self, visit: Visit) -> Verdict:
        """Give the points, or say why not."""
        if visit.overdue():
            return gave_up(ADJUSTED)
        points = self._worth(visit)
        if not points:
            return Verdict("skipped", {"model": self.model, "reason": "no-points"})
        return recorded(visit, self.id, ADJUSTED, {"model": self.model, "points": points})

    def hear(self, visit: Visit, event: Event) -> Verdict | None:
        """Go on once they have been counted."""
        return came_back(visit, self.id, ADJUSTED, event)

    def _worth(self, visit: Visit) -> float:
        """The points for this lead; 0 where the expression has no value."""
        if not isinstance(self.points, Expression):
            return self.points
        value = self.points.value(NO_EVENT, visit.state.fields, visit.facts)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return 0
        return float(min(MOST_POINTS, max(-MOST_POINTS, value)))
