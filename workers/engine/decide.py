"""The engine: what is known of one lead, what happened to it, and the rules, turned into decisions. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.engine import campaigns, intake, lifecycle, promotion
from workers.engine.call import Call
from workers.engine.values import instant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from workers.engine.rules import Rulebook
    from workers.engine.values import Decision, Event, LeadState


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        state: the lead's new state.
        decisions: in the order they were made.
        wake_at: when the lead has to be looked at again though nothing happens to it; None for never.
    """

    state: LeadState
    decisions: tuple[Decision, ...]
    wake_at: datetime | None


def decide(state: LeadState, lead_id: int, events: Sequence[Event], rulebook: Rulebook, now: datetime) -> Outcome:
    """Take a lead through its new events and whatever is due.

    Events may come in any order and any batches: they are taken by their own time, and scores do not depend on it.

    Args:
        state: the lead as it was; stays untouched.
        lead_id: becomes part of the keys of what is sent.
        events: new events of this lead, each given once; none for a wake-up.
        rulebook: the rules in force.
        now: aware; what is due by then runs.
    """
    call = Call(state, lead_id, rulebook, now)
    ordered = sorted(events, key=lambda event: (event.at, event.id))
    for event in ordered:
        intake.take_in(call, event)
    call.look_again()
    lifecycle.settle_bands(call)
    lifecycle.settle_stage(call, ordered)
    promotion.consider(call)
    campaigns.take_events(call, ordered)
    campaigns.go_on(call)
    return Outcome(call.state, tuple(call.decisions), wake_at(call))


def wake_at(call: Call) -> datetime | None:
    """The earliest instant at which something happens to the lead without an event."""
    earliest = min(wakings(call), default=None)
    return None if earliest is None else instant(earliest)


def wakings(call: Call) -> Iterator[int]:
    """Every such instant: steps that fall due, bands that decay ends."""
    for enrolment in call.state.enrolments.values():
        if enrolment.due is not None:
            yield enrolment.due
    for name in call.state.bands:
        model = call.rulebook.models.get(name)
        ends = call.standing.band_ends(model) if model else None
        if ends is not None:
            yield ends
