"""Campaigns that begin by themselves: at a date that a field tells, or on a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.engine.campaigns.entry import enter
from workers.engine.campaigns.runs import holds
from workers.engine.values import micros

if TYPE_CHECKING:
    from workers.engine.call import Call
    from workers.engine.rules import Trigger


def keep_agenda(call: Call) -> None:
    """Start what is due by the lead's dates and by schedules, and note when each comes next.

    Somebody who could not be looked at in time enters late, and once.
    """
    if not (call.told or call.replanned or is_anything_due(call)):
        return
    timed = call.rulebook.timed
    agenda = {}
    for identifier, campaign, trigger in timed:
        due, basis = planned(call, identifier, trigger)
        if due and due <= call.moment:
            if holds(call, trigger):
                enter(call, campaign, None)
            due = next_time(call, trigger)
        agenda[identifier] = [due, basis]
    call.state.agenda = agenda


def is_anything_due(call: Call) -> bool:
    """True if a campaign begins now, or the agenda is not one of these rules."""
    agenda = call.state.agenda
    return len(agenda) != len(call.rulebook.timed) or any(0 < due <= call.moment for due, _ in agenda.values())


def planned(call: Call, identifier: str, trigger: Trigger) -> tuple[int, str]:
    """When the campaign begins for this lead, and what that depends on; 0 for never."""
    assert trigger.timing is not None
    basis = trigger.timing.basis(call.state.fields)
    known = call.state.agenda.get(identifier)
    if known is not None and known[1] == basis:
        return known[0], basis
    return next_time(call, trigger), basis


def next_time(call: Call, trigger: Trigger) -> int:
    """The next time after now, in microseconds; 0 for never."""
    assert trigger.timing is not None
    at = trigger.timing.next(call.now, call.state.fields, call.rulebook.account.zone)
    return micros(at) if at is not None else 0
