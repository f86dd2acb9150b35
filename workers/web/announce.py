"""Telling the workers that slices have new work, off the path of the requests.

The first word after a quiet moment goes out at once. Under load there is a pause after each: a worker's batch costs a
few milliseconds however small it is, so many small batches would take the processor away from the door. And each names
a part of the slices only, those that have waited longest, so that workers have an even load instead of everything at
once and then nothing: measured, a tenth more events a second where workers and door share processors.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from threading import Event, Lock
from typing import TYPE_CHECKING, Final

from workers.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

log = get_logger(__name__)

PAUSE: Final = 0.125
"""Seconds between two announcements under load."""
PART: Final = 8
"""Slices that one announcement names under load: as many as workers take together (`workers.hints.TOGETHER`)."""


class Announcer:
    """Gathers slices while it may not speak, and announces them in a thread of its own.

    Args:
        offer: hands slices to the workers' queue; may block, and may fail: the sweep finds the work anyway.
        pause: seconds between two announcements.
        part: slices in one announcement, as long as new ones keep coming in. Without, all go out.
    """

    def __init__(self, offer: Callable[[Collection[int]], None], *, pause: float = PAUSE, part: int = PART) -> None:
        self._offer = offer
        self._pause = pause
        self._part = part
        self._closing = Event()
        self._slices: dict[int, None] = {}
        self._speaking = self._loaded = False
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="announce")

    def announce(self, slices: Collection[int]) -> None:
        """Take note of `slices` and return at once; safe from any thread."""
        with self._lock:
            self._slices.update(dict.fromkeys(slices))
            self._loaded = self._speaking
            if self._slices and not self._speaking:
                self._speaking = True
                self._thread.submit(self._run)

    def close(self) -> None:
        """Announce what was noted, then stop."""
        self._closing.set()
        self._thread.shutdown()

    def _run(self) -> None:
        while slices := self._next():
            try:
                self._offer(slices)
            except Exception:  # a lost hint is harmless, and a thread that dies silently is not
                log.exception("announcement_failed", slices=len(slices))
            self._closing.wait(self._pause)

    def _next(self) -> list[int]:
        """What to announce now: a part if more has come in since the last time; nothing ends the thread's work."""
        with self._lock:
            most = self._part if self._loaded and not self._closing.is_set() else None
            chosen = [*islice(self._slices, most)]
            for slice_ in chosen:
                del self._slices[slice_]
            self._speaking, self._loaded = bool(chosen), False
            return chosen
