"""Rate limits: the same laws in memory and in a real Redis, and what happens when Redis goes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.servers import Redis
from tests.workers.rulebook.base import BASE
from workers.delivery.limits import DAY, SECOND, Limit, Limiter, MemoryLimiter, Pace, RedisLimiter
from workers.engine.rules import RateLimit, Sending, WarmUp
from workers.rulebook import compile_rulebook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START = datetime(2026, 1, 15, 12, tzinfo=UTC)


def at(microseconds: int) -> datetime:
    return START + timedelta(microseconds=microseconds)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(params=["memory", "redis"])
def fresh(request: pytest.FixtureRequest, client: redis.Redis) -> Callable[[], Limiter]:
    def make() -> Limiter:
        client.flushdb()
        return MemoryLimiter() if request.param == "memory" else RedisLimiter(client, share=4)

    return make


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    most=st.integers(1, 200),
    gaps=st.lists(st.integers(0, 400_000), min_size=1, max_size=60),
)
def test_no_stretch_of_time_has_more_than_the_limit(fresh: Callable[[], Limiter], most: int, gaps: list[int]):
    limiter, limit, now = fresh(), Limit("x", SECOND // most), 0
    went: list[int] = []
    for gap in gaps:
        now += gap
        if not limiter.take([limit], at(now)):
            went.append(now)
    for start in went:
        within = sum(start <= each < start + 2 * SECOND for each in went)
        assert within <= most * 3 + 1  # two seconds' worth, and what a quiet moment before had saved


def test_what_is_told_to_wait_may_go_then(fresh: Callable[[], Limiter]):
    limiter, limit = fresh(), Limit("x", SECOND, saved=0)
    assert limiter.take([limit], at(0)) == 0
    assert limiter.take([limit], at(400_000)) == 600_000
    assert limiter.take([limit], at(999_999)) == 1
    assert limiter.take([limit], at(1_000_000)) == 0


def test_all_limits_hold_and_one_that_is_full_takes_nothing_from_the_others(fresh: Callable[[], Limiter]):
    limiter = fresh()
    slow, quick = Limit("slow", 10 * SECOND, saved=0), Limit("quick", SECOND, saved=0)
    assert limiter.take([slow, quick], at(0)) == 0
    assert limiter.take([slow, quick], at(SECOND)) == 9 * SECOND
    assert limiter.take([quick], at(SECOND)) == 0


def test_a_flush_of_redis_lets_one_mail_through_and_no_burst(client: redis.Redis):
    client.flushdb()
    limiter, limit = RedisLimiter(client, share=4), Limit("x", SECOND // 10)
    went = 0
    for step in range(1000):  # ten seconds, flushed after each of them
        went += not limiter.take([limit], at(step * 10_000))
        if step % 100 == 99:
            client.flushdb()
    assert went <= 10 * 10 + 10 + 1


def test_processes_share_the_limit(client: redis.Redis):
    client.flushdb()
    limiters, limit = [RedisLimiter(client, share=4) for _ in range(3)], Limit("x", SECOND // 10)
    went = sum(not limiter.take([limit], at(step * 10_000)) for step in range(500) for limiter in limiters)
    assert 45 <= went <= 61  # five seconds


def test_without_redis_a_process_keeps_to_its_share_and_comes_back():
    server = Redis()
    try:
        with redis.Redis.from_url(server.url) as client:
            limiter, limit = RedisLimiter(client, share=4), Limit("x", SECOND // 20)
            assert limiter.take([limit], at(0)) == 0
            server.stop(9)
            alone = sum(not limiter.take([limit], at(SECOND + step * 10_000)) for step in range(400))
            assert 15 <= alone <= 26  # four seconds at a quarter of twenty
            server.start()
            again = sum(not limiter.take([limit], at(6 * SECOND + step * 10_000)) for step in range(200))
            assert again > 30
    finally:
        server.close()


# ── which limits a mail comes under ──────────────────────────────────────────────────────────────────────────

RULES = """\
sending:
  limits:
    - {provider: smtp, limit: 10 per second}
    - {domain: gmail.com, limit: 120 per minute}
    - {domain: "*", limit: 1 per second}
  warm_up: {provider: ses, from: 2026-01-14, per_day: [50, 100]}
"""


def names(pace: Pace, provider: str, email: str, now: datetime = START) -> dict[str, int]:
    return {each.name: each.interval for each in pace.limits(provider, email, now)}


def test_the_rules_say_which_limits_a_mail_comes_under():
    rulebook = compile_rulebook(BASE | {"rules/sending.yaml": RULES})
    pace = Pace(rulebook.sending, MemoryLimiter())
    assert names(pace, "smtp", "ann@gmail.com") == {"provider:smtp": 100_000, "domain:gmail.com": 500_000}
    assert names(pace, "ses", "ann@Acme.test") == {"domain:acme.test": SECOND, "warm-up:ses": DAY // 100}
    assert "warm-up:ses" not in names(pace, "ses", "a@b.test", START + timedelta(days=9))
    assert names(pace, "ses", "a@b.test", START - timedelta(days=9))["warm-up:ses"] == DAY // 50


def test_mails_that_wait_are_told_times_one_after_the_other():
    sending = Sending((RateLimit("provider", "smtp", 1, SECOND),))
    pace = Pace(sending, MemoryLimiter())
    waits = [pace.wait("smtp", "a@b.test", START) for _ in range(5)]
    assert waits == [0, SECOND, 2 * SECOND, 3 * SECOND, 4 * SECOND]


def test_a_warm_up_lets_a_day_have_no_more_than_its_share():
    sending = Sending((), (WarmUp("ses", START, (48,)),))
    pace = Pace(sending, MemoryLimiter())
    went = sum(not pace.wait("ses", "a@b.test", START + timedelta(minutes=n)) for n in range(24 * 60))
    assert went == 48
