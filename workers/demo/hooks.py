"""A receiver of webhooks on loopback that keeps what it is given: a chat and another program, the demo's other side."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

HookName = tuple[str, str]
"""The hook, and what makes a message one whatever number the lead has."""


class HookReceiver:
    """Takes every message posted to `/<hook>` and keeps it. A context manager; its threads end with it."""

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, Any]]] = []
        self._lock = Lock()
        self._server = _Server(("127.0.0.1", 0), self)
        self._thread = Thread(target=self._server.serve_forever, name="hook-receiver", daemon=True)

    def url(self, hook: str) -> str:
        """Where messages of a hook are to be posted."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{hook}"

    def take(self, hook: str, payload: dict[str, Any]) -> None:
        """Keep a message."""
        with self._lock:
            self.received.append((hook, payload))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # connections that a pool on the other side still holds

    def __init__(self, address: tuple[str, int], receiver: HookReceiver) -> None:
        super().__init__(address, _Handler)
        self.receiver = receiver


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        """Take one message, and say so as a chat does."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.receiver.take(self.path.strip("/"), json.loads(body))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Keep quiet: what matters is kept."""


def hook_name(hook: str, payload: Mapping[str, Any]) -> HookName:
    """What makes a message one."""
    if "text" in payload:
        return hook, str(payload["text"])
    data = payload["data"]
    return hook, " ".join(map(str, (data["lead"].get("email"), data["campaign"], data["run"], data["step"])))
