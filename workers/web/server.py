"""Running the web application on uvicorn: by itself (`dripline web`), or in a thread beside others (`dripline dev`)."""

from __future__ import annotations

import socket
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import uvicorn

from workers.exceptions import ConfigurationError
from workers.log import get_logger
from workers.processes import settle_down
from workers.web import problems
from workers.web.protocol import Connection

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

log = get_logger(__name__)

REQUEST_SECONDS: Final = 30.0
"""In which a request has to arrive, head and body; the first one of a connection is counted from connecting."""
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


class _Server(uvicorn.Server):
    """uvicorn's, closing the connections whose request does not arrive, or that nothing comes by any more.

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
            self._look_round(time.monotonic())
        return await super().on_tick(counter)

    def _look_round(self, now: float) -> None:
        for connection in [*self.server_state.connections]:
            if not isinstance(connection, Connection):
                continue
            if connection.began is not None and connection.began < now - REQUEST_SECONDS:
                connection.refuse(problems.too_slow(REQUEST_SECONDS))
            elif connection.idle is not None and connection.idle < now - KEEP_ALIVE_SECONDS:
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


def serve(app: Application, *listeners: socket.socket, connections: int = CONNECTIONS) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished first. For the main thread of a process."""
    server = _server(app, connections)
    server.alone = True
    # It does so too, but only once its loop runs: a signal that came while the loop was being made broke it off.
    with server.capture_signals():
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


def _server(app: Application, connections: int) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http=cast("Any", partial(Connection, app.refused, connections)),
            ws="none",
            lifespan="on",
            interface="asgi3",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
