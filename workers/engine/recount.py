"""Counting a lead anew from its event log: after a change of the scoring rules, or when the state can't tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.engine.intake import take_in
from workers.engine.quarantine import forget

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from workers.engine.call import Call
    from workers.engine.values import Event


def recount(call: Call, history: Sequence[Event], new: Collection[int]) -> None:
    """Forget all scores and counters, and take in the whole history in the order in which it happened.

    Only what the new events mean is recorded as decisions; the rest was, when they were new. Events that were taken in
    once and are in the history no more (an old month of the log was dropped) count no longer, and how many of them
    there are is recorded, too; what they told of the person stays.

    Args:
        call: the call whose state is counted anew.
        history: every event of the lead that the log holds, the new ones included.
        new: ids of the new ones.
    """
    reason = "rules" if call.state.scoring != call.rulebook.scoring else "late-event"
    known = {event.id for event in history}
    gone = call.state.events - len(known.difference(new))
    clear(call, known)
    call.whole = True
    for event in sorted(history, key=lambda event: (event.at, event.id)):
        call.quiet = event.id not in new
        take_in(call, event)
    call.quiet, call.whole = False, False
    forget(call.state)
    call.look_again()
    detail = {"reason": reason, "events": len(history), "scores": call.scores()}
    call.say("recounted", "scoring", {**detail, "gone": gone} if gone > 0 else detail)


def clear(call: Call, known: Collection[int]) -> None:
    """Everything that is counted from events back to nothing. Fields that no event with a known id told stay."""
    state, before = call.state, call.state.told
    state.scores, state.limits, state.windows, state.nth = {}, {}, {}, {}
    state.counts, state.grains, state.values = {}, {}, {}
    state.machines, state.humans, state.recent, state.bounces = [], [], [], []
    state.told = {name: told for name, told in state.told.items() if told[1] not in known}
    state.fields = {name: value for name, value in state.fields.items() if name in state.told or name not in before}
    state.events = 0
    call.look_again(fields=True)
