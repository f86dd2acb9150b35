"""When something that is watched changes by time alone: a score passes a number, an event grows old, a count falls.

Every such instant is computed, and the lead sleeps until the first of them; nobody is looked at again and again. The
same numbers say whether an event means anything: while every score stays between them, all conditions on it stay as
they are.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from workers.engine.counters import in_span
from workers.engine.foresight import left, turned
from workers.engine.lifecycle import band_limits
from workers.engine.outlook import ANYWHERE
from workers.engine.watch import Running

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from workers.engine.call import Call
    from workers.engine.counters import Span
    from workers.engine.outlook import Between
    from workers.engine.watch import Lasting, Moving, Watch

NEVER: Final = 1 << 62
"""An instant that does not come."""


def limits(call: Call, watches: Iterable[Watch]) -> dict[str, Between]:
    """For each score that is watched, the numbers next to it that matter: those it is compared with, ends of bands."""
    found: dict[str, Between] = {}
    for watch in watches:
        for name, levels in watch.levels.items():
            if (model := call.rulebook.models.get(name)) is None:  # a campaign of older rules asks for it: it stays 0
                continue
            score = call.standing.score(name)
            low, high = band_limits(call, model, score) if model.bands else ANYWHERE
            if levels:
                index = bisect_right(levels, score)
                low = max(low, levels[index - 1]) if index else low
                high = min(high, levels[index]) if index < len(levels) else high
            if name in found:
                low, high = max(low, found[name][0]), min(high, found[name][1])
            found[name] = low, high
    return found


def is_within(call: Call, limits: Mapping[str, Between]) -> bool:
    """True if every score still stands between the numbers that it stood between before."""
    score_of = call.standing.score
    return all(low <= score_of(name) < high for name, (low, high) in limits.items())


def leaving(call: Call, limits: Mapping[str, Between], before: int) -> int:
    """The first instant after now, up to `before`, at which time takes a score out of its limits."""
    found, changing = before, call.rulebook.changing
    for name, between in limits.items():
        if name in changing:
            model = call.rulebook.models[name]
            fluid = name in call.rulebook.fluid
            found = (
                left(call, model, between, found) if fluid else call.standing.passes(model, between, found)
            ) or found
    return found


class Turnings:
    """When each thing but a score that is watched of a lead turns: worked out anew when what it asks about changes."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[Lasting, int] = {}

    def first(self, call: Call, watches: Iterable[Watch], before: int) -> int:
        """The first instant after now, up to `before`, at which time turns a condition that is about something else."""
        self._forget(call)
        found, known = before, self._known
        for watch in watches:
            if watch.ages:
                found = min([found, *aging(call, watch)])
            for lasting in watch.lasting:
                at = known.get(lasting, 0)
                if at <= call.moment:
                    at = known[lasting] = turns(call, lasting.what)
                found = min(found, at)
            for moving in watch.movings:
                found = turned(call, moving, found) or found
        return found

    def _forget(self, call: Call) -> None:
        """Forget what may have changed since the last time."""
        if call.told:
            self._known.clear()
        elif call.counted and self._known:
            self._known = {each: at for each, at in self._known.items() if each.events.isdisjoint(call.counted)}


def turns(call: Call, what: Moving | Running) -> int:
    """When something of its own turns."""
    at = running_out(call, what) if isinstance(what, Running) else turned(call, what, NEVER)
    return NEVER if at is None else at


def aging(call: Call, watch: Watch) -> Iterator[int]:
    """When the latest event of a type reaches the next of the ages that matter."""
    for event, ages in watch.ages.items():
        seen = call.state.counts.get(event)
        if seen is not None and (index := bisect_right(ages, call.moment - seen[2])) < len(ages):
            yield seen[2] + ages[index]


def running_out(call: Call, count: Running) -> int | None:
    """When a count within a span falls below the next of the numbers that matter."""
    held = in_span(call.state, count.event, count.detail, count.span, call.moment)
    index = bisect_right(count.leasts, sum(held.values())) - 1
    return falls_below(held, count.span, count.leasts[index]) if index >= 0 else None


def falls_below(held: Mapping[int, int], span: Span, least: int) -> int | None:
    """When fewer than `least` are left within a span; None if none is asked for."""
    left = 0
    for grain in sorted(held, reverse=True):
        left += held[grain]
        if left >= least:
            return (grain + span.grains) * span.grain if least > 0 else None
    return None
