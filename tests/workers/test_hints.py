from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis
from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker

from tests.servers import Redis
from workers.hints import PAUSE, QUEUE, TOGETHER, Announcer, Hints, MemoryHints, RedisHints
from workers.outage import QUIET

if TYPE_CHECKING:
    from collections.abc import Iterator


class Stopwatch:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(params=["memory", "redis"])
def hints(request: pytest.FixtureRequest) -> Hints:
    return MemoryHints() if request.param == "memory" else RedisHints(request.getfixturevalue("client"))


def test_a_name_is_claimed_once_until_it_is_taken(hints: Hints):
    assert hints.offer(["process:1", "process:2", "process:1"]) == ["process:1", "process:2"]
    assert hints.offer(["process:2", "process:3"]) == ["process:3"]
    hints.taken("process:2")
    assert hints.offer(["process:1", "process:2"]) == ["process:2"]


def test_nothing_offered_is_nothing_claimed(hints: Hints):
    assert hints.offer([]) == []
    hints.taken("never:offered")


def test_a_hint_that_nobody_takes_can_be_given_again_after_a_while(client: redis.Redis):
    hints = RedisHints(client, stands=0.02)
    assert hints.offer(["process:1"]) == ["process:1"]
    assert hints.offer(["process:1"]) == []
    client.pexpire("dripline:hint:process:1", 0)
    assert hints.offer(["process:1"]) == ["process:1"]


def test_flushing_redis_only_makes_names_free_again(client: redis.Redis):
    hints = RedisHints(client)
    hints.offer(["process:1"])
    client.flushall()
    assert hints.offer(["process:1"]) == ["process:1"]


def test_offers_take_one_round_trip(client: redis.Redis, monkeypatch: pytest.MonkeyPatch):
    hints = RedisHints(client)
    sent = []
    original = redis.connection.AbstractConnection.send_packed_command
    monkeypatch.setattr(
        redis.connection.AbstractConnection,
        "send_packed_command",
        lambda *args, **kwargs: sent.append(1) or original(*args, **kwargs),
    )
    client.ping()
    sent.clear()
    hints.offer([f"process:{number}" for number in range(32)])
    assert len(sent) == 1


def test_a_killed_redis_never_fails_the_caller_and_is_counted_and_logged_once_a_minute(
    caplog: pytest.LogCaptureFixture,
):
    server = Redis()
    watch = Stopwatch()
    try:
        with redis.Redis.from_url(server.url, retry=None) as client:
            hints = RedisHints(client, monotonic=watch)
            assert hints.offer(["process:1"]) == ["process:1"]
            server.stop(9)
            for _ in range(3):
                assert hints.offer(["process:2"]) == []
                hints.taken("process:1")
                watch.now += PAUSE
            assert hints.failures.total() == 3
            assert [record.getMessage() for record in caplog.records] == ["redis_away"]
            watch.now += QUIET
            hints.offer(["process:2"])
            assert len(caplog.records) == 2
            server.start()
            watch.now += PAUSE
            caplog.set_level("INFO")
            assert hints.offer(["process:2"]) == ["process:2"]
            assert caplog.records[-1].getMessage() == "redis_back"
    finally:
        server.close()


def test_the_announcer_names_each_slice_and_channel_once_and_a_few_slices_in_a_message():
    broker = StubBroker(middleware=[])
    broker.declare_queue(QUEUE)
    announcer = Announcer(MemoryHints(), broker)
    announcer.slices([1, 2])
    announcer.slices([2, 3])
    announcer.slices(range(4, 5 + TOGETHER))
    announcer.slices([20, 21], together=1)
    announcer.channels(["email"])
    queued = [Message.decode(broker.queues[QUEUE].get()).args[0] for _ in range(broker.queues[QUEUE].qsize())]
    assert queued == [[1, 2], [3], [*range(4, 4 + TOGETHER)], [4 + TOGETHER], [20], [21], "email"]


def test_announcing_with_redis_away_raises_nothing():
    server = Redis()
    with redis.Redis.from_url(server.url, retry=None) as client:
        announcer = Announcer(RedisHints(client), RedisBroker(client=client, middleware=[]))
        announcer.slices([1])
        server.close()
        announcer.slices([2])
        announcer.channels(["email"])


def test_a_broker_that_fails_after_the_claim_raises_nothing(client: redis.Redis):
    away = redis.Redis(unix_socket_path="/nowhere/redis.sock", retry=None)
    hints = RedisHints(client)
    Announcer(hints, RedisBroker(client=away, middleware=[])).slices([1])
    assert hints.failures["enqueue"] == 1
