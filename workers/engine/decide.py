"""The engine: what is known of one lead, what happened to it, and the rules, turned into decisions. Pure."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from workers.engine import campaigns, intake, lifecycle, promotion
from workers.engine.call import Call
from workers.engine.recount import recount
from workers.engine.values import instant
from workers.exceptions import NeedsHistory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from workers.engine.rules import Rulebook
    from workers.engine.values import Decision, Event, LeadState


BY_TIME: Final = attrgetter("at", "id")


class Outcome(NamedTuple):
    """What came of it.

    Attributes:
        state: the lead's new state.
        decisions: in the order they were made.
        wake_at: when the lead has to be looked at again though nothing happens to it; None for never.
        touched: names of the enrolments that have changed.
    """

    state: LeadState
    decisions: tuple[Decision, ...]
    wake_at: datetime | None
    touched: frozenset[str] = frozenset()


def decide(
    state: LeadState,
    lead_id: int,
    events: Sequence[Event],
    rulebook: Rulebook,
    now: datetime,
    *,
    history: Sequence[Event] | None = None,
) -> Outcome:
    """Take a lead through its new events and whatever is due.

    Events may come in any order and any batches: they are taken by their own time, and scores do not depend on it.

    Args:
        state: the lead as it was; stays untouched.
        lead_id: becomes part of the keys of what is sent.
        events: new events of this lead, each given once; none for a wake-up.
        rulebook: the rules in force.
        now: aware; what is due by then runs.
        history: every event of the lead that was taken in so far, the new ones included; only after `NeedsHistory`.

    Raises:
        NeedsHistory: call again with `history`: the scoring rules have changed, or a late event means something that
            the state can't tell.
    """
    call = Call(state, lead_id, rulebook, now)
    ordered = events if len(events) < 2 else sorted(events, key=BY_TIME)  # noqa: PLR2004
    if history is not None:
        recount(call, history, {event.id for event in events})
    else:
        if state.events and state.scoring != rulebook.scoring:
            raise NeedsHistory("the scoring rules have changed")
        for event in ordered:
            intake.take_in(call, event)
    call.state.scoring = rulebook.scoring
    call.look_again()
    settle(call, ordered)
    return Outcome(call.state, tuple(call.decisions), wake_at(call), frozenset(call.touched))


def settle(call: Call, events: Sequence[Event]) -> None:
    """Draw the consequences: where the lead stands, whether it is handed over, and which steps are due."""
    lifecycle.rename_stage(call)
    lifecycle.settle_bands(call)
    lifecycle.settle_segments(call)
    promotion.follow_up(call, events)
    lifecycle.settle_stage(call, events)
    promotion.consider(call)
    campaigns.take_events(call, events)
    campaigns.go_on(call)


def wake_at(call: Call) -> datetime | None:
    """The earliest instant at which something happens to the lead without an event."""
    instants = wakings(call)
    return instant(min(instants)) if instants else None


def wakings(call: Call) -> list[int]:
    """Every such instant that may be the earliest: a step, a hand-off nobody accepts, a band that decays or is held."""
    state = call.state
    instants = campaigns.wakings(call) if state.enrolments or state.agenda else []
    if state.handoff:
        instants.append(state.handoff[1])
    for model in call.rulebook.banded:
        if model.name in state.bands or state.holding or state.cooling:
            instants += lifecycle.band_wakings(call, model, min(instants, default=None))
    return instants
