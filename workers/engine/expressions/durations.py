"""Durations as people write them: `30 days`, `2 hours`, `90d`, `2h`, `1 week`, `45 minutes`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

LONGEST: Final = timedelta(days=3_660)
"""Ten years. Longer is a slip of the finger, and far longer has no date."""
UNITS: Final = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
UNIT: Final = r"(?:s|sec|seconds?|m|min|minutes?|h|hours?|d|days?|w|weeks?)"
DURATION: Final = rf"[0-9]{{1,6}}\s*{UNIT}"
"""A regular expression of everything that can be read."""
WRITTEN: Final = re.compile(rf"([0-9]{{1,6}})\s*({UNIT})", re.ASCII)


def parse_duration(text: str) -> timedelta | None:
    """The duration that `text` says, or None if it says none."""
    match = WRITTEN.fullmatch(text.strip())
    return int(match[1]) * UNITS[match[2][0]] if match else None


def say_duration(duration: timedelta) -> str:
    """A duration in the largest unit that divides it."""
    for unit, word in ((UNITS["w"], "week"), (UNITS["d"], "day"), (UNITS["h"], "hour"), (UNITS["m"], "minute")):
        count, rest = divmod(duration, unit)
        if count and not rest:
            return f"{count} {word}{'' if count == 1 else 's'}"
    return f"{duration.total_seconds():g} seconds"
