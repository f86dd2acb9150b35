"""What an event does to a lead's state by itself: fields it tells, points it earns, mail it rules out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workers.engine.scoring import entry
from workers.engine.values import Suppress, micros

if TYPE_CHECKING:
    from workers.engine.call import Call
    from workers.engine.values import Event

RECENT: Final = 5
ENGAGEMENT: Final = frozenset({"email.opened", "email.clicked"})


def is_machine(event: Event) -> bool:
    """True for an open or click that a scanner or a privacy proxy made: recorded, never scored, starts nothing."""
    return event.type in ENGAGEMENT and event.properties.get("machine") is True


def take_in(call: Call, event: Event) -> None:
    """Let one event change the state: fields, scores, suppression."""
    at = micros(event.at)
    state = call.state
    state.events += 1
    state.last = max(state.last, at)
    if event.lead:
        tell_fields(call, event, at)
    if is_machine(event):
        call.say("skipped", "machine", {"reason": "machine", "type": event.type}, event=event.id)
        return
    score(call, event, at)
    if reason := suppression(event):
        suppress(call, event, reason)


def tell_fields(call: Call, event: Event, at: int) -> None:
    """Take over what the event tells about the person; of two events the later one is right, whichever came first."""
    state = call.state
    told = [at, event.id]
    for name, value in event.lead.items():
        if value is not None and told >= state.told.get(name, told):
            state.fields[name] = value
            state.told[name] = told


def score(call: Call, event: Event, at: int) -> None:
    """Add the points of every rule that the event fulfils, and record them as one decision."""
    entries: list[tuple[str, str, int]] = []
    state = call.state
    for rule in call.rulebook.by_event.get(event.type, ()):
        if rule.when is None or rule.when.value(event.properties, state.fields, call.standing) is True:
            worth = entry(rule.points, at, call.rulebook.models[rule.model].half_life)
            state.scores[rule.model] = state.scores.get(rule.model, 0) + worth
            entries.append((rule.id, rule.model, rule.points))
    if entries:
        remember(call, event, at, entries)
        call.say("scored", entries[0][0], {"type": event.type, "entries": entries}, event=event.id)


def remember(call: Call, event: Event, at: int, entries: list[tuple[str, str, int]]) -> None:
    """Keep the latest few scoring events at hand, for the note that goes with a promotion."""
    points = sum(points for _, _, points in entries)
    recent = [*call.state.recent, [at, event.id, event.type, points]]
    call.state.recent = sorted(recent)[-RECENT:]


def suppression(event: Event) -> str:
    """Why this event means that no more mail may go to the person; empty if it does not."""
    if event.type == "email.unsubscribed":
        return "unsubscribed"
    if event.type == "email.complained":
        return "complained"
    if event.type == "email.bounced" and event.properties.get("kind") == "hard":
        return "bounced"
    return ""


def suppress(call: Call, event: Event, reason: str) -> None:
    """Rule out further mail; the first reason stays."""
    if not call.state.suppressed:
        call.state.suppressed = reason
        call.say("suppressed", "email", {"reason": reason}, event=event.id, effect=Suppress(reason))
