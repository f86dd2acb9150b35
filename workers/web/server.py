"""Running the web application on uvicorn: by itself (`dripline web`), or in a thread beside others (`dripline dev`)."""

from __future__ import annotations

import gc
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Final, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from workers.exceptions import ConfigurationError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, BaseTransport

    from starlette.types import ASGIApp
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

REQUEST_SECONDS: Final = 30.0
"""In which a request has to arrive, head and body; the first one of a connection is counted from connecting."""
HEAD_BYTES: Final = 64 * 1024
"""Most that a request's head may have; the parser itself knows no limit."""
KEEP_ALIVE_SECONDS: Final = 75
"""For which an idle connection is kept: senders reuse theirs for about a minute."""
GRACE_SECONDS: Final = 20
"""For which requests under way are waited for when the server stops: longer than a commit may take."""


TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


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
    """uvicorn's, with a bound on a request's time and on its head's size; it has none of its own.

    Time is looked at once a second for all connections, so that requests need no timers.
    """

    began: float | None = None
    """When the request that is still arriving began, in seconds of `time.monotonic`; None if there is none."""
    _head: int | None = 0
    """Bytes of the head that is still arriving."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(cast("Any", _JoinedWrites(transport, self.loop)))
        self.began = time.monotonic()

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
                self.send_400_response("The head of the request is too large.")

    def give_up(self) -> None:
        """Close the connection, with an answer unless one is under way."""
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request, whatever uvicorn says
        if cycle is None or cycle.response_complete or not cycle.response_started:
            self.transport.write(TOO_SLOW)
        self.transport.close()


class _Server(uvicorn.Server):
    """uvicorn's, closing the connections whose request does not arrive.

    Attributes:
        alone: the process does nothing else; then what it has loaded at the start is taken out of the garbage
            collector's rounds, which otherwise hold requests up for tens of milliseconds.
    """

    alone = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.alone:
            gc.collect()
            gc.freeze()

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:
            self._close_slow(time.monotonic() - REQUEST_SECONDS)
        return await super().on_tick(counter)

    def _close_slow(self, before: float) -> None:
        for connection in [*self.server_state.connections]:
            if isinstance(connection, _Protocol) and connection.began is not None and connection.began < before:
                connection.give_up()


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


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished first. For the main thread of a process."""
    server = _server(app)
    server.alone = True
    server.run(sockets=[listener])


class BackgroundServer:
    """The same in a thread.

    Attributes:
        host, port: where it listens.
    """

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        self.host, self.port = listener.getsockname()[:2]
        self._server = _server(app)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="web", daemon=True
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


def _server(app: ASGIApp) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http=_Protocol,
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
