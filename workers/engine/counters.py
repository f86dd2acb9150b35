"""Counts over a lead's history, kept in its state: exact, bounded, and the same in every order of arrival.

Only what some expression of the rulebook asks for is counted. `count(…, within="7d")` looks at whole days of UTC, so
seven numbers answer it; hours and minutes serve shorter spans.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from workers.engine.values import mark

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    """

    grains: Mapping[int, int] = field(default_factory=dict)
    values: Mapping[str, int] = field(default_factory=dict)


def take_count(state: LeadState, event: Event, at: int, wanted: Counted) -> None:
    """Count one event, which happened at that microsecond."""
    total, first, last = state.counts.get(event.type, (0, at, at))
    state.counts[event.type] = [total + 1, min(first, at), max(last, at)]
    for grain, keep in wanted.grains.items():
        name = f"{event.type}|{grain}"
        state.grains[name] = counted_grains(state.grains.get(name, {}), at // grain, keep)
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
    counts = {int(number): count for number, count in grains.items()}
    counts[index] = counts.get(index, 0) + 1
    oldest = max(counts) - keep
    return {str(number): counts[number] for number in sorted(counts) if number > oldest}


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


def span_of(length: int) -> Span:
    """The span for a duration in microseconds: in days from two days up, in hours from two hours up, else in minutes.

    A duration that is no whole number of grains takes in the grain that it begins in.
    """
    grain = DAY if length >= 2 * DAY else HOUR if length >= 2 * HOUR else MINUTE
    return Span(grain, -(-length // grain))


def in_span(state: LeadState, event: str, detail: str, span: Span, now: int) -> dict[int, int]:
    """By grain, what counts within a span that ends now."""
    oldest = now // span.grain - span.grains
    if detail:
        return dict(Counter(day for day in state.values.get(f"{event}|{detail}", {}).values() if day > oldest))
    grains: Mapping[str, int] = state.grains.get(f"{event}|{span.grain}", {})
    return {int(grain): number for grain, number in grains.items() if int(grain) > oldest}
