"""Counts over a lead's history, kept in its state: exact, bounded, and the same in every order of arrival.

Only what some expression of the rulebook asks for is counted. `count(…, within="7d")` looks at whole days of UTC, so
seven numbers answer it; hours and minutes serve shorter spans. `first(…, within="7d")` looks at the same days, and the
earliest instant of each of them answers it; of the latest event its instant tells whether it lies within a span.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from workers.engine.values import mark

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from workers.engine.rules import Ask
    from workers.engine.values import Event, LeadState

MOST_VALUES: Final = 500
"""Different values of one property that are told apart per lead."""
MINUTE: Final = 60_000_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time that ends now, in whole grains: `within="7d"` is today and the six days before it (UTC).

    Attributes:
        grain: microseconds of one grain: a day, an hour or a minute.
        grains: how many, the present one included.
    """

    grain: int
    grains: int


@dataclass(frozen=True, slots=True)
class Counted:
    """What has to be counted of one event type.

    Attributes:
        grains: for each grain (microseconds), how many of them the longest span needs.
        values: for each property whose different values are counted, how many days its longest span needs (0: ever).
        firsts: for each grain whose first event is asked for, how many of them the longest span needs.
    """

    grains: Mapping[int, int] = field(default_factory=dict)
    values: Mapping[str, int] = field(default_factory=dict)
    firsts: Mapping[int, int] = field(default_factory=dict)


def take_count(state: LeadState, event: Event, at: int, wanted: Counted) -> None:
    """Count one event, which happened at that microsecond."""
    total, first, last = state.counts.get(event.type, (0, at, at))
    state.counts[event.type] = [total + 1, min(first, at), max(last, at)]
    for grain, keep in wanted.grains.items():
        name = f"{event.type}|{grain}"
        state.grains[name] = counted_grains(state.grains.get(name, {}), at // grain, keep)
    for grain, keep in wanted.firsts.items():
        name = firsts_of(event.type, grain)
        state.grains[name] = first_instants(state.grains.get(name, {}), at, grain, keep)
    for prop in wanted.values:
        value = event.properties.get(prop)
        if value is not None:
            name = f"{event.type}|{prop}"
            state.values[name] = counted_values(state.values.get(name, {}), mark(value), at // DAY)


def counted_grains(grains: Mapping[str, int], index: int, keep: int) -> dict[str, int]:
    """The counts with one more in a grain, without the grains that no present or later span reaches."""
    present = str(index)
    if present in grains:
        return {**grains, present: grains[present] + 1}
    return latest({**grains, present: 1}, keep)


def first_instants(instants: dict[str, int], at: int, grain: int, keep: int) -> dict[str, int]:
    """For each grain the first instant in it, with one more event, without the grains that no span reaches."""
    present = str(at // grain)
    known = instants.get(present)
    if known is None:
        return latest({**instants, present: at}, keep)
    return instants if at >= known else {**instants, present: at}


def firsts_of(event: str, grain: int) -> str:
    """Under which name the first instants of a type of event are kept; no type has a `|` in it."""
    return f"{event}|{grain}|first"


def latest(grains: Mapping[str, int], keep: int) -> dict[str, int]:
    """The latest so many grains, in order."""
    numbers = sorted(map(int, grains))
    oldest = numbers[-1] - keep
    return {str(number): grains[str(number)] for number in numbers if number > oldest}


def counted_values(values: Mapping[str, int], value: str, day: int) -> dict[str, int]:
    """For each value the latest day it was seen, the latest MOST_VALUES of them."""
    seen = {**values, value: max(day, values.get(value, day))}
    if len(seen) > MOST_VALUES:
        del seen[min(seen, key=lambda each: (seen[each], each))]
    return seen


def count(state: LeadState, event: str, span: Span | None, now: int) -> int:
    """How many events of a type, ever or within a span."""
    if span is None:
        return int(state.counts.get(event, (0,))[0])
    oldest = now // span.grain - span.grains
    grains = state.grains.get(f"{event}|{span.grain}", {})
    return sum(number for grain, number in grains.items() if int(grain) > oldest)


def distinct(state: LeadState, event: str, prop: str, span: Span | None, now: int) -> int:
    """How many different values a property had, ever or within a span of days."""
    values = state.values.get(f"{event}|{prop}", {})
    if span is None:
        return len(values)
    oldest = (now - span.grain * span.grains) // DAY
    return sum(1 for day in values.values() if day > oldest)


def first(state: LeadState, event: str, span: Span | None, now: int) -> int | None:
    """When the first event of a type happened, ever or within a span; None if none did."""
    if span is None:
        seen = state.counts.get(event)
        return int(seen[1]) if seen else None
    grains = reached(state.grains.get(firsts_of(event, span.grain), {}), span, now)
    return grains[min(grains)] if grains else None


def last(state: LeadState, event: str, span: Span | None, now: int) -> int | None:
    """When the latest event of a type happened; None if none did, or if it does not lie within the span."""
    seen = state.counts.get(event)
    if seen is None or (span is not None and seen[2] // span.grain <= now // span.grain - span.grains):
        return None
    return int(seen[2])


def span_of(length: int) -> Span:
    """The span for a duration in microseconds: in days from two days up, in hours from two hours up, else in minutes.

    A duration that is no whole number of grains takes in the grain that it begins in.
    """
    grain = DAY if length >= 2 * DAY else HOUR if length >= 2 * HOUR else MINUTE
    return Span(grain, -(-length // grain))


def in_span(state: LeadState, event: str, detail: str, span: Span, now: int) -> dict[int, int]:
    """By grain, what counts within a span that ends now."""
    if detail:
        oldest = now // span.grain - span.grains
        return dict(Counter(day for day in state.values.get(f"{event}|{detail}", {}).values() if day > oldest))
    return reached(state.grains.get(f"{event}|{span.grain}", {}), span, now)


def reached(grains: Mapping[str, Any], span: Span, now: int) -> dict[int, Any]:
    """What is kept of the grains within a span that ends now."""
    oldest = now // span.grain - span.grains
    return {int(grain): kept for grain, kept in grains.items() if int(grain) > oldest}


def answering(state: LeadState, ask: Ask, span: Span, now: int) -> Collection[int]:
    """The grains that the answer to a question about a span is made of: it may change when one of them leaves it."""
    if ask.what == "first":
        return reached(state.grains.get(firsts_of(ask.name, span.grain), {}), span, now)
    if ask.what in {"last", "days_since"}:
        at = last(state, ask.name, span, now)
        return () if at is None else (at // span.grain,)
    return in_span(state, ask.name, ask.detail, span, now)
