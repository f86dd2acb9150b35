"""Opens and clicks made by machines: recorded, not scored, and credited if a human sign follows soon enough.

Scanners and privacy proxies open mails and follow links before any person does. Such an event waits; when the person
does something themselves within the rulebook's `credit` time after it, it counts after all, at its own time. Which
ones count depends on the events' times alone, so an event that arrives late credits, or is credited, just the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from workers.engine.event_types import ENGAGEMENT, NO_SIGN
from workers.engine.values import Event, instant, micros
from workers.exceptions import NeedsHistory

if TYPE_CHECKING:
    from workers.engine.values import LeadState

MOST: Final = 20
"""Machine events, and human signs, remembered per lead; beyond them the lead is counted anew from the log."""


def is_machine(event: Event) -> bool:
    """True for an open or click that a scanner or a privacy proxy made."""
    return event.type in ENGAGEMENT and event.properties.get("machine") is True


def is_human(event: Event) -> bool:
    """True for something that the person did themselves."""
    return event.type not in NO_SIGN and not is_machine(event)


def hold(state: LeadState, event: Event, credit: int, *, whole: bool) -> bool:
    """Put a machine's event in quarantine; True if a human sign that credits it is known already.

    In the `whole` history every event that a later sign may still credit is kept; see `forget`.

    Raises:
        NeedsHistory: a sign may have been forgotten.
    """
    at = micros(event.at)
    if any(at <= sign <= at + credit for sign in state.humans):
        return True
    if len(state.humans) == MOST and at < state.humans[0]:
        raise NeedsHistory("a machine's event older than the remembered human signs")
    waiting: list[list[Any]] = [*state.machines, [at, event.id, event.type, dict(event.properties)]]
    waiting.sort(key=lambda each: each[:2])
    soon = [each for each in waiting[:-MOST] if whole and each[0] >= at - credit]
    state.machines = [*soon, *waiting[-MOST:]]
    return False


def forget(state: LeadState) -> None:
    """Keep the state bounded once the whole history is taken in."""
    state.machines = state.machines[-MOST:]


def release(state: LeadState, at: int, credit: int, *, whole: bool) -> list[Event]:
    """Note a human sign and let go the machine events that it credits.

    Raises:
        NeedsHistory: such an event may have been forgotten.
    """
    later = bool(state.humans) and at < state.humans[-1]
    state.humans = sorted([*state.humans, at])[-MOST:] if later else [*state.humans[1 - MOST :], at]
    if not state.machines:
        return []
    credited = [each for each in state.machines if at - credit <= each[0] <= at]
    if not whole and len(state.machines) == MOST and at - credit < state.machines[0][0]:
        raise NeedsHistory("a human sign for machine events that are no longer remembered")
    state.machines = [each for each in state.machines if each not in credited]
    return [
        Event(number, kind, instant(when), {**properties, "machine": False})
        for when, number, kind, properties in credited
    ]
