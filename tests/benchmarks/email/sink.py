"""An SMTP server that takes everything, counts it, and forgets it. Run as a process of its own.

Prints its port, then, when it is told to end, what it has seen as JSON. It speaks just enough SMTP to cost little next
to the client that is measured; what it counts, it counts after the final dot and before it answers.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import cast

import uvloop

END = b"\r\n.\r\n"
KEPT = 3
MESSAGE_ID = re.compile(rb"^Message-ID: <([^>]+)>", re.IGNORECASE | re.MULTILINE)
HELLO = b"250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"


@dataclass
class Seen:
    """What came in.

    Attributes:
        distinct: Message-IDs.
        seconds: from the first final dot to the last.
        by_second: messages by the second in which they came.
        kept: the latest few messages, as they came.
    """

    mails: int = 0
    connections: int = 0
    bytes: int = 0
    first: float = 0.0
    last: float = 0.0
    ids: set[bytes] = field(default_factory=set)
    by_second: dict[int, int] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)

    def take(self, message: bytes) -> None:
        """One message."""
        self.last = time.monotonic()
        self.first = self.first or self.last
        self.mails += 1
        self.by_second[int(self.last)] = self.by_second.get(int(self.last), 0) + 1
        self.bytes += len(message)
        found = MESSAGE_ID.search(message)
        self.ids.add(found[1] if found else b"")
        self.kept = [*self.kept[1 - KEPT :], message.decode("latin-1")]

    def as_data(self) -> dict[str, object]:
        """Without the ids."""
        return {**asdict(self), "ids": len(self.ids), "seconds": self.last - self.first}


class Session(asyncio.Protocol):
    """One connection."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._buffer = b""
        self._in_data = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none of asyncio's classes
        self._seen.connections += 1
        transport.write(b"220 sink.test ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._message() if self._in_data else self._command():
            pass

    def _message(self) -> bool:
        message, end, rest = self._buffer.partition(END)
        if not end:
            return False
        self._seen.take(message)
        self._buffer, self._in_data = rest, False
        self._transport.write(b"250 2.0.0 Ok: queued\r\n")
        return True

    def _command(self) -> bool:
        line, end, rest = self._buffer.partition(b"\r\n")
        if not end:
            return False
        self._buffer = rest
        verb = line[:4].upper()
        if verb == b"EHLO":
            self._transport.write(HELLO)
        elif verb == b"DATA":
            self._in_data = True
            self._transport.write(b"354 go on\r\n")
        elif verb == b"QUIT":
            self._transport.write(b"221 bye\r\n")
            self._transport.close()
        else:
            self._transport.write(b"250 ok\r\n")
        return True


async def serve() -> None:
    """Until SIGTERM."""
    seen, loop, over = Seen(), asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, over.set)
    server = await loop.create_server(lambda: Session(seen), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await over.wait()
    server.close()
    print(json.dumps(seen.as_data()), flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(uvloop.run(serve()))
