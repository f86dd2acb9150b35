"""Which of several alike events count, decided by the events' own times and never by their order of arrival.

A limit counts the earliest events of each key in each window. When an earlier one arrives late, the latest that
counted gives its points back (sums are exact, so nothing of it remains) and the earlier one takes its place.

What is remembered of a lead is bounded. Of the keys in one window the MOST_KEYS that came first are told apart, and
events of further ones do not count; which ones these are depends on the log alone. Windows long past are forgotten,
and an event that belongs into one makes the lead be counted anew from the log.
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
"""Windows remembered per rule and lead."""
MOST_KEYS: Final = 500
"""Keys that are told apart in one window, or ever where a limit has none."""
MOST_SLOTS: Final = 2 * MOST_KEYS
"""Keys remembered in all windows of a rule together; the older windows of a lead with more are forgotten."""
TOO_MANY_KEYS: Final = "too-many-keys"
"""Reason of an event that does not count because its key is not among those that are told apart."""
HOUR: Final = 3_600_000_000
DAY: Final = 24 * HOUR

Entry = list[Any]
"""[microseconds, event id, units]"""
Changes = list[tuple[int, Entry]]
"""What changes in a sum: (+1, entry) to add, (-1, entry) to take out again."""
Windows = dict[str, dict[str, list[Entry]]]
"""By number of the window and key, the entries that count."""


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


def admit(state: LeadState, rule: EventRule, key: str, entry: Entry) -> Changes | None:
    """What changes in the rule's sum because of a new entry; None if its key is one too many to be told apart.

    Raises:
        NeedsHistory: which entries count can't be told from the state; the lead must be counted anew from the log.
    """
    changes = [(1, entry)]
    if rule.every > 1:
        changes = every_nth(state, rule, entry)
    if rule.limit is not None and changes:
        return earliest(state, rule, rule.limit, key, entry)
    return changes


def every_nth(state: LeadState, rule: EventRule, entry: Entry) -> Changes:
    """Every Nth event counts, by time."""
    seen, at, number = state.nth.get(rule.id, [0, 0, 0])
    if seen and (entry[0], entry[1]) < (at, number):
        raise NeedsHistory("a late event shifts which of its kind are counted")
    state.nth[rule.id] = [seen + 1, entry[0], entry[1]]
    return [(1, entry)] if (seen + 1) % rule.every == 0 else []


def earliest(state: LeadState, rule: EventRule, limit: Limit, key: str, entry: Entry) -> Changes | None:
    """The earliest `limit.most` entries of the key in its window count."""
    windows = state.limits.get(rule.id, {})
    number = window_index(limit.window, entry[0])
    window = windows.get(str(number))
    if window is None:
        if number < state.windows.get(rule.id, number):
            raise NeedsHistory("an event for a window that is no longer remembered")
        window = {}
    if key not in window and len(window) >= MOST_KEYS:
        check_late(window, entry)
        return None
    kept = sorted([*window.get(key, ()), entry], key=when)
    out = kept[limit.most :]
    changed = {**windows, str(number): {**window, key: kept[: limit.most]}}
    state.limits = {**state.limits, rule.id: bounded(state, rule, changed)}
    return [] if entry in out else [(1, entry), *((-1, each) for each in out)]


def check_late(window: dict[str, list[Entry]], entry: Entry) -> None:
    """See that one more key than can be told apart came after all of them.

    Raises:
        NeedsHistory: it did not, and takes the place of another.
    """
    if when(entry) < max(when(entries[0]) for entries in window.values()):
        raise NeedsHistory("a late event shifts which keys are told apart")


def bounded(state: LeadState, rule: EventRule, windows: Windows) -> Windows:
    """The windows without the oldest ones, if there are too many, or too many keys in them."""
    slots = sum(map(len, windows.values()))
    if len(windows) <= MOST_WINDOWS and slots <= MOST_SLOTS:
        return windows
    numbers = sorted(map(int, windows))
    first = 0
    while len(numbers) - first > MOST_WINDOWS or slots > MOST_SLOTS:
        slots -= len(windows[str(numbers[first])])
        first += 1
    state.windows = {**state.windows, rule.id: numbers[first]}
    return {str(number): windows[str(number)] for number in numbers[first:]}


def when(entry: Entry) -> tuple[int, int]:
    """What entries are ordered by: their instants, and for equal ones the events' numbers."""
    return entry[0], entry[1]
