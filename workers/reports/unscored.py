"""Events that gave no points although rules look at their type, with what stood against each rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.engine.rules import Expression
from workers.engine.values import ADJUSTED, instant, micros
from workers.simulate.words import because, spelled, valued

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from workers.engine.rules import EventRule
    from workers.engine.values import Event
    from workers.reports.whynot import Inquiry


@dataclass(frozen=True, slots=True)
class Unscored:
    """An event that gave nothing.

    Attributes:
        event, type, at: of the event.
        why: for each rule that looks at such events, what stood against it.
    """

    event: int
    type: str
    at: datetime
    why: tuple[tuple[str, str], ...]


def unscored(past: Iterable[Event], inquiry: Inquiry) -> Iterator[Unscored]:
    """The events that no rule gave points for, whatever its limit said, the latest first."""
    for event in sorted(past, key=lambda event: (event.at, event.id), reverse=True):
        rules = inquiry.rulebook.by_event.get(event.type, ())
        why = [(rule.id, against(rule, event, inquiry)) for rule in rules]
        if why and event.type != ADJUSTED and all(reason for _, reason in why):
            yield Unscored(event.id, event.type, event.at, tuple(why))


def against(rule: EventRule, event: Event, inquiry: Inquiry) -> str:
    """What of an event stands against a rule, one sentence; empty if nothing does, whatever its limit says."""
    at = micros(event.at)
    if rule.since is not None and at < rule.since:
        return f"counts events from {spelled(instant(rule.since))} on"
    if rule.until is not None and at >= rule.until:
        return f"counts events before {spelled(instant(rule.until))}"
    if rule.when is not None and not (asked := inquiry.of_event(rule.id, rule.when, event)).holds:
        return because(asked.reasons)
    if isinstance(rule.points, Expression) and (seen := inquiry.unvalued(rule.points, event)) is not None:
        told = ", ".join(f"{name} is {valued(name, value)}" for name, value in seen)
        return f"`{rule.points}` has no value" + (f" ({told})" if told else "")
    return ""
