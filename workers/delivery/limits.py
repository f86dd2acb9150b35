"""How fast mail goes out: so many per second to a provider or a recipient's domain, counted over all workers.

Each limit is a clock of its own that runs ahead by one interval for each mail (GCRA), kept in Redis, where all workers
see it. A clock that Redis does not have stands where nothing is saved up: a flush lets one mail through and no burst.
While Redis is away, each process takes its share of the limit and no more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Protocol

import redis

from integrations.addresses import domain_of
from workers.engine.values import MICROSECOND, micros
from workers.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from workers.engine.rules import Sending

log = get_logger(__name__)

SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND
SAVED: Final = SECOND
"""Microseconds' worth of mails that may go out at once after a quiet moment."""
PREFIX: Final = "dripline:rate:"
PAUSE: Final = SECOND
"""Microseconds for which Redis is left alone after it failed."""
ANY: Final = "*"
"""Stands for every domain that has no limit of its own."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most one mail in `interval` microseconds, and `saved` microseconds' worth of them at once."""

    name: str
    interval: int
    saved: int = SAVED


class Limiter(Protocol):
    """Keeps the clocks."""

    def take(self, limits: Sequence[Limit], now: datetime) -> int:
        """Take one mail's worth of every limit, if all of them have it.

        Returns:
            0 if it may go, else the microseconds until it may; then nothing was taken.
        """


class MemoryLimiter:
    """The clocks of one process.

    Args:
        share: how many processes there may be; each takes that part of every limit.
    """

    def __init__(self, share: int = 1) -> None:
        self._share = share
        self._clocks: dict[str, int] = {}
        self._lock = Lock()

    def take(self, limits: Sequence[Limit], now: datetime) -> int:
        """See `Limiter.take`."""
        moment = micros(now)
        with self._lock:
            clocks = [max(moment, self._clocks.get(each.name, moment + each.saved)) for each in limits]
            wait = max((at - each.saved - moment for at, each in zip(clocks, limits, strict=True)), default=0)
            ahead = self._share if wait <= 0 else 0
            for at, each in zip(clocks, limits, strict=True):
                self._clocks[each.name] = at + each.interval * ahead
        return max(0, wait)


_TAKE: Final = """
local now, wait, clocks = tonumber(ARGV[1]), 0, {}
for i, key in ipairs(KEYS) do
  local saved = tonumber(ARGV[2 * i + 1])
  clocks[i] = math.max(now, tonumber(redis.call('GET', key)) or now + saved)
  wait = math.max(wait, clocks[i] - saved - now)
end
for i, key in ipairs(KEYS) do
  local at = clocks[i] + (wait > 0 and 0 or tonumber(ARGV[2 * i]))
  redis.call('SET', key, string.format('%.0f', at), 'PX', math.ceil((at - now) / 1000) + 60000)
end
return string.format('%.0f', wait)
"""


class RedisLimiter:
    """The clocks of all processes, in Redis.

    Args:
        client: Redis.
        share: how many processes send, at most: what each takes of a limit while Redis is away.
    """

    def __init__(self, client: redis.Redis, share: int) -> None:
        self._take: Any = client.register_script(_TAKE)
        self._alone = MemoryLimiter(share)
        self._away_until = 0

    def take(self, limits: Sequence[Limit], now: datetime) -> int:
        """See `Limiter.take`."""
        moment = micros(now)
        if not limits:
            return 0
        if moment >= self._away_until:
            try:
                return int(self._take([PREFIX + each.name for each in limits], list(numbers(moment, limits))))
            except redis.RedisError as error:
                self._away_until = moment + PAUSE
                log.warning("limits_kept_alone", error=str(error))
        return self._alone.take(limits, now)


def numbers(moment: int, limits: Sequence[Limit]) -> Iterator[int]:
    """What the script gets beside the names."""
    yield moment
    for each in limits:
        yield each.interval
        yield each.saved


class Pace:
    """Which limits a mail comes under, and when it may go.

    Args:
        sending: what the rules say.
        limiter: keeps the clocks.
    """

    def __init__(self, sending: Sending, limiter: Limiter) -> None:
        self._sending = sending
        self._limiter = limiter
        self._promised: dict[str, int] = {}

    def under(self, sending: Sending) -> Pace:
        """The pace by these rules: this one as long as they are the same."""
        return self if sending == self._sending else Pace(sending, self._limiter)

    def wait(self, provider: str, email: str | None, now: datetime) -> int:
        """Take one mail's worth of all limits; the microseconds until it may go, 0 for now.

        Mails that have to wait are told times one after the other, so that they do not all come back at once.
        """
        limits = self.limits(provider, email, now)
        wait = self._limiter.take(limits, now) if limits else 0
        if not wait:
            return 0
        moment, slowest = micros(now), max(limits, key=lambda each: each.interval)
        promised = max(moment + wait, self._promised.get(slowest.name, 0) + slowest.interval)
        self._promised[slowest.name] = promised
        return promised - moment

    def full(self, provider: str, now: datetime) -> int:
        """Microseconds until the next mail may go to a provider, whoever it is for; 0 for now. Nothing is taken."""
        limits = [replace(each, interval=0) for each in self._general(provider, now)]
        return self._limiter.take(limits, now) if limits else 0

    def limits(self, provider: str, email: str | None, now: datetime) -> list[Limit]:
        """The limits that a mail comes under."""
        domain = domain_of(email)
        named = {each.name for each in self._sending.limits if each.of == "domain"}
        found = [
            Limit(f"domain:{domain}", each.window // each.most)
            for each in self._sending.limits
            if each.of == "domain" and (each.name == domain or (each.name == ANY and domain not in named))
        ]
        return [*self._general(provider, now), *found]

    def _general(self, provider: str, now: datetime) -> Iterator[Limit]:
        """The limits of a provider, whoever a mail is for."""
        for each in self._sending.limits:
            if each.of == "provider" and each.name == provider:
                yield Limit(f"provider:{provider}", each.window // each.most)
        yield from self._warming(provider, now)

    def _warming(self, provider: str, now: datetime) -> Iterator[Limit]:
        """The limit of a provider that is still being warmed up."""
        for plan in self._sending.warm_ups:
            if plan.provider == provider:
                day = (now - plan.start).days if now >= plan.start else 0
                if day < len(plan.per_day):
                    yield Limit(f"warm-up:{provider}", DAY // plan.per_day[day], 0)


def seconds(wait: int) -> float:
    """Microseconds as seconds."""
    return wait * MICROSECOND.total_seconds()
