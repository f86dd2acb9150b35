from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uvicorn
from sqlalchemy import text

from tests.servers import Postgres
from tests.waiting import eventually
from tests.workers.web.support import GOOD, Plain, running
from workers.exceptions import ConfigurationError
from workers.store.database import connect, migrate
from workers.web import server

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine
    from starlette.types import Receive, Scope, Send

    from integrations.contracts import Incoming, Request
    from tests.workers.web.support import Web
    from workers.clock import SteppedClock


def hang_up(web: Web, data: bytes) -> bytes:
    """Send, and read until the server closes the connection."""
    with socket.create_connection((web.server.host, web.server.port), timeout=10) as conn:
        conn.sendall(data)
        return b"".join(iter(lambda: conn.recv(65536), b""))


def problem(answer: bytes) -> tuple[int, str]:
    """Status and word of a problem, whose form has to be right."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    assert {"content-type: application/problem+json", f"content-length: {len(body)}", "connection: close"} <= {*lines}
    found = json.loads(body)
    status = int(lines[0].split()[1])
    assert found["status"] == status
    return status, found["type"].removeprefix("urn:dripline:problem:")


HEAD = b"POST /hooks/plain HTTP/1.1\r\nhost: x\r\nx-signature: good\r\ncontent-length: 9\r\n"


@pytest.mark.parametrize("start", [b"", HEAD[:40], HEAD, HEAD + b"\r\n", HEAD + b"\r\n[1, "])
def test_a_request_that_does_not_arrive_is_not_waited_for(
    web: Web, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(server, "REQUEST_SECONDS", 0.2)
    assert problem(hang_up(web, start)) == (408, "request-timeout")
    assert web.deliver("a").status == 202
    assert web.counted("dripline_http_refused_total", reason="request-timeout") == 1


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /hooks/plain HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        b"POST /hooks/plain HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST /hooks/plain HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST /hooks/pl\xffain HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_http_is_answered_and_counted_like_everything_else(web: Web, sent: bytes) -> None:
    assert problem(hang_up(web, sent)) == (400, "bad-request")
    assert web.counted("dripline_http_refused_total", reason="bad-request") == 1


def test_a_refusal_is_never_taken_for_the_answer_to_an_earlier_request(web: Web) -> None:
    whole = HEAD.replace(b"9", b"5") + b'\r\n["a"]'
    with web.engine.begin() as conn:
        conn.execute(text("LOCK TABLE event_keys"))
        assert hang_up(web, whole + b"what is this?\r\n\r\n") == b""
    eventually(lambda: web.rows("SELECT event_id FROM events") == [("a",)])
    assert web.counted("dripline_http_refused_total", reason="bad-request") == 1


def test_no_more_connections_are_kept_than_may_be(engine: Engine, clock: SteppedClock) -> None:
    with running(engine, clock, connections=3) as web:
        address = (web.server.host, web.server.port)
        kept = [socket.create_connection(address, timeout=10) for _ in range(3)]
        eventually(lambda: problem_or_nothing(web) == (503, "too-many-connections"))
        for each in kept:
            each.close()
        eventually(lambda: web_answers(web))
        assert web.counted("dripline_http_refused_total", reason="too-many-connections") >= 1


def problem_or_nothing(web: Web) -> tuple[int, str] | None:
    """What a connection hears that says nothing, if it hears something at once."""
    with socket.create_connection((web.server.host, web.server.port), timeout=0.5) as conn, suppress(TimeoutError):
        return problem(b"".join(iter(lambda: conn.recv(65536), b"")))
    return None


def web_answers(web: Web) -> bool:
    with suppress(OSError):
        return web.deliver("a").status == 202
    return False


LARGE = 1_000_000


def half_sent(web: Web, size: int = LARGE) -> socket.socket:
    """A connection that has sent half of a delivery of `size` bytes."""
    conn = socket.create_connection((web.server.host, web.server.port), timeout=10)
    conn.sendall(HEAD.replace(b"9", b"%d" % size) + b"\r\n[" + b" " * (size // 2))
    return conn


def finish(conn: socket.socket, size: int = LARGE) -> bytes:
    """Send the rest, and return the answer."""
    conn.sendall(b" " * (size - size // 2 - 5) + b'"a"]')
    answer = conn.recv(65536)
    conn.close()
    return answer


def test_deliveries_on_their_way_are_bounded_and_small_ones_get_through(engine: Engine, clock: SteppedClock) -> None:
    with running(engine, clock, max_body=LARGE, bodies=3 * LARGE) as web:
        before = resident()
        waiting = [half_sent(web) for _ in range(100)]
        for number in range(20):
            assert web.deliver(f"small {number}").status == 202
        assert resident() - before < 30 * LARGE
        answers = [finish(conn) for conn in waiting]
        refused = [answer for answer in answers if answer.startswith(b"HTTP/1.1 503 ")]
        assert 90 < len(refused) < 100
        assert all(b"retry-after: 5" in answer and b"problem:overloaded" in answer for answer in refused)
        assert all(answer.startswith(b"HTTP/1.1 202 ") for answer in answers if answer not in refused)
        assert web.counted("dripline_deliveries_total", source="plain", outcome="overloaded") == len(refused)
        assert finish(half_sent(web)).startswith(b"HTTP/1.1 202 ")


def test_who_hangs_up_in_the_middle_leaves_nothing_behind(engine: Engine, clock: SteppedClock) -> None:
    with running(engine, clock, max_body=LARGE, bodies=2 * LARGE) as web:
        for _ in range(20):
            half_sent(web).close()
        eventually(lambda: web.counted("dripline_deliveries_total", source="plain", outcome="disconnected") == 20)
        assert finish(half_sent(web)).startswith(b"HTTP/1.1 202 ")


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


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


class Lifespan:
    """An application that only starts and stops, and notes it."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        for word in ("startup", "shutdown"):
            self.heard.append((await receive())["type"])
            await send({"type": f"lifespan.{word}.complete"})

    def refused(self, reason: str) -> None:
        raise AssertionError(reason)


def test_a_signal_while_the_server_is_being_made_stops_it_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    made = uvicorn.Config.get_loop_factory

    def interrupted(config: uvicorn.Config) -> Callable[[], AbstractEventLoop] | None:
        signal.raise_signal(signal.SIGTERM)
        return made(config)

    monkeypatch.setattr(uvicorn.Config, "get_loop_factory", interrupted)
    monkeypatch.setattr(server, "settle_down", lambda: None)
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    app = Lifespan()
    try:
        with server.bind("127.0.0.1", 0) as listener, pytest.raises(SystemExit, match="0"):
            server.serve(app, listener)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert app.heard == ["lifespan.startup", "lifespan.shutdown"]


def test_a_connection_that_nothing_comes_by_is_closed(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "KEEP_ALIVE_SECONDS", 0.2)
    for path in ("/hooks/plain", "/healthz"):
        conn = http.client.HTTPConnection(web.server.host, web.server.port, timeout=10)
        conn.request("POST" if path.startswith("/hooks") else "GET", path, b'["a"]', GOOD)
        conn.getresponse().read()
        assert conn.sock.recv(1) == b""
        conn.close()


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
            eventually(lambda: len(seen.get(202, ())) > 40)
            database.stop(signal.SIGINT)
            eventually(lambda: len(seen.get(503, ())) > 40)
            database.start()
            before = len(seen[202])
            eventually(lambda: len(seen[202]) > before + 40)
        finally:
            stop.set()
        for each in working:
            each.result()
    assert max(slowest) < 8
    return seen
