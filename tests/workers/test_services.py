"""The production processes, each in a thread of the test, on real PostgreSQL and Redis."""

from __future__ import annotations

import dataclasses
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import redis
import requests

from tests.conftest import NOW
from tests.servers import Redis
from tests.workers.rulebooks import PRODUCT_SECRET, apply
from workers import services
from workers.app import build
from workers.config import Settings
from workers.exceptions import RulebookError
from workers.services import Fallback, run_clock, run_worker
from workers.store import events, status
from workers.store.events import NewEvent
from workers.sweep import Due
from workers.web.server import BackgroundServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Engine

    from workers.app import App

SLICES = 12


def eventually(true: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    return Settings.from_environ(
        {
            "DRIPLINE_DATABASE_URL": database_url,
            "DRIPLINE_REDIS_URL": redis_url,
            "DRIPLINE_SECRET": "s" * 32,
            "DRIPLINE_PRODUCT_SECRET": PRODUCT_SECRET,
            "DRIPLINE_DATA_DIR": str(tmp_path),
            "DRIPLINE_SWEEP_EVERY": "0.05s",
        }
    )


@contextmanager
def running(run: Callable[[App, threading.Event], None], settings: Settings) -> Iterator[None]:
    app, stop = build(settings), threading.Event()
    thread = threading.Thread(target=run, args=(app, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        app.close()
    assert not thread.is_alive()


def accept(engine: Engine, count: int, start: int = 0) -> None:
    """Put events into the log and the inbox, and tell nobody."""
    batch = [
        NewEvent("product", str(n), "page.viewed", NOW, f"email:p{n}@acme.test", (f"email:p{n}@acme.test",), {})
        for n in range(start, start + count)
    ]
    with engine.begin() as conn:
        events.append(conn, batch, NOW)


def backlog(engine: Engine) -> int:
    with engine.begin() as conn:
        return status.read(conn, NOW).backlog


def test_clock_and_worker_process_what_nobody_was_told_of(engine: Engine, settings: Settings):
    apply(engine, NOW)
    accept(engine, 40)
    with running(run_worker, settings), running(run_clock, settings), running(run_clock, settings):
        eventually(lambda: backlog(engine) == 0)
        accept(engine, 40, 40)
        eventually(lambda: backlog(engine) == 0)


def test_a_worker_goes_on_by_itself_while_redis_is_away_and_with_redis_when_it_is_back(
    engine: Engine, settings: Settings, caplog: pytest.LogCaptureFixture
):
    apply(engine, NOW)
    server = Redis()
    settings = dataclasses.replace(settings, redis_url=server.url)
    try:
        with running(run_worker, settings), running(run_clock, settings):
            accept(engine, 10)
            eventually(lambda: backlog(engine) == 0)
            server.stop(9)
            accept(engine, 10, 10)
            eventually(lambda: backlog(engine) == 0)
            assert "working_without_redis" in {record.getMessage() for record in caplog.records}
            server.start()
            accept(engine, 10, 20)
            eventually(lambda: backlog(engine) == 0)
    finally:
        server.close()


def test_a_redis_that_answers_and_takes_nothing_counts_as_away(engine: Engine, settings: Settings):
    apply(engine, NOW)
    server = Redis()
    settings = dataclasses.replace(settings, redis_url=server.url)
    try:
        with redis.Redis.from_url(server.url) as client:
            client.config_set("maxmemory", 1)
        with running(run_worker, settings), running(run_clock, settings):
            accept(engine, 10)
            eventually(lambda: backlog(engine) == 0)
    finally:
        server.close()


def test_work_that_fails_keeps_no_other_work_from_being_done():
    done = []

    class Failing:
        broker = None

        def sweeper(self):
            return self

        def clock(self):
            return NOW

        def sweep(self, _now):
            return Due(frozenset({1, 2, 3}), frozenset({"email"}))

        def process(self, slice_):
            if slice_ == 2:
                raise RulebookError(("broken",))
            done.append(slice_)

        def deliver(self, channel):
            done.append(channel)

    Fallback(Failing()).work()
    assert set(done) == {1, 3, "email"}


def test_a_redis_that_is_flushed_all_the_time_loses_nothing(engine: Engine, settings: Settings, redis_url: str):
    apply(engine, NOW)
    with redis.Redis.from_url(redis_url) as client, running(run_worker, settings), running(run_clock, settings):
        for round_ in range(10):
            accept(engine, 10, round_ * 10)
            client.flushall()
            time.sleep(0.02)
        eventually(lambda: backlog(engine) == 0)
    with engine.begin() as conn:
        assert sum(status.read(conn, NOW).leads.values()) == 100


def test_a_worker_survives_a_database_without_rules(engine: Engine, settings: Settings):
    accept(engine, 3)
    with running(run_worker, settings), running(run_clock, settings):
        time.sleep(0.3)
        assert backlog(engine) == 3
        apply(engine, NOW)
        eventually(lambda: backlog(engine) == 0)


def test_web_answers_and_stops(settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch):
    apply(engine, NOW)
    seen: list[Any] = []

    def serve(application: Any, listener: Any) -> None:
        server = BackgroundServer(application, listener)
        server.start()
        seen.append(requests.get(f"{server.url}/healthz", timeout=10).status_code)
        server.stop()

    monkeypatch.setattr(services, "serve", serve)
    monkeypatch.setattr(services, "exit_at_signals", lambda: None)
    app = build(dataclasses.replace(settings, port=0))
    services.run_web(app)
    app.close()
    assert seen == [200]
