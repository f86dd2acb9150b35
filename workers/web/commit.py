"""Group commit: requests that arrive while the disk is busy share the next commit.

A request hands its delivery to the `Committer` and waits. A lane (a task with one database connection, working in a
thread, so that the event loop never waits for the disk) takes everything that waits, writes it with one statement and
one commit, and lets the requests answer. The busier it gets, the larger the groups, and the less a request costs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from workers.exceptions import Overloaded, StoreUnavailable
from workers.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from integrations.contracts import Incoming, Request, Unreadable

log = get_logger(__name__)

WEIGHT_OF_ONE: Final = 1024
"""Bytes that a waiting delivery is counted for on top of its body."""
NOT_STORABLE: Final = "not-storable"
"""Reason in quarantine: the database refuses these data (a NUL character in a text, a number out of all bounds)."""


@dataclass(slots=True)
class Delivery:
    """What one request asks to have committed: all of it or nothing.

    Attributes:
        source: the route's name.
        request: as it came; kept whole if its events turn out not to be storable.
        refused: (reason, detail) if the delivery as a whole goes to quarantine; it then has no events.
    """

    source: str
    request: Request
    events: list[Incoming] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    refused: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one delivery, counted in events (a delivery in quarantine as a whole counts one)."""

    accepted: int = 0
    duplicates: int = 0
    quarantined: int = 0


Outcome = Receipt | StoreUnavailable


class Journal(Protocol):
    """What the committer needs of the store. Called in the lanes' threads."""

    def write(self, deliveries: Sequence[Delivery]) -> tuple[list[Receipt], Collection[int]]:
        """Commit all deliveries together; their receipts in the same order, and the slices that now have work.

        Raises:
            StoreUnavailable: trying again later is right. Any other error is the data's.
        """


@dataclass(slots=True)
class _Waiting:
    delivery: Delivery
    weight: int
    outcome: asyncio.Future[Outcome]


class Committer:
    """Commits deliveries in groups.

    Args:
        journal: writes a group.
        committed: told the slices that have new work, after each commit; must return at once.
        lanes: groups under way at the same time, each with its own thread and connection.
        most_events: events in one group; a delivery with more is a group of its own.
        most_waiting: bytes that may wait before further deliveries are refused.
        patience: seconds after which a group under way is answered as unavailable, whatever becomes of it (it may
            still be committed; the sender's next attempt is then a duplicate).
    """

    def __init__(
        self,
        journal: Journal,
        committed: Callable[[Collection[int]], None],
        *,
        lanes: int = 1,
        most_events: int = 1000,
        most_waiting: int = 64 * 1024 * 1024,
        patience: float = 5.0,
    ) -> None:
        self._journal = journal
        self._committed = committed
        self._lanes = lanes
        self._most_events = most_events
        self._most_waiting = most_waiting
        self._patience = patience
        self._queue: deque[_Waiting] = deque()
        self._weight = 0
        self._stalled = 0
        self._closing = False
        self._arrived = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._threads = ThreadPoolExecutor(lanes, thread_name_prefix="commit")

    async def start(self) -> None:
        """Open the lanes; needs the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._tasks = [asyncio.create_task(self._lane(), name=f"commit-{n}") for n in range(self._lanes)]

    async def close(self) -> None:
        """Commit what still waits, then stop."""
        self._closing = True
        self._arrived.set()
        await asyncio.gather(*self._tasks)
        self._threads.shutdown()

    async def submit(self, delivery: Delivery) -> Receipt:
        """Wait until `delivery` is committed. A cancelled caller disturbs nobody; its delivery is committed or not.

        Raises:
            Overloaded: too much waits already.
            StoreUnavailable: the database cannot be reached, or takes too long.
        """
        weight = WEIGHT_OF_ONE + len(delivery.request.body)
        if self._queue and self._weight + weight > self._most_waiting:
            raise Overloaded("more deliveries wait for the database than may wait; send this one again later")
        if self._closing or self._stalled == self._lanes:
            raise StoreUnavailable("the database does not answer; send this delivery again later")
        waiting = _Waiting(delivery, weight, self._loop.create_future())
        self._queue.append(waiting)
        self._weight += weight
        self._arrived.set()
        outcome = await waiting.outcome
        if isinstance(outcome, Receipt):
            return outcome
        raise StoreUnavailable(str(outcome))

    @property
    def waiting(self) -> int:
        """Deliveries that wait for a lane."""
        return len(self._queue)

    @property
    def alive(self) -> bool:
        """False if a lane ended that should not have: then deliveries would wait for ever."""
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    async def _lane(self) -> None:
        while await self._something_waits():
            group = self._take()
            work = self._loop.run_in_executor(self._threads, self._commit, [waiting.delivery for waiting in group])
            done, _ = await asyncio.wait((work,), timeout=self._patience)
            if not done:
                await self._sit_out(work, group)
                continue
            _answer(group, work.result())

    async def _something_waits(self) -> bool:
        while not self._queue:
            if self._closing:
                return False
            self._arrived.clear()
            await self._arrived.wait()
        return True

    def _take(self) -> list[_Waiting]:
        """The next group: at least one delivery, and no more than `most_events` events if it is several."""
        queue = self._queue
        group: list[_Waiting] = []
        events = 0
        while queue and (not group or events + len(queue[0].delivery.events) <= self._most_events):
            waiting = queue.popleft()
            events += len(waiting.delivery.events)
            self._weight -= waiting.weight
            group.append(waiting)
        return group

    async def _sit_out(self, work: asyncio.Future[list[Outcome]], group: list[_Waiting]) -> None:
        """Answer those who would wait for a database that hangs, then wait until this lane's thread is free again."""
        self._stalled += 1
        log.warning("commit_stalled", deliveries=len(group), waiting=len(self._queue))
        away = StoreUnavailable("the database does not answer; send this delivery again later")
        _answer(group, [away] * len(group))
        if self._stalled == self._lanes:
            late = [*self._queue]
            self._queue.clear()
            self._weight = 0
            _answer(late, [away] * len(late))
        await asyncio.wait((work,))
        self._stalled -= 1

    def _commit(self, deliveries: list[Delivery]) -> list[Outcome]:
        """Commit a group, in a lane's thread; if its data are refused, find whose they are by halving it."""
        try:
            receipts, slices = self._journal.write(deliveries)
        except StoreUnavailable as error:
            return [error] * len(deliveries)
        except Exception as error:  # noqa: BLE001  whatever it is, the data of one delivery made it: see to that one only
            if len(deliveries) == 1:
                return [self._set_aside(deliveries[0], error)]
            middle = len(deliveries) // 2
            return self._commit(deliveries[:middle]) + self._commit(deliveries[middle:])
        if slices:
            self._committed(slices)
        return [*receipts]

    def _set_aside(self, delivery: Delivery, error: Exception) -> Outcome:
        """Keep a delivery that cannot be stored as events whole in quarantine."""
        log.error("delivery_not_storable", source=delivery.source, error=type(error).__name__)
        kept = Delivery(delivery.source, delivery.request, refused=(NOT_STORABLE, str(error)))
        try:
            receipts, _ = self._journal.write([kept])
        except Exception as second:  # noqa: BLE001  a store that cannot even keep bytes is out of order, not the delivery
            log.error("quarantine_failed", source=delivery.source, error=type(second).__name__)  # noqa: TRY400  no trace: the text may hold personal data
            return StoreUnavailable("the database refuses to store anything; see the log of `dripline web`")
        return receipts[0]


def _answer(group: list[_Waiting], outcomes: Sequence[Outcome]) -> None:
    for waiting, outcome in zip(group, outcomes, strict=True):
        if not waiting.outcome.done():  # else the client went away
            waiting.outcome.set_result(outcome)
