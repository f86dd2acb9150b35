"""Running the web application on uvicorn: by itself (`dripline web`), or in a thread beside others (`dripline dev`)."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Final, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from workers.exceptions import ConfigurationError

if TYPE_CHECKING:
    from asyncio import BaseTransport

    from starlette.types import ASGIApp

HEAD_SECONDS: Final = 10.0
"""In which a request's head has to arrive, the first one's counted from connecting."""
HEAD_BYTES: Final = 64 * 1024
"""Most that a request's head may have; the parser itself knows no limit."""
KEEP_ALIVE_SECONDS: Final = 75
"""For which an idle connection is kept: senders reuse theirs for about a minute."""
GRACE_SECONDS: Final = 20
"""For which requests under way are waited for when the server stops: longer than a commit may take."""


class _Protocol(HttpToolsProtocol):
    """uvicorn's, with a bound on time and size of a request's head; it has none of its own."""

    head_began: float | None = None
    """When the head that is still incomplete began, in seconds of `time.monotonic`."""
    _head_bytes = 0

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(cast("Any", transport))
        self.head_began = time.monotonic()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.head_began = time.monotonic()
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        self.head_began = None
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.head_began is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self.send_400_response("The head of the request is too large.")


class _Server(uvicorn.Server):
    """uvicorn's, closing the connections whose request's head does not get finished."""

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:
            self._close_slow(time.monotonic() - HEAD_SECONDS)
        return await super().on_tick(counter)

    def _close_slow(self, before: float) -> None:
        for connection in [*self.server_state.connections]:
            began = getattr(connection, "head_began", None)
            if began is not None and began < before:
                connection.transport.close()


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
    _server(app).run(sockets=[listener])


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
