"""Telling the workers that slices have new work, off the path of the requests.

The first word after a quiet moment goes out at once. Under load there is a pause after each: a worker's batch costs a
few milliseconds however small it is, so many small batches would take the processor away from the door.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import TYPE_CHECKING, Final

from workers.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

log = get_logger(__name__)

PAUSE: Final = 0.5
"""Seconds between two announcements under load."""


class Announcer:
    """Gathers slices while it may not speak, and announces them in one go in a thread of its own.

    Args:
        offer: hands slices to the workers' queue; may block, and may fail: the sweep finds the work anyway.
        pause: seconds between two announcements.
    """

    def __init__(self, offer: Callable[[Collection[int]], None], *, pause: float = PAUSE) -> None:
        self._offer = offer
        self._pause = pause
        self._closing = Event()
        self._slices: set[int] = set()
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="announce")

    def announce(self, slices: Collection[int]) -> None:
        """Take note of `slices` and return at once; safe from any thread."""
        with self._lock:
            idle = not self._slices
            self._slices.update(slices)
            if idle and self._slices:
                self._thread.submit(self._run)

    def close(self) -> None:
        """Announce what was noted, then stop."""
        self._closing.set()
        self._thread.shutdown()

    def _run(self) -> None:
        with self._lock:
            slices, self._slices = self._slices, set()
        try:
            self._offer(slices)
        except Exception:  # a lost hint is harmless, and a thread that dies silently is not
            log.exception("announcement_failed", slices=len(slices))
        self._closing.wait(self._pause)
