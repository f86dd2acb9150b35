"""When something turns that has no closed form: looked for from one instant at which values jump to the next.

Between two jumps scores fade, ages grow and days go by: values come closer to each other or move apart.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from workers.engine.counters import DAY, answering
from workers.engine.outlook import MILLISECOND, closes, first_closed
from workers.engine.scoring import NO_EVENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from workers.engine.call import Call
    from workers.engine.decay import Course
    from workers.engine.outlook import Between
    from workers.engine.rules import Ask, ScoreModel
    from workers.engine.watch import Moving

FAR: Final = 3_660 * DAY
"""How far ahead it is looked for."""
GLIDING: Final = frozenset({"score", "now", "days_since"})
"""What has another answer at every instant. All other answers stay the same between two jumps."""
TOUCHING: Final = 1e-9
"""Stands for no distance at all, so that a comparison can be on either side of it."""


def turned(call: Call, moving: Moving, before: int) -> int | None:
    """When a condition turns, sooner than `before`; None if it does not."""
    fields = call.state.fields
    now = moving.holds(NO_EVENT, fields, call.standing) is True

    def gap(at: int) -> float:
        later = call.standing.at(at)
        apart = moving.apart(NO_EVENT, fields, later) if moving.apart else None
        distance = 1.0 if apart is None else abs(apart) or TOUCHING
        return distance if (moving.holds(NO_EVENT, fields, later) is True) == now else -distance

    return closed(call, gap, moving.asks, before)


def left(call: Call, model: ScoreModel, between: Between, before: int) -> int | None:
    """When a score that is worked out anew for every instant passes one of two numbers, sooner than `before`."""
    low, high = between

    def gap(at: int) -> float:
        score = call.standing.at(at).score(model.name)
        return min(score - low, high - score)

    return closed(call, gap, model.asks, before)


def closed(call: Call, gap: Course, asks: Iterable[Ask], before: int) -> int | None:
    """The first instant at which a gap is closed that is made of what is asked.

    Between two jumps it is taken to narrow or to widen, and not both; behind the last one see `first_closed`.
    """
    end = min(call.moment + FAR, before - 1)
    asked = set(asks)
    kinds = {ask.what for ask in asked}
    fading = "score" in kinds
    within = MILLISECOND if fading else 1
    ends = sorted({at for ask in asked for at in jumps(call, ask) if call.moment < at <= end})
    if kinds.isdisjoint(GLIDING):
        return next((jump for jump in ends if gap(jump) <= 0), None)
    for start, jump in pairwise([call.moment, *ends]):
        if (found := closes(gap, start, jump - 1, within)) is not None:
            return found
        if gap(jump) <= 0:
            return jump
    start = ends[-1] if ends else call.moment
    return first_closed(gap, start, end) if fading else closes(gap, start, end, within)


def jumps(call: Call, ask: Ask) -> Iterator[int]:
    """When the answer to a question changes from one instant to the next."""
    if ask.span is not None:
        for grain in answering(call.state, ask, ask.span, call.moment):
            yield (grain + ask.span.grains) * ask.span.grain
    elif ask.what == "score" and (model := call.rulebook.models.get(ask.name)) is not None:
        for part in model.fading:
            if total := call.state.scores.get(part.name):
                yield from part.decay.jumps(total, call.moment)
        for other in model.asks:
            yield from jumps(call, other)
