from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, cast

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker

from workers.actors import Turnstile, declare, through
from workers.exceptions import NoRulebook, StoreUnavailable
from workers.hints import QUEUE, Announcer, MemoryHints
from workers.log import get_logger
from workers.outage import Outage

if TYPE_CHECKING:
    from collections.abc import Iterator


class FakeApp:
    """Notes what it is asked to do; may fail."""

    def __init__(self, broker: StubBroker) -> None:
        self.announcer = Announcer(MemoryHints(), broker)
        self.done: list[tuple[str, Any]] = []
        self.error: Exception | None = None
        self.store = Outage(get_logger("workers"), "store_unavailable", "store_back")

    def process(self, slices: list[int]) -> None:
        self._do("process", slices)

    def deliver(self, channel: str) -> None:
        self._do("deliver", channel)

    def _do(self, what: str, argument: Any) -> None:
        self.done.append((what, argument))
        if self.error:
            raise self.error


@pytest.fixture
def app() -> Iterator[FakeApp]:
    broker = StubBroker(middleware=[])
    app = FakeApp(broker)
    declare(broker, cast("Any", app), threads=4)
    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=10)
    worker.start()
    app.join = lambda: broker.join(QUEUE, timeout=10_000)  # type: ignore[attr-defined]
    yield app
    worker.stop()


def test_a_message_makes_the_app_look_and_frees_its_hint(app: Any):
    app.announcer.slices([3, 5])
    app.announcer.channels(["email", "crm"])
    app.join()
    assert sorted(app.done) == [("deliver", "crm"), ("deliver", "email"), ("process", [3, 5])]
    app.announcer.slices([3, 5], together=1)
    app.join()
    assert sorted(app.done[3:]) == [("process", [3]), ("process", [5])]


@pytest.mark.parametrize("error", [StoreUnavailable("away"), NoRulebook("none"), ValueError("a bug")])
def test_a_failure_is_not_repeated_by_the_broker_because_the_sweep_finds_the_work(app: Any, error: Exception):
    app.error = error
    app.announcer.slices([3])
    app.join()
    assert app.done == [("process", [3])]


def test_a_full_turnstile_loses_no_call():
    """Whatever the threads do: after the last call, at least one full round of work begins."""
    turnstile, lock = Turnstile(2), threading.Lock()
    waiting, taken = [0], [0]

    def work() -> None:
        with lock:
            found, waiting[0] = waiting[0], 0
        time.sleep(0.0005)
        taken[0] += found

    def call() -> None:
        for _ in range(50):
            with lock:
                waiting[0] += 1
            through(turnstile, work)

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert waiting[0] == 0


def test_a_turnstile_lets_only_so_many_in_and_gives_places_back_after_an_error():
    turnstile = Turnstile(1)

    def fail() -> None:
        raise ValueError("no")

    for _ in range(3):
        with pytest.raises(ValueError, match="no"):
            through(turnstile, fail)
    assert turnstile.enter()
    assert not turnstile.enter()
    assert not turnstile.leave()  # somebody came by: go again
    assert turnstile.leave()
