"""Loopback servers that do exactly what a script says, down to when they hang up."""

from __future__ import annotations

import json
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DROP: Final = "drop"
SILENT: Final = "silent"
PATIENCE: Final = 10.0
"""Seconds after which a server gives up on its client, so that no test can hang."""


@dataclass
class Server:
    """Accepts connections on a free port of the loopback interface, each in a thread. A context manager."""

    threads: list[threading.Thread] = field(default_factory=list)
    open: list[socket.socket] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.stopped = threading.Event()

    def __enter__(self) -> Self:
        thread = threading.Thread(target=self._accept, daemon=True)
        self.threads.append(thread)
        thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            connection.settimeout(PATIENCE)
            self.open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            self.talk(connection)

    def talk(self, connection: socket.socket) -> None:
        """What to do with one client; this one hangs up."""
        drop(connection)

    def silent(self) -> None:
        """Say nothing until the test is over."""
        self.stopped.wait(PATIENCE)


def drop(connection: socket.socket) -> None:
    """Reset the connection instead of closing it in good order."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


# ── HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Http(Server):
    """Answers requests with `steps`, in order; the last one for all further requests.

    A step is `{status, headers, json}`, or `{drop: reading | answering}`, or `{silent: true}`.
    """

    steps: list[dict[str, Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def talk(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as reader:
            while (request := read_request(reader)) is not None:
                with self.lock:
                    step = self.steps[min(len(self.requests), len(self.steps) - 1)]
                    self.requests.append(request)
                if step.get("silent"):
                    self.silent()
                    return
                if step.get("drop") == "reading":
                    drop(connection)
                    return
                answer = answer_of(step)
                if step.get("drop") == "answering":
                    connection.sendall(answer[: len(answer) // 2])
                    drop(connection)
                    return
                connection.sendall(answer)


def read_request(reader: Any) -> dict[str, Any] | None:
    """The next request; None if there is none that came whole."""
    line = reader.readline().decode()
    if not line.endswith("\n"):
        return None
    method, path, _ = line.split(" ")
    headers: dict[str, str] = {}
    while (line := reader.readline().decode()) != "\r\n":
        if not line.endswith("\n"):
            return None
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = reader.read(size := int(headers.get("content-length", "0")))
    if len(body) < size:
        return None
    return {"method": method, "path": path, "headers": headers, "body": body, "json": _json(body)}


def _json(body: bytes) -> Any:
    """The JSON in a body; None if it is something else, such as a form."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def answer_of(step: Mapping[str, Any]) -> bytes:
    body = step["body"].encode() if "body" in step else json.dumps(step.get("json", {})).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **step.get("headers", {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {step['status']} Because\r\n{head}\r\n".encode() + body


# ── SMTP ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Smtp(Server):
    """Speaks SMTP; `replies` by command, or by `greeting`, `body` (its first bytes came) and `end` (the final dot).

    A reply is its line, or `drop`, or `silent`; or a list of them, for one mail after the other.
    """

    replies: dict[str, str | list[str]] = field(default_factory=dict)
    mails: list[bytes] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    replied: str = ""

    def talk(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as reader:
            for step, default in self._steps(reader):
                reply = self._reply(step, default)
                if reply == DROP:
                    drop(connection)
                    return
                if reply == SILENT:
                    self.silent()
                    return
                self.replied = reply
                if reply:
                    connection.sendall(reply.encode() + b"\r\n")

    def _reply(self, step: str, default: str) -> str:
        said = self.replies.get(step, default)
        if isinstance(said, list):
            return said.pop(0) if said else default
        return said

    def _steps(self, reader: Any) -> Iterator[tuple[str, str]]:
        yield "greeting", "220 test"
        while line := reader.readline().decode().strip():
            self.commands.append(line)
            command = line.split(" ")[0].split(":")[0].lower()
            yield command, {"data": "354 go on", "quit": "221 bye"}.get(command, "250 fine")
            if command == "data" and self.replied.startswith("354"):
                yield from self._mail(reader)

    def _mail(self, reader: Any) -> Iterator[tuple[str, str]]:
        lines = [reader.readline()]
        yield "body", ""
        while lines[-1] != b".\r\n":
            lines.append(reader.readline())
            if not lines[-1]:
                return
        self.mails.append(b"".join(lines[:-1]))
        yield "end", "250 2.0.0 Ok: queued as ABC123"


def nobody_listens() -> int:
    """A port that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
