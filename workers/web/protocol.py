"""HTTP on one connection: uvicorn's protocol with bounds, and a short way for deliveries."""

from __future__ import annotations

import asyncio
import re
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from workers.web import problems

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, BaseTransport
    from collections.abc import Callable

    from uvicorn._types import ASGISendEvent, HTTPResponseStartEvent

    from workers.web.problems import Problem

HEAD_BYTES: Final = 64 * 1024
"""Most that a request's head may have; the parser itself knows no limit."""
DELIVERY: Final = re.compile(rb"/hooks/[A-Za-z0-9_.-]+")
"""The target of an ordinary delivery: nothing in it has to be decoded or taken apart."""
CLOSE: Final = (b"connection", b"close")


class _JoinedWrites:
    """A transport that sends in one piece what is written in one go: uvicorn writes an answer's head and body apart.

    Measured: a system call and a packet less for each answer, and a tenth less processor time.
    """

    def __init__(self, transport: Any, loop: AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def write_whole(self, data: bytes) -> None:
        """Send what is one piece already, behind whatever was written before."""
        if self._parts:
            self._flush()
        if not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))


class _Delivery(RequestResponseCycle):
    """A request to the receiver and its answer: in one piece, and with headers of our own making.

    So nothing of the answer has to be looked at before it is sent. Measured: a fifth less processor time for a request.
    """

    disconnected = waiting_for_100_continue = response_started = response_complete = False
    more_body = True
    _begun: HTTPResponseStartEvent

    def __init__(self, connection: Connection, *, keep_alive: bool) -> None:
        self.scope = connection.scope
        self.transport = connection.transport
        self.flow = connection.flow
        self.logger = connection.logger
        self.message_event = asyncio.Event()
        self.on_response = connection.on_response_complete
        self.keep_alive = keep_alive
        self.body = bytearray()

    async def send(self, message: ASGISendEvent) -> None:
        """Send the answer when its body is there."""
        if message["type"] == "http.response.start":
            self._begun = message
            return
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if not self.disconnected:
            self._answer([*self._begun["headers"]], cast("Any", message)["body"])

    def _answer(self, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        if CLOSE in headers:
            self.keep_alive = False
        elif not self.keep_alive:
            headers.append(CLOSE)
        lines = [name + b": " + value for name, value in headers]
        head = STATUS_LINE[self._begun["status"]] + b"\r\n".join(lines)
        cast("Any", self.transport).write_whole(head + b"\r\n\r\n" + body)
        self.response_started = self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


class Connection(HttpToolsProtocol):
    """uvicorn's, with bounds on a request's time, on its head's size and on the number of connections.

    Time is looked at once a second for all connections, so that requests need no timers. What is refused here is
    answered with a problem and counted, like everything else.

    Args:
        refused: told the word of each refusal.
        connections: how many may be open.
        **given: uvicorn's own.
    """

    began: float | None = None
    """When the request that is still arriving began, in seconds of `time.monotonic`; None if there is none."""
    idle: float | None = None
    """Since when the connection waits for another request; None while there is one, and before the first."""
    _head: int | None = 0
    """Bytes of the head that is still arriving."""

    def __init__(self, refused: Callable[[str], None], connections: int, **given: Any) -> None:
        super().__init__(**given)
        self._refused = refused
        self._most = connections

    def connection_made(self, transport: BaseTransport) -> None:
        """Take note of a new connection, or refuse it."""
        super().connection_made(cast("Any", _JoinedWrites(transport, self.loop)))
        self.began = time.monotonic()
        if len(self.connections) > self._most:
            self.refuse(problems.too_many_connections())

    def on_message_begin(self) -> None:
        """A request begins to arrive."""
        super().on_message_begin()
        self.began = time.monotonic()
        self.idle = None
        self._head = 0

    def on_headers_complete(self) -> None:
        """Begin to answer, deliveries by the short way."""
        self._head = None
        before: RequestResponseCycle | None = self.cycle  # None before the first request, whatever uvicorn says
        waits = before is not None and not before.response_complete
        if waits or self.expect_100_continue or not DELIVERY.fullmatch(self.url) or not self._is_plain_post():
            super().on_headers_complete()
            return
        path = self.url.decode("ascii")
        self.scope.update({"method": "POST", "path": path, "raw_path": self.url, "query_string": b""})
        self.cycle = _Delivery(self, keep_alive=self.parser.should_keep_alive())
        self._start_asgi_task(self.cycle, self.app)

    def _is_plain_post(self) -> bool:
        parser = self.parser
        return parser.get_method() == b"POST" and parser.get_http_version() == "1.1" and not parser.should_upgrade()

    def on_message_complete(self) -> None:
        """The whole request is there."""
        self.began = None
        super().on_message_complete()
        if self.cycle.response_complete:  # it was refused before its end had come
            self.idle = time.monotonic()

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for it: as uvicorn does, but for its timer."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self.began is None:
            self.idle = time.monotonic()

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived."""
        super().data_received(data)
        if self._head is not None:
            self._head += len(data)
            if self._head > HEAD_BYTES:
                self.send_400_response("The head of the request is too large")

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self.refuse(problems.bad_request(msg))

    def refuse(self, problem: Problem) -> None:
        """Close the connection, with this for an answer unless it would be taken for that of an earlier request."""
        if self.transport.is_closing():
            return
        self._refused(problem.word)
        if not self._owes_another():
            self.transport.write(_written(problem))
        self.transport.close()

    def _owes_another(self) -> bool:
        """True if a request that has arrived waits for its answer, or has got a part of it."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        return bool(self.pipeline) or cycle.response_started or not cycle.more_body


def _written(problem: Problem) -> bytes:
    """A problem as HTTP."""
    body = problem.body()
    headers = [
        (b"content-type", problems.CONTENT_TYPE), (b"content-length", b"%d" % len(body)), CLOSE, *problem.headers,
    ]  # fmt: skip
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (problem.status, HTTPStatus(problem.status).phrase.encode(), lines, body)
