"""`wait_until`: wait for an event, or until something is true of the lead, but no longer than `at_most`.

    - wait_until: {event: email.clicked, at_most: 3 days}
      then: [{send: trial/first-steps}]
      else: [{send: welcome/hello}]
    - wait_until: {when: lead.seats is defined, at_most: 10 days}

`then` is done when it has happened, `else` when the time is over; both may be left out. A condition that time alone
makes true (`days_since("email.opened") >= 10`) is noticed at that very instant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from workers.engine.scoring import NO_EVENT
from workers.engine.steps import NOWHERE, Goto, Objection, Verdict, said

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from workers.engine.rules import Expression
    from workers.engine.steps import Known, Visit
    from workers.engine.values import Event

UNTIL: Final = "until"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is waited for: an event, perhaps only with a condition, or a condition on the lead."""

    at_most: timedelta = field(metadata=said("how long to wait for it"))
    event: str | None = field(default=None, metadata=said("the type of event that is waited for", names="event"))
    when: Expression | None = field(
        default=None, metadata=said("only if this is true; alone, what is waited for", scope="event")
    )


@dataclass(frozen=True, slots=True)
class Step:
    """Settings: `wait_until` with `event` or `when` or both, and `at_most`; `then` and `else`, lists of steps."""

    wait_until: Wanted = field(metadata=said("what is waited for"))
    id: str
    then: Goto = field(default=NOWHERE, metadata=said("steps for when it has happened", beside=True))
    otherwise: Goto = field(default=NOWHERE, metadata=said("steps for when the time is over", beside=True, key="else"))

    @property
    def waits(self) -> bool:
        """See `steps`: a condition may hold already, an event has to come."""
        return self.wait_until.event is not None

    @property
    def awaited(self) -> Expression | None:
        """See `steps`."""
        return self.wait_until.when if self.wait_until.event is None else None

    @property
    def ways(self) -> tuple[Goto, ...]:
        """See `steps`."""
        return (self.then, self.otherwise)

    def objections(self, known: Known) -> Iterator[Objection]:  # noqa: ARG002  every step has this shape
        """See `steps`."""
        if self.wait_until.event is None and self.wait_until.when is None:
            text = "nothing is waited for"
            yield Objection(
                "missing-key", text, "add `event` or `when`; to let time pass, write `wait`", ("wait_until",)
            )

    def run(self, visit: Visit) -> Verdict:
        """Stay here, or go on because the time is over or it is so already."""
        if visit.overdue():
            return Verdict("branched", {"took": "else", "reason": "time-out"}, goto=self.otherwise or None)
        if self.ready(visit):
            return self._happened()
        until = visit.now + self.wait_until.at_most
        return Verdict("waiting", {"until": until.isoformat(), "for": self._said()}, until=until, hold=UNTIL)

    def hear(self, visit: Visit, event: Event) -> Verdict | None:
        """Go on if this is the event."""
        wanted = self.wait_until
        if wanted.event != event.type:
            return None
        held = wanted.when is None or wanted.when.value(event.properties, visit.state.fields, visit.facts) is True
        return self._happened() if held else None

    def ready(self, visit: Visit) -> bool:
        """True if a condition on the lead is waited for, and holds."""
        wanted = self.wait_until
        if wanted.event is not None or wanted.when is None:
            return False
        return wanted.when.value(NO_EVENT, visit.state.fields, visit.facts) is True

    def _happened(self) -> Verdict:
        return Verdict("branched", {"took": "then", "for": self._said()}, goto=self.then or None)

    def _said(self) -> str:
        wanted = self.wait_until
        return wanted.event or (wanted.when.source if wanted.when else "")
