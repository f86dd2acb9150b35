"""Which of several alike events count, decided by the events' own times and never by their order of arrival.

A limit counts the earliest events of each key in each window. When an earlier one arrives late, the latest that
counted gives its points back (sums are exact, so nothing of it remains) and the earlier one takes its place.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from workers.engine.values import instant
from workers.exceptions import NeedsHistory

if TYPE_CHECKING:
    from workers.engine.rules import EventRule, Limit
    from workers.engine.values import LeadState

MOST_WINDOWS: Final = 100
"""Windows remembered per rule and lead. An event for one long past makes the lead be counted anew from the log."""
MOST_KEYS: Final = 500
"""Keys remembered for a limit without a window; of more keys, the earliest this many count."""
HOUR: Final = 3_600_000_000
DAY: Final = 24 * HOUR

Entry = list[Any]
"""[microseconds, event id, units]"""


def window_index(window: str | int | None, at: int) -> int:
    """The number of the window that an instant lies in. Windows are fixed: calendar units of UTC, or equal blocks."""
    if window is None:
        return 0
    if isinstance(window, int):
        return at // window
    if window == "hour":
        return at // HOUR
    if window == "day":
        return at // DAY
    if window == "week":  # 1970 began on a Thursday; weeks begin on Monday
        return (at // DAY + 3) // 7
    day: datetime = instant(at).astimezone(UTC)
    return day.year * 12 + day.month


def admit(state: LeadState, rule: EventRule, key: object, entry: Entry) -> list[tuple[int, Entry]]:
    """What changes in the rule's sum because of a new entry: (+1, entry) to add, (-1, entry) to take out again.

    Raises:
        NeedsHistory: which entries count can't be told from the state; the lead must be counted anew from the log.
    """
    changes = [(1, entry)]
    if rule.every > 1:
        changes = every_nth(state, rule, entry)
    if rule.limit is not None and changes:
        return earliest(state, rule, rule.limit, key, entry)
    return changes


def every_nth(state: LeadState, rule: EventRule, entry: Entry) -> list[tuple[int, Entry]]:
    """Every Nth event counts, by time."""
    seen, at, number = state.nth.get(rule.id, [0, 0, 0])
    if seen and (entry[0], entry[1]) < (at, number):
        raise NeedsHistory("a late event shifts which of its kind are counted")
    state.nth[rule.id] = [seen + 1, entry[0], entry[1]]
    return [(1, entry)] if (seen + 1) % rule.every == 0 else []


def earliest(state: LeadState, rule: EventRule, limit: Limit, key: object, entry: Entry) -> list[tuple[int, Entry]]:
    """The earliest `limit.most` entries of the slot count."""
    slots = dict(state.limits.get(rule.id, {}))
    number = window_index(limit.window, entry[0])
    slot = f"{number}|{key}"
    if limit.window is not None and slot not in slots and number < state.windows.get(rule.id, number):
        raise NeedsHistory("an event for a window that is no longer remembered")
    kept = sorted([*slots.get(slot, []), entry], key=lambda each: each[:2])
    out = kept[limit.most :]
    slots[slot] = kept[: limit.most]
    changes = [] if entry in out else [(1, entry), *((-1, each) for each in out)]
    changes += forget(state, rule, limit, slots)
    state.limits = {**state.limits, rule.id: slots}
    return changes


def forget(state: LeadState, rule: EventRule, limit: Limit, slots: dict[str, list[Entry]]) -> list[tuple[int, Entry]]:
    """Keep the state bounded: drop the oldest windows; without windows, the keys that came last, points and all."""
    if limit.window is not None:
        numbers = sorted({int(slot.partition("|")[0]) for slot in slots})
        if len(numbers) > MOST_WINDOWS:
            oldest = numbers[-MOST_WINDOWS]
            for slot in [slot for slot in slots if int(slot.partition("|")[0]) < oldest]:
                del slots[slot]
            state.windows = {**state.windows, rule.id: oldest}
        return []
    if len(slots) <= MOST_KEYS:
        return []
    last = max(slots, key=lambda slot: slots[slot][0][:2])
    return [(-1, entry) for entry in slots.pop(last)]
