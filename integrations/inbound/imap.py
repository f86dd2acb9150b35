"""IMAP (RFC 3501): a mailbox on a mail server, over TLS.

Unseen mail is read without being marked (`BODY.PEEK`); what was taken in is marked as seen, and nothing is deleted.
"""

from __future__ import annotations

import imaplib
import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from integrations.contracts import Letter
from integrations.exceptions import ConfigurationError, Unavailable
from integrations.names import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SECURITY: Final = {"tls": 993, "starttls": 143, "none": 143}
"""Ways to connect, and the port of each."""
BROKEN: Final = (imaplib.IMAP4.error, OSError)


@dataclass
class Adapter:
    """Settings: where the mailbox is.

    Attributes:
        host: of the IMAP server.
        user, password: of the mailbox.
        folder: which is looked into.
        security: `tls`, `starttls`, or `none`.
        port: 0 takes the usual one.
        timeout: for connecting and for every answer.
        most: bytes of a mail that are read.
    """

    host: str
    user: str
    password: str = field(repr=False)
    folder: str = "INBOX"
    security: str = "tls"
    port: int = 0
    timeout: timedelta = timedelta(seconds=30)
    most: int = 10_000_000

    def __post_init__(self) -> None:
        """See that the settings can be used."""
        if self.security not in SECURITY:
            raise ConfigurationError(f"is '{self.security}'; {suggestion(self.security, SECURITY)}", "security")
        self._server: imaplib.IMAP4 | None = None

    def fetch(self, number: int) -> Iterator[Letter]:
        """Mails that were not taken in yet, the oldest first, each cut after `most` bytes.

        Raises:
            Unavailable: the server does not answer, or refuses us.
        """
        found = self._ask("UID", "SEARCH", None, "UNSEEN")
        for uid in (found[0] or b"").split()[:number]:
            parts = self._ask("UID", "FETCH", uid.decode(), f"(BODY.PEEK[]<0.{self.most}>)")
            body = next((part[1] for part in parts if isinstance(part, tuple)), None)
            if body is not None:  # else it was deleted meanwhile
                yield Letter(uid.decode(), body)

    def done(self, handles: Sequence[str]) -> None:
        """Mark mails as seen.

        Raises:
            Unavailable: the server does not answer, or refuses us.
        """
        if handles:
            self._ask("UID", "STORE", ",".join(handles), "+FLAGS.SILENT", r"(\Seen)")

    def close(self) -> None:
        """Log out."""
        server, self._server = self._server, None
        if server is not None:
            with suppress(*BROKEN):
                server.logout()

    def _ask(self, command: str, *arguments: Any) -> list[Any]:
        """The data of an answer."""
        try:
            answer, data = self._connected().uid(*arguments) if command == "UID" else ("NO", [])
        except BROKEN as error:
            self.close()
            raise Unavailable(f"{self.host}: {said(error)}") from error
        if answer != "OK":
            raise Unavailable(f"{self.host} answered {answer} to {arguments[0]}")
        return data

    def _connected(self) -> imaplib.IMAP4:
        if self._server is None:
            self._server = server = self._connect()  # known from now on, so that it is closed if we are refused
            server.login(self.user, self.password)
            answer, _ = server.select(quoted(self.folder))
            if answer != "OK":
                self.close()
                raise ConfigurationError(f"there is no folder {self.folder!r} in this mailbox", "folder")
        return self._server

    def _connect(self) -> imaplib.IMAP4:
        port, seconds = self.port or SECURITY[self.security], self.timeout.total_seconds()
        if self.security == "tls":
            return imaplib.IMAP4_SSL(self.host, port, timeout=seconds)
        server = imaplib.IMAP4(self.host, port, timeout=seconds)
        if self.security == "starttls":
            server.starttls()
        return server


def quoted(folder: str) -> str:
    """A folder's name as a quoted string."""
    return '"' + re.sub(r'(["\\])', r"\\\1", folder) + '"'


def said(error: BaseException) -> str:
    """What the server said, as text."""
    first = error.args[0] if error.args else error
    return first.decode("ascii", "replace") if isinstance(first, bytes) else str(error)
