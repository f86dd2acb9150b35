"""The code of the clock and of the workers, taking turns in this process on a clock that is moved by hand.

Nothing is left out but the processes around it, Redis, and the threads: the sweep finds what is due, the announcer
makes messages of it, each is worked off as the actor does it, and what that announces comes after.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dramatiq

from tests.benchmarks.stack import used_by
from workers.app import App
from workers.clock import SteppedClock
from workers.config import Settings
from workers.hints import PROCESS, MemoryHints, slice_name

if TYPE_CHECKING:
    from datetime import datetime

    from tests.benchmarks.stack import Stack


class Messages(dramatiq.Broker):
    """Keeps messages until somebody takes them."""

    def __init__(self) -> None:
        super().__init__(middleware=[])  # type: ignore[no-untyped-call]  # dramatiq is typed in parts
        self.waiting: deque[dramatiq.Message[Any]] = deque()

    def enqueue(self, message: dramatiq.Message[Any], *, delay: int | None = None) -> dramatiq.Message[Any]:  # noqa: ARG002
        """Keep one."""
        self.waiting.append(message)
        return message


@dataclass(frozen=True)
class Cost:
    """What something took, in seconds: of processor time here and in PostgreSQL with all its processes, and in all."""

    python: float
    postgres: float
    wall: float

    @property
    def cpu(self) -> float:
        """Of both processors' time."""
        return self.python + self.postgres


class Turns:
    """A clock and a worker by turns.

    Args:
        stack: whose database they work on.
        start: where the clock stands.
    """

    def __init__(self, stack: Stack, start: datetime) -> None:
        settings = Settings(database_url=stack.postgres.url(), secret="made up for benchmarks" * 2, email="mailbox",
                            data_dir=stack.folder / "data")  # fmt: skip
        self.clock = SteppedClock(start)
        self._stack = stack
        self._messages = Messages()
        self._app = App(settings, self._messages, MemoryHints(), clock=self.clock)
        self._sweeper = self._app.sweeper()

    def work(self) -> None:
        """Find what is due and work it off, until the clock finds nothing any more."""
        while (due := self._sweeper.sweep(self.clock())).slices:
            self._app.announcer.slices(due.slices)
            while self._messages.waiting:
                self._take(self._messages.waiting.popleft())

    def _take(self, message: dramatiq.Message[Any]) -> None:
        if message.actor_name == PROCESS:  # mails stay in the outbox
            (slices,) = message.args
            self._app.announcer.hints.taken(*map(slice_name, slices))
            self._app.process(slices)

    def look(self) -> None:
        """One round of the clock alone."""
        self._sweeper.sweep(self.clock())

    def measured(self, what: Any, times: int = 1) -> Cost:
        """What a function takes, done so often."""
        assert self._stack.postgres.process is not None
        pid = self._stack.postgres.process.pid
        server, own, began = used_by(pid).cpu, time.process_time(), time.perf_counter()
        for _ in range(times):
            what()
        wall, own = time.perf_counter() - began, time.process_time() - own
        return Cost(own / times, (used_by(pid).cpu - server) / times, wall / times)

    def close(self) -> None:
        """Give back the connections."""
        self._app.close()
