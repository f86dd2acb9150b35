"""How much to take on at once: about as much as goes out within a second.

Whatever is marked as being sent when a process is killed has to be cleared up, by evidence or by a person. So a slow
provider has a few rows marked at a time, and only a fast one as many as the settings allow.
"""

from __future__ import annotations

from threading import Lock
from typing import Final

FIRST: Final = 4
"""Rows of the first chunk, as long as nobody knows how fast the other side is."""
SECONDS: Final = 1.0
"""For which a chunk is meant to last."""
SHORTEST: Final = 1e-3


class Chunks:
    """The size of the next chunk, by provider or channel; threads share it.

    Args:
        most: rows that a chunk may have.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._sizes: dict[str, int] = {}
        self._lock = Lock()

    def next(self, name: str) -> int:
        """How many rows to take on."""
        return self._sizes.get(name, min(FIRST, self._most))

    def took(self, name: str, rows: int, seconds: float) -> None:
        """Take note of how long a chunk took: the next one is smaller at once, or larger by up to twice.

        Of a chunk that was not full nobody knows whether more would have gone as well.
        """
        if not rows:
            return
        within = int(rows * SECONDS / max(seconds, SHORTEST))
        with self._lock:
            now = self.next(name)
            grown = min(within, now * 2, self._most) if rows >= now else min(within, now)
            self._sizes[name] = max(1, grown)
