"""A real SMTP server that keeps what it is given: the demo's other side, and the tests'."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Self

from aiosmtpd.smtp import SMTP

if TYPE_CHECKING:
    from email.message import EmailMessage

    from aiosmtpd.smtp import Envelope, Session


@dataclass(frozen=True, slots=True)
class Received:
    """One message as it came over the wire.

    Attributes:
        to: the envelope's recipient, which is who really gets it.
        message: the parsed content.
    """

    to: str
    message: EmailMessage


class SmtpServer:
    """Takes every message and keeps it. A context manager; its thread ends with it.

    Args:
        port: 0 takes a free one; `self.port` then says which.
        refuse: recipients that get a permanent `550`, for tests.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, *, refuse: frozenset[str] = frozenset()) -> None:
        self.host = host
        self.port = port
        self._refuse = refuse
        self._received: list[Received] = []
        self._lock = Lock()
        self._listening = Event()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._run, name="smtp-server", daemon=True)

    @property
    def received(self) -> list[Received]:
        """All messages so far, in the order they came."""
        with self._lock:
            return list(self._received)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._listening.wait(10):
            raise TimeoutError("the SMTP server did not start within 10 seconds")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        listening = loop.run_until_complete(
            loop.create_server(lambda: SMTP(self, loop=loop, enable_SMTPUTF8=True), self.host, self.port)
        )
        self.port = listening.sockets[0].getsockname()[1]
        self._listening.set()
        loop.run_forever()
        listening.close()
        for task in asyncio.all_tasks(loop):  # connections that a pool on the other side still holds
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it by this name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take the recipient, or refuse it for ever."""
        del server, session
        if address in self._refuse:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd calls it by this name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keep one copy per recipient."""
        del server, session
        message = message_from_bytes(envelope.content or b"", policy=default)  # type: ignore[arg-type]  # bytes, as decode_data is off
        with self._lock:
            self._received.extend(Received(to, message) for to in envelope.rcpt_tos)
        return "250 OK"
