"""The production processes, each in a thread of the test, on real PostgreSQL and Redis."""

from __future__ import annotations

import dataclasses
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import redis
import requests
from sqlalchemy import make_url, text

from tests.conftest import NOW, connected
from tests.servers import Redis
from tests.waiting import eventually
from tests.workers.rulebooks import PRODUCT_SECRET, apply
from workers import services
from workers.app import build
from workers.config import Settings
from workers.exceptions import ConfigurationError, RulebookError
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


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    return Settings.from_environ(
        {
            "DRIPLINE_DATABASE_URL": database_url,
            "DRIPLINE_REDIS_URL": redis_url,
            "DRIPLINE_SECRET": "s" * 32,
            "DRIPLINE_PRODUCT_SECRET": PRODUCT_SECRET,
            "DRIPLINE_DATA_DIR": str(tmp_path),
            "DRIPLINE_EMAIL": "mailbox",
            "DRIPLINE_PORT": "0",
            "DRIPLINE_STATUS_PORT": "0",
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


@pytest.mark.parametrize("run", [run_worker, run_clock])
def test_the_log_tells_when_postgresql_goes_when_it_is_back_and_when_the_process_stops(
    run: Any, engine: Engine, settings: Settings, server_url: str, caplog: pytest.LogCaptureFixture
):
    name = run.__name__.removeprefix("run_")

    def told() -> list[str]:
        return [record.getMessage() for record in caplog.records if "_migrated" not in record.getMessage()]

    apply(engine, NOW)
    caplog.set_level("INFO")
    database = str(make_url(settings.database_url).database)
    with connected(server_url) as admin, running(run, settings):
        eventually(lambda: f"{name}_started" in told())
        accepting(admin, database, yes=False)
        eventually(lambda: "store_unavailable" in told())
        time.sleep(0.3)
        assert told().count("store_unavailable") == 1
        accepting(admin, database, yes=True)
        eventually(lambda: "store_back" in told())
    assert [each for each in told() if each.startswith(name)][-1] == f"{name}_stopped"


def accepting(admin: Engine, database: str, *, yes: bool) -> None:
    """Let a database take connections, or end those that it has and take none."""
    with admin.execution_options(isolation_level="AUTOCOMMIT").connect() as conn:
        conn.execute(text(f"ALTER DATABASE {database} ALLOW_CONNECTIONS {yes}"))
        if not yes:
            ended = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
            conn.execute(ended, {"name": database})


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

        def process(self, slices):
            if slices == [2]:
                raise RulebookError(("broken",))
            done.extend(slices)

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


def asked(settings: Settings, monkeypatch: pytest.MonkeyPatch, ask: Callable[[str, str], Any]) -> Any:
    """What `ask` returns, given the two addresses of a `dripline web` that runs meanwhile."""
    seen: list[Any] = []

    def serve(application: Any, listener: Any, status: Any, *, connections: int) -> None:
        server = BackgroundServer(application, listener, status, connections=connections)
        server.start()
        try:
            seen.append(ask(server.url, f"http://127.0.0.1:{status.getsockname()[1]}"))
        finally:
            server.stop()

    monkeypatch.setattr(services, "serve", serve)
    monkeypatch.setattr(services, "exit_at_signals", lambda: None)
    app = build(settings)
    try:
        services.run_web(app)
    finally:
        app.close()
    return seen[0]


def status_of(url: str, *paths: str) -> list[int]:
    return [requests.get(url + path, timeout=10).status_code for path in paths]


def test_a_clock_before_the_first_migration_says_what_to_do(
    server_url: str, settings: Settings, caplog: pytest.LogCaptureFixture
):
    empty = dataclasses.replace(settings, database_url=server_url)
    with running(run_clock, empty):
        eventually(lambda: "database_not_migrated" in {record.getMessage() for record in caplog.records})
    assert "sweep_failed" not in {record.getMessage() for record in caplog.records}


def test_web_answers_and_stops_and_shows_figures_on_another_port_only(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
):
    apply(engine, NOW)
    pages = ("/healthz", "/readyz", "/", "/metrics", "/mailbox")
    seen = asked(settings, monkeypatch, lambda url, status: (status_of(url, *pages), status_of(status, *pages)))
    assert seen == ([200, 200, 404, 404, 404], [200, 200, 200, 200, 404])


def test_one_port_for_strangers_and_for_figures_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    port = free_port()
    both = dataclasses.replace(settings, port=port, status_host="127.0.0.2", status_port=port)
    with pytest.raises(ConfigurationError, match="DRIPLINE_PORT and DRIPLINE_STATUS_PORT are both"):
        asked(both, monkeypatch, lambda *_: None)


def test_web_started_while_the_database_is_away_turns_no_sender_away_for_good(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    away = dataclasses.replace(settings, database_url="postgresql://nobody@127.0.0.1:1/nothing", email="")

    def ask(url: str, _status: str) -> Any:
        return [requests.post(f"{url}/hooks/{name}", b"{}", timeout=10) for name in ("product", "nobody")]

    for answer in asked(away, monkeypatch, ask):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
