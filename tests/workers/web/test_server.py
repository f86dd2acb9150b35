from __future__ import annotations

import http.client
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from tests.servers import Postgres
from tests.workers.web.support import GOOD, Plain, running, until
from workers.exceptions import ConfigurationError
from workers.store.database import connect, migrate
from workers.web import server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from integrations.contracts import Incoming, Request
    from tests.workers.web.support import Web
    from workers.clock import SteppedClock


def hang_up(web: Web, data: bytes) -> bytes:
    """Send, and read until the server closes the connection."""
    with socket.create_connection((web.server.host, web.server.port), timeout=10) as conn:
        conn.sendall(data)
        return b"".join(iter(lambda: conn.recv(65536), b""))


HEAD = b"POST /hooks/plain HTTP/1.1\r\nhost: x\r\nx-signature: good\r\ncontent-length: 9\r\n"


@pytest.mark.parametrize("start", [b"", HEAD[:40], HEAD, HEAD + b"\r\n", HEAD + b"\r\n[1, "])
def test_a_request_that_does_not_arrive_is_not_waited_for(
    web: Web, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(server, "REQUEST_SECONDS", 0.2)
    assert hang_up(web, start).startswith(b"HTTP/1.1 408 ")
    assert web.deliver("a").status == 202


def test_an_answer_that_takes_long_is_waited_for(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "REQUEST_SECONDS", 0.2)
    with ThreadPoolExecutor(1) as thread, web.engine.begin() as conn:
        conn.execute(text("LOCK TABLE event_keys"))
        answer = thread.submit(web.deliver, "a")
        time.sleep(1.5)
        assert not answer.done()
        conn.rollback()
        assert answer.result().status == 202


def test_a_head_without_end_is_cut_off(web: Web) -> None:
    with socket.create_connection((web.server.host, web.server.port), timeout=10) as conn:
        conn.sendall(b"POST / HTTP/1.1\r\nx: ")
        with pytest.raises(ConnectionError):
            conn.sendall(b"y" * 100_000_000)


def test_an_idle_connection_is_kept_for_the_next_delivery(web: Web) -> None:
    conn = http.client.HTTPConnection(web.server.host, web.server.port, timeout=10)
    for event_id in ("a", "b"):
        conn.request("POST", "/hooks/plain", f'["{event_id}"]', GOOD)
        answer = conn.getresponse()
        assert (answer.status, answer.read()[:13]) == (202, b'{"accepted":1')
    conn.close()


def test_an_address_in_use_is_said_to_be(web: Web) -> None:
    with pytest.raises(ConfigurationError, match=rf"127.0.0.1:{web.server.port} .*already in use"):
        server.bind("127.0.0.1", web.server.port)


class Slow(Plain):
    """Takes its time, so that the server is asked to stop in the middle."""

    def __init__(self) -> None:
        self.began = threading.Event()

    def normalise(self, request: Request) -> Iterator[Incoming]:
        self.began.set()
        time.sleep(0.3)
        yield from super().normalise(request)


def test_stopping_finishes_what_is_under_way(engine: Engine, clock: SteppedClock) -> None:
    slow = Slow()
    with running(engine, clock, sources={"plain": slow}) as web, ThreadPoolExecutor(1) as thread:
        answer = thread.submit(web.deliver, "a")
        assert slow.began.wait(5)
        web.server.stop()
        assert answer.result().status == 202
        assert web.rows("SELECT event_id FROM events") == [("a",)]


def test_no_acknowledged_event_is_lost_when_the_database_restarts(clock: SteppedClock) -> None:
    database = Postgres()
    try:
        engine = connect(database.url())
        migrate(engine, clock())
        with running(engine, clock, lanes=2) as web:
            seen = restart_under_load(web, database)
            kept = {event_id for (event_id,) in web.rows("SELECT event_id FROM events")}
        engine.dispose()
    finally:
        database.close()
    assert set(seen) == {202, 503}
    assert set(seen[202]) <= kept
    assert len(seen[202]) > 50


def restart_under_load(web: Web, database: Postgres) -> dict[int, list[str]]:
    """Deliver from eight threads while the database goes away and comes back; event ids by answer."""
    seen: dict[int, list[str]] = {}
    stop = threading.Event()
    slowest = [0.0]

    def deliver(thread: int) -> None:
        for n in range(1_000_000):
            if stop.is_set():
                return
            began = time.monotonic()
            answer = web.deliver(f"{thread}-{n}")
            slowest.append(time.monotonic() - began)
            seen.setdefault(answer.status, []).append(f"{thread}-{n}")
            if answer.status == 503:
                assert answer.headers["retry-after"] == "5"
                time.sleep(0.01)

    with ThreadPoolExecutor(8) as threads:
        working = [threads.submit(deliver, number) for number in range(8)]
        try:
            until(lambda: len(seen.get(202, ())) > 40)
            database.stop(signal.SIGINT)
            until(lambda: len(seen.get(503, ())) > 40)
            database.start()
            before = len(seen[202])
            until(lambda: len(seen[202]) > before + 40)
        finally:
            stop.set()
        for each in working:
            each.result()
    assert max(slowest) < 8
    return seen
