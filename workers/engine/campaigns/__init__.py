"""Campaigns: who enters, who leaves, and which step comes next. A wait is a due time in the state, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.engine.campaigns.agenda import keep_agenda
from workers.engine.campaigns.entry import enter_on_event, enter_on_standing, look_around
from workers.engine.campaigns.exits import heed, leave_all, leave_on_standing
from workers.engine.campaigns.runs import watched
from workers.engine.campaigns.walk import go_on, hear
from workers.engine.quarantine import is_machine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.engine.call import Call
    from workers.engine.values import Event

__all__ = ["go_on", "take_events", "wakings", "watched"]


def take_events(call: Call, events: Sequence[Event]) -> None:
    """Let what has happened end runs, move those that wait for it, and start new ones."""
    if call.state.suppressed:
        leave_all(call, call.state.suppressed)
    entered = call.rulebook.enter_by_event
    for event in events if entered or call.state.enrolments else ():
        if (call.state.enrolments or event.type in entered) and not is_machine(event):
            heed(call, event)
            hear(call, event)
            enter_on_event(call, event)
    if call.state.enrolments:
        leave_on_standing(call)
    barred = look_around(call)
    if call.reached or call.joined or call.banded:
        enter_on_standing(call, barred)
    if call.rulebook.timed or call.state.agenda:
        keep_agenda(call)


def wakings(call: Call) -> list[int]:
    """When a step falls due, or a campaign begins by itself; microseconds."""
    state = call.state
    instants = [run.due for run in state.enrolments.values() if run.due is not None] if state.enrolments else []
    if state.agenda:
        instants += [entry[0] for entry in state.agenda.values() if entry[0]]
    return instants
