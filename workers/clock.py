"""Where `now` comes from: read at the processes' entry points only, handed on as an argument below them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock

Clock = Callable[[], datetime]
"""Returns the current instant, aware, UTC."""


def system_clock() -> datetime:
    """The machine's own time."""
    return datetime.now(UTC)


class SteppedClock:
    """A clock that stands still until it is told to move; it never goes back.

    Args:
        start: where it stands first, aware.
    """

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._lock = Lock()

    def __call__(self) -> datetime:
        """The instant where it stands."""
        return self._now

    def move_to(self, instant: datetime) -> None:
        """Move forward to `instant`; an earlier one leaves it where it is."""
        with self._lock:
            self._now = max(self._now, instant)
