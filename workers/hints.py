"""Hints: "there is work in slices 3 and 7". At most one of a name is queued at a time; losing any of them is harmless.

PostgreSQL holds the work itself, and `dripline clock` finds every due row within about a second. So a hint may be lost
with Redis, doubled, or late, and nothing here may ever fail its caller.
"""

from __future__ import annotations

import time
from collections import Counter
from threading import Lock
from typing import TYPE_CHECKING, Final, Protocol

import dramatiq
import redis

from workers.log import get_logger
from workers.outage import Outage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from dramatiq.broker import Broker

log = get_logger(__name__)

PREFIX: Final = "dripline:hint:"
STANDS: Final = 10.0
"""Seconds after which a hint that nobody took may be given again: longer than a queue is ever behind on a healthy
system, short enough that a message lost with its worker costs no more than this."""
PAUSE: Final = 1.0
"""Seconds for which Redis is left alone after it failed, so that an outage costs callers nothing."""
QUEUE: Final = "dripline"
PROCESS: Final = "process"
DELIVER: Final = "deliver"
"""The two actors (see `workers.actors`); each takes one argument, the numbers of slices or the name of a channel."""
TOGETHER: Final = 8
"""Slices that one message names. A worker takes a little of each in one transaction, which costs half as much an event
as a transaction for each (measured at 60 events a slice); what is more it asks for slice by slice."""


class Hints(Protocol):
    """Which names are queued already."""

    def offer(self, names: Collection[str]) -> list[str]:
        """Claim the names that nobody has queued yet; the caller queues exactly those. Never raises."""

    def taken(self, *names: str) -> None:
        """Work on these begins: whatever comes from now on needs a new hint. Never raises."""

    def failed(self, operation: str, error: Exception) -> None:
        """Take note that what carries the hints failed."""


class MemoryHints:
    """Hints of one process, for the in-process broker. A hint stands until it is taken."""

    def __init__(self) -> None:
        self._queued: set[str] = set()
        self._lock = Lock()

    def offer(self, names: Collection[str]) -> list[str]:
        """See `Hints.offer`."""
        with self._lock:
            new = [name for name in dict.fromkeys(names) if name not in self._queued]
            self._queued.update(new)
        return new

    def taken(self, *names: str) -> None:
        """See `Hints.taken`."""
        with self._lock:
            self._queued.difference_update(names)

    def failed(self, operation: str, error: Exception) -> None:
        """See `Hints.failed`."""
        log.error("hint_failed", operation=operation, error=str(error))


class RedisHints:
    """Hints shared by all processes, one round trip each; while Redis is away no name is ever claimed.

    Args:
        client: with short time-outs; shared with the broker or not.
        stands: seconds until a claimed name can be claimed again although nobody took it.

    Attributes:
        failures: how often Redis failed us, by operation.
    """

    def __init__(
        self, client: redis.Redis, *, stands: float = STANDS, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.failures: Counter[str] = Counter()
        self._client = client
        self._stands_ms = int(stands * 1000)
        self._monotonic = monotonic
        self._paused_until = float("-inf")
        self._outage = Outage(log, "redis_away", "redis_back", monotonic=monotonic)

    def offer(self, names: Collection[str]) -> list[str]:
        """See `Hints.offer`."""
        wanted = list(dict.fromkeys(names))
        if not wanted or self.paused():
            return []
        try:
            claims = self._claim(wanted)
        except redis.RedisError as error:
            self.failed("offer", error)
            return []
        return [name for name, claimed in zip(wanted, claims, strict=True) if claimed]

    def taken(self, *names: str) -> None:
        """See `Hints.taken`."""
        if self.paused():
            return
        try:
            self._client.delete(*(PREFIX + name for name in names))
        except redis.RedisError as error:
            self.failed("taken", error)

    def paused(self) -> bool:
        """True for a moment after a failure: do not even try."""
        return self._monotonic() < self._paused_until

    def failed(self, operation: str, error: Exception) -> None:
        """See `Hints.failed`: count it, and leave Redis alone for a moment."""
        self.failures[operation] += 1
        self._paused_until = self._monotonic() + PAUSE
        self._outage.failed(error, operation=operation)

    def _claim(self, names: Iterable[str]) -> list[bool | None]:
        with self._client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.set(PREFIX + name, 1, nx=True, px=self._stands_ms)
            claims: list[bool | None] = pipe.execute()
        self._outage.answered()
        return claims


class Announcer:
    """Tells the workers where there is work: in a message for every slice or channel that none is queued for."""

    def __init__(self, hints: Hints, broker: Broker) -> None:
        self.hints = hints
        self._broker = broker

    def slices(self, numbers: Iterable[int], *, together: int = TOGETHER) -> None:
        """There are events or wake-ups in these slices, to be processed so many together. Never raises."""
        names = {slice_name(number): number for number in numbers}
        new = [names[name] for name in self.hints.offer(names.keys())]
        for start in range(0, len(new), together):
            self._enqueue(PROCESS, new[start : start + together])

    def channels(self, names: Iterable[str]) -> None:
        """There are outbox rows to deliver on these channels. Never raises."""
        wanted = {channel_name(name): name for name in names}
        for name in self.hints.offer(wanted.keys()):
            self._enqueue(DELIVER, wanted[name])

    def _enqueue(self, actor: str, argument: list[int] | str) -> None:
        try:
            self._broker.enqueue(message(actor, argument))
        except (redis.RedisError, dramatiq.BrokerConnectionError) as error:
            self.hints.failed("enqueue", error)


def slice_name(number: int) -> str:
    """The name of the hint for a slice."""
    return f"{PROCESS}:{number}"


def channel_name(name: str) -> str:
    """The name of the hint for a channel."""
    return f"{DELIVER}:{name}"


def message(actor: str, argument: list[int] | str) -> dramatiq.Message[None]:
    """The message that makes an actor look there."""
    return dramatiq.Message(queue_name=QUEUE, actor_name=actor, args=(argument,), kwargs={}, options={})
