"""What we depend on goes and comes back: told when that begins, once a minute while it lasts, and when it ends."""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.log import Log

QUIET: Final = 60.0
"""Seconds between two log lines about the same outage."""


class Outage:
    """Turns the many failures and successes of one thing into a few log lines. Threads share it.

    Args:
        log: where they go.
        away, back: the lines' constant names.
        monotonic: seconds that only grow.
    """

    def __init__(self, log: Log, away: str, back: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._names = away, back
        self._monotonic = monotonic
        self._lock = Lock()
        self._began: float | None = None
        self._told = 0.0
        self._failures = 0

    @property
    def lasts(self) -> bool:
        """True from a failure to the next success."""
        return self._began is not None

    def failed(self, error: object, **fields: object) -> None:
        """It did not answer, or said that it could not: `error` is what was said."""
        with self._lock:
            now = self._monotonic()
            if self._began is None:
                self._began, self._failures = now, 0
                self._told = now - QUIET
            self._failures += 1
            if now - self._told < QUIET:
                return
            self._told, failures, lasted = now, self._failures, now - self._began
        self._log.warning(self._names[0], error=str(error), failures=failures, for_s=round(lasted), **fields)

    def answered(self) -> None:
        """It works. Costs nothing where it did before."""
        if self._began is None:
            return
        with self._lock:
            began, self._began = self._began, None
            failures, now = self._failures, self._monotonic()
        if began is not None:
            self._log.info(self._names[1], failures=failures, for_s=round(now - began, 1))
