"""The limits of a rule in words."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.engine.rules import EventRule, Limit

DAY = timedelta(days=1)


def in_words(rule: EventRule) -> str:
    """Which of several alike events count, as one would write it in a rule file."""
    told = [f"limit {limit(rule.limit)}"] if rule.limit is not None else []
    if rule.every > 1:
        told.insert(0, f"every {rule.every}")
    return ", ".join(told) or "no limit"


def limit(given: Limit) -> str:
    """`once per event.form`, `3 per day`."""
    most = "once" if given.most == 1 else str(given.most)
    key = f" per {given.key.source}" if given.key is not None else ""
    return f"{most}{key}{window(given.window)}"


def window(given: str | int | None) -> str:
    """` per day`, ` per 14 days`; empty for ever."""
    if given is None:
        return ""
    if isinstance(given, str):
        return f" per {given}"
    length = timedelta(microseconds=given)
    days, rest = divmod(length, DAY)
    return f" per {days} days" if not rest else f" per {length}"
