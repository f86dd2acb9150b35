"""New events at a steady rate over HTTP, and how long each waits between its 202 and the commit of what came of it."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from tests.benchmarks import deliveries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.stack import Stack

SENDERS: Final = 4
LOOK: Final = 0.01
"""Seconds between two looks at what is processed: a latency is up to this much shorter than it is told."""
PATIENCE: Final = 60.0
"""Seconds that the last events may take."""
OVERLAP: Final = 1000
"""Numbers of events that are looked at once more: they become visible in another order than they were given."""

_LOGGED: Final = text("SELECT id, event_id FROM events WHERE id > :after AND source = 'site'")
_WAITING: Final = text("SELECT event_id FROM inbox WHERE event_id = ANY(:ids)")


class NotAccepted(Exception):
    """A delivery was not answered with 202."""


class Feed:
    """Sends single events about random people until it is told to stop.

    Attributes:
        answered: when each event was answered, by its id at the source.
        processed: when it was seen to be processed.
    """

    def __init__(self, stack: Stack, port: int, people: int, rate: float) -> None:
        self.answered: dict[str, float] = {}
        self.processed: dict[str, float] = {}
        self._stack = stack
        self._port = port
        self._people = people
        self._every = SENDERS / rate
        self._over = threading.Event()
        self._failures: list[Exception] = []
        self._run = f"feed-{time.time_ns()}"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send and watch for as long as the block runs; afterwards everything that was sent is processed."""
        senders = [threading.Thread(target=self._guarded, args=(self._send, n), daemon=True) for n in range(SENDERS)]
        watcher = threading.Thread(target=self._guarded, args=(self._watch, 0), daemon=True)
        for each in (*senders, watcher):
            each.start()
        try:
            yield
        finally:
            self._over.set()
            for each in (*senders, watcher):
                each.join(PATIENCE)
        if self._failures or self.answered.keys() - self.processed.keys():
            raise NotAccepted(f"{len(self.answered.keys() - self.processed.keys())} events left; {self._failures}")

    def latencies(self, since: float = 0.0, until: float = float("inf")) -> list[float]:
        """Seconds, in ascending order, of the events answered in a stretch of time."""
        return sorted(max(0.0, self.processed[each] - at) for each, at in self.answered.items() if since <= at < until)

    def _guarded(self, work: object, number: int) -> None:
        try:
            work(number)  # type: ignore[operator]
        except Exception as error:  # noqa: BLE001  told by whoever waits for the thread
            self._failures.append(error)
            self._over.set()

    def _send(self, number: int) -> None:
        with socket.create_connection(("127.0.0.1", self._port)) as connection:
            count, due = 0, time.perf_counter() + number * self._every / SENDERS
            while not self._over.wait(max(0.0, due - time.perf_counter())):
                run = f"{self._run}-{number}-{count}"
                (raw,) = deliveries.build("single", 1, f"127.0.0.1:{self._port}", run=run, people=self._people)
                connection.sendall(raw)
                answer = connection.recv(65_536)
                if not answer.startswith(b"HTTP/1.1 202"):
                    raise NotAccepted(answer[:200])
                self.answered[f"{run}-0"] = time.perf_counter()
                count, due = count + 1, due + self._every

    def _watch(self, _: int) -> None:
        last, known, waiting = int(self._stack.scalar("SELECT max(id) FROM events")), set[int](), dict[int, str]()
        deadline = float("inf")
        with self._stack.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            while time.perf_counter() < deadline:
                if self._over.is_set() and deadline == float("inf"):
                    deadline = time.perf_counter() + PATIENCE
                logged = conn.execute(_LOGGED, {"after": last - OVERLAP}).all()
                waiting |= {id_: name for id_, name in logged if id_ not in known}
                known |= {id_ for id_, _ in logged}
                last = max([last, *(id_ for id_, _ in logged)])
                held = set(conn.scalars(_WAITING, {"ids": list(waiting)}))
                now = time.perf_counter()
                done = waiting.keys() - held
                self.processed |= {waiting.pop(id_): now for id_ in done}
                if deadline < float("inf") and not self.answered.keys() - self.processed.keys():
                    return
                time.sleep(LOOK)
