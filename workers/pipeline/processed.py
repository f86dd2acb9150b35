"""What a run over a slice adds up to."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

SETS: Final = ("channels", "more", "overdue")
"""Fields that are sets; the others are numbers."""


@dataclass(frozen=True, slots=True)
class Processed:
    """What became of a run over a slice.

    Attributes:
        events: taken into their lead's state.
        leads: whose state was decided on, new ones included.
        created: leads that did not exist before.
        woken: leads whose wake-up was due.
        recounted: leads whose scores were counted anew from their event log.
        decisions: added to the log.
        outbox: effects put into the outbox.
        recorded: events of our own added to the log, to be taken in like all others.
        promoted: opportunities among them.
        suppressed: addresses that may not be mailed any more.
        proved: effects of unknown outcome that an event proved.
        notices: events about messages to colleagues; they prove what they prove, and belong to no lead.
        conflicts: events that named an identity of another lead.
        failed: events and wake-ups that will be tried again.
        held: events that wait for their lead, whose wake-up fails.
        quarantined: events that were given up, with their reason in the quarantine.
        forgotten: events about people who were erased, and who have not consented anew; erased as they came.
        channels: where the outbox has something new.
        more: slices with work left that could go on at once.
        overdue: slices with wake-ups left that could; new events come before them.
    """

    events: int = 0
    leads: int = 0
    created: int = 0
    woken: int = 0
    recounted: int = 0
    decisions: int = 0
    outbox: int = 0
    recorded: int = 0
    promoted: int = 0
    suppressed: int = 0
    proved: int = 0
    notices: int = 0
    conflicts: int = 0
    failed: int = 0
    held: int = 0
    quarantined: int = 0
    forgotten: int = 0
    channels: frozenset[str] = frozenset()
    more: frozenset[int] = frozenset()
    overdue: frozenset[int] = frozenset()

    def __add__(self, other: Processed) -> Processed:
        """Both together."""
        sets = {name: getattr(self, name) | getattr(other, name) for name in SETS}
        sums = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self) if f.name not in SETS}
        return Processed(**sums, **sets)
