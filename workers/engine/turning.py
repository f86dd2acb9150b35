"""When something that is watched changes by time alone: a score passes a number, an event grows old, a count falls.

Every such instant is computed, and the lead sleeps until the first of them; nobody is looked at again and again. The
same numbers say whether an event means anything: while every score stays between them, all conditions on it stay as
they are.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any, Final

from workers.engine.counters import in_span
from workers.engine.foresight import left, turned
from workers.engine.lifecycle import band_limits
from workers.engine.outlook import ANYWHERE
from workers.engine.rules.conditions import Ask
from workers.engine.scoring import NO_EVENT
from workers.engine.watch import Running

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from workers.engine.call import Call
    from workers.engine.counters import Span
    from workers.engine.outlook import Between
    from workers.engine.watch import Lasting, Moving, Watch

NEVER: Final = 1 << 62
"""An instant that does not come."""
BY_THE_CLOCK: Final = frozenset({Ask("now")})
"""What something asks that turns for all leads at one instant."""
OF_COUNTS: Final = {"count": 0, "first": 1, "last": 2, "days_since": 2}
"""Where the state's counters keep the answer to a question about all events of a type."""


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

    __slots__ = ("_known", "_stale")

    def __init__(self) -> None:
        self._known: dict[Lasting, tuple[int, object]] = {}
        self._stale: set[Lasting] = set()

    def first(self, call: Call, watches: Iterable[Watch], before: int) -> int:
        """The first instant after now, up to `before`, at which time turns a condition that is about something else."""
        if call.told:
            self._stale.update(self._known)
        elif call.counted:
            self._stale.update([each for each in self._known if not each.events.isdisjoint(call.counted)])
        found = before
        for watch in watches:
            if watch.ages:
                found = min([found, *aging(call, watch)])
            for lasting in watch.lasting:
                if (at := self._turn(call, lasting)) < found:
                    found = at
            for moving in watch.movings:
                found = turned(call, moving, found) or found
        return found

    def _turn(self, call: Call, lasting: Lasting) -> int:
        """When something turns of which it is known for how long that holds."""
        at, basis = self._known.get(lasting, (0, None))
        if at <= call.moment or lasting in self._stale:
            present = answers(call, lasting.what)
            if at <= call.moment or present is None or present != basis:
                at = turns(call, lasting.what)
            self._known[lasting] = at, present
            self._stale.discard(lasting)
        return at


def answers(call: Call, what: Moving | Running) -> tuple[Any, ...] | None:
    """What is known now of all that something asks about; while it stays the same, so does when it turns.

    None for what would take as long to compare as to work out.
    """
    if isinstance(what, Running):
        return None
    fields, counts, known = call.state.fields, call.state.counts, []
    for ask in what.asks:  # of one and the same set, always in one order
        if ask.span is not None or ask.what == "distinct":
            return None
        if ask.what == "field":
            known.append(fields.get(ask.name))
        elif ask.what in OF_COUNTS and (seen := counts.get(ask.name)) is not None:
            known.append(seen[OF_COUNTS[ask.what]])
        else:
            known.append(None)
    return tuple(known)


def turns(call: Call, what: Moving | Running) -> int:
    """When something of its own turns."""
    if isinstance(what, Running):
        return running_out(call, what) or NEVER
    if what.asks != BY_THE_CLOCK:
        return turned(call, what, NEVER) or NEVER
    holds = what.holds(NO_EVENT, call.state.fields, call.standing) is True
    known = call.rulebook.clockwork.setdefault((what, holds), {})
    at = next((at for at, since in list(known.items()) if since <= call.moment < at), None)  # threads share it
    if at is None:
        at = turned(call, what, NEVER) or NEVER
        known[at] = call.moment
    return at


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
