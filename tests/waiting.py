"""Waiting for what other processes and threads do, for as long as it takes on a busy machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def eventually(true: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until it is true; fail if it does not become so in time."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
