"""Running the web application on uvicorn: by itself (`dripline web`), or in a thread beside others (`dripline dev`)."""

from __future__ import annotations

import socket
import threading
import time
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from workers.exceptions import ConfigurationError
from workers.log import get_logger
from workers.processes import settle_down
from workers.web import problems

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, BaseTransport
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from workers.web.problems import Problem

log = get_logger(__name__)

REQUEST_SECONDS: Final = 30.0
"""In which a request has to arrive, head and body; the first one of a connection is counted from connecting."""
HEAD_BYTES: Final = 64 * 1024
"""Most that a request's head may have; the parser itself knows no limit."""
KEEP_ALIVE_SECONDS: Final = 75
"""For which an idle connection is kept: senders reuse theirs for about a minute."""
GRACE_SECONDS: Final = 20
"""For which requests under way are waited for when the server stops: longer than a commit may take."""
CONNECTIONS: Final = 800
"""Open at the same time, unless somebody says otherwise; with what else is open, below the usual limit of 1,024."""


class Application(Protocol):
    """What is served."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""

    def refused(self, reason: str) -> None:
        """Take note that the server answered a request by itself, for this constant word."""


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

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))


class _Protocol(HttpToolsProtocol):
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
    _head: int | None = 0
    """Bytes of the head that is still arriving."""

    def __init__(self, refused: Callable[[str], None], connections: int, **given: Any) -> None:
        super().__init__(**given)
        self._refused = refused
        self._most = connections

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(cast("Any", _JoinedWrites(transport, self.loop)))
        self.began = time.monotonic()
        if len(self.connections) > self._most:
            self.refuse(problems.too_many_connections())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.began = time.monotonic()
        self._head = 0

    def on_headers_complete(self) -> None:
        self._head = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self.began = None
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head is not None:
            self._head += len(data)
            if self._head > HEAD_BYTES:
                self.send_400_response("The head of the request is too large")

    def send_400_response(self, msg: str) -> None:
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
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request, whatever uvicorn says
        if cycle is None or cycle.response_complete:
            return False
        return bool(self.pipeline) or cycle.response_started or not cycle.more_body


class _Server(uvicorn.Server):
    """uvicorn's, closing the connections whose request does not arrive.

    Attributes:
        alone: the process does nothing else, so its garbage collector may `settle_down`.
    """

    alone = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.alone:
            settle_down()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.alone:
            log.info("web_stopping", connections=len(self.server_state.connections), patience_s=GRACE_SECONDS)
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:
            self._close_slow(time.monotonic() - REQUEST_SECONDS)
        return await super().on_tick(counter)

    def _close_slow(self, before: float) -> None:
        for connection in [*self.server_state.connections]:
            if isinstance(connection, _Protocol) and connection.began is not None and connection.began < before:
                connection.refuse(problems.too_slow(REQUEST_SECONDS))


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one.

    Raises:
        ConfigurationError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"cannot listen on {host}:{port} ({error.strerror}); is another `dripline web` or `dripline dev` "
            "running? choose another port"
        ) from error
    listener.listen(2048)
    return listener


def serve(app: Application, *listeners: socket.socket, connections: int = CONNECTIONS) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished first. For the main thread of a process."""
    server = _server(app, connections)
    server.alone = True
    server.run(sockets=[*listeners])


class BackgroundServer:
    """The same in a thread.

    Attributes:
        host, port: where the first of its listeners listens.
    """

    def __init__(self, app: Application, *listeners: socket.socket, connections: int = CONNECTIONS) -> None:
        self.host, self.port = listeners[0].getsockname()[:2]
        self._server = _server(app, connections)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [*listeners]}, name="web", daemon=True
        )

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self.host}:{self.port}"

    def start(self, timeout: float = 20.0) -> None:
        """Return once it answers.

        Raises:
            TimeoutError: it did not start in `timeout` seconds; the log says why.
        """
        self._thread.start()
        deadline = time.monotonic() + timeout
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise TimeoutError("the web server did not start; the log has the reason")
            time.sleep(0.005)

    def stop(self) -> None:
        """Finish the requests under way, then return."""
        self._server.should_exit = True
        self._thread.join()


def _written(problem: Problem) -> bytes:
    """A problem as HTTP."""
    body = problem.body()
    headers = [
        (b"content-type", problems.CONTENT_TYPE), (b"content-length", b"%d" % len(body)), (b"connection", b"close"),
        *problem.headers,
    ]  # fmt: skip
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (problem.status, HTTPStatus(problem.status).phrase.encode(), lines, body)


def _server(app: Application, connections: int) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http=cast("Any", partial(_Protocol, app.refused, connections)),
            ws="none",
            lifespan="on",
            interface="asgi3",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
