"""The dialogue of SMTP (RFC 5321) over an open session: mails in, and exactly what became of each.

Where the server allows it (PIPELINING, RFC 2920), sender, recipient and DATA leave in one write, and those of the next
mail together with the end of the one before: a mail costs one round trip instead of five. There is never more than one
mail on its way, so a lost connection leaves one unclear and no more.
"""

from __future__ import annotations

import re
import select
import smtplib
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from integrations.exceptions import Rejected, Unavailable, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integrations.mime import Letter

NOT_THE_MAIL: Final = frozenset({421, 503, 530, 534, 535, 538})
"""Replies about the session (closing, out of step, not logged in): no reason to give up this mail."""
NOT_FOR_US: Final = re.compile(r"\brelay", re.IGNORECASE)
"""How Postfix (`Relay access denied`), Exim, Exchange and Sendmail refuse a recipient because of who is asking."""
END: Final = b".\r\n"
GO_ON: Final = 354
CLOSING: Final = 421
UNREADABLE: Final = -1
LONGEST_LINE: Final = 8192
"""Bytes of a line of a reply; RFC 5321 allows 512."""
_DOT: Final = re.compile(rb"(?m)^\.")
_LATER_DOT: Final = re.compile(rb"\n\.")
"""Found, or not, in a tenth of the time, because it does not look at every line's beginning."""


class Session:
    """An open session with the server, used by one thread at a time.

    Args:
        smtp: connected, greeted and logged in.
        timeout: seconds for every reply but the last.
        accept_timeout: seconds for the reply to the final dot.

    Attributes:
        sock: its connection.
        open: it can be used.
        sent: how often it was given a mail.
    """

    def __init__(self, smtp: smtplib.SMTP, timeout: float, accept_timeout: float) -> None:
        if smtp.sock is None or smtp.file is None:
            raise smtplib.SMTPServerDisconnected("closed")
        self._smtp, self.sock, self._replies = smtp, smtp.sock, smtp.file
        self._timeout = self._patience = timeout
        self._accept_timeout = accept_timeout
        self._pipelining = smtp.has_extn("pipelining")
        self._international = smtp.has_extn("smtputf8")
        self._announced: Letter | None = None
        self._refused_one = False
        self._idle_since = 0.0
        self.open = True
        self.sent = 0

    def stale(self, keep: float) -> bool:
        """True if it was idle for more than `keep` seconds, or if the server has said good-bye in the meantime."""
        if not self.open or time.monotonic() - self._idle_since > keep:
            return True
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(0))

    def lay_aside(self) -> None:
        """Nobody uses it for a while. An announced mail cannot be taken back: if it does not come, the session ends."""
        if self._announced is not None:
            self.close()
        self._idle_since = time.monotonic()

    def quit(self) -> None:
        """Say good-bye."""
        with suppress(OSError):
            self._wait(self._timeout)
            self._smtp.quit()
        self.close()

    def close(self) -> None:
        """End it without a word."""
        self.open = False
        self._smtp.close()

    # ── one mail ─────────────────────────────────────────────────────────────────────────────────────────────

    def hand_over(self, letter: Letter, following: Letter | None = None) -> str:
        """Send one mail; returns the server's last words.

        Args:
            letter: the mail.
            following: what this session is given next, if that is known: it is announced together with the end of this.

        Raises:
            Rejected: 5xx about the recipient or the mail.
            Unavailable: 4xx, the sender or we are refused, or the connection was lost before the mail was complete.
            Unknown: the connection was lost, or nothing came that is an answer, after the mail was complete.
        """
        self.sent += 1
        whole = _stuffed(letter.data) + END
        more = b"".join(_commands(following)) if following and self._may_announce(following) else b""
        try:
            self._agree(letter)
            self._write(whole + more, needed=len(whole))
        except OSError as error:
            self.close()
            raise Unavailable(f"the connection was lost before the mail was complete: {words(error)}") from error
        self._announced = following if more else None
        try:
            code, said = self._reply(self._accept_timeout)
        except OSError as error:
            self.close()
            raise Unknown(f"the mail was sent whole and no answer came: {words(error)}") from error
        if 400 <= code < 600:  # noqa: PLR2004  (RFC 5321: refused, for now or for good)
            raise refusal(code, said)
        if not _goes_on(code):
            self.close()
            raise Unknown(f"the mail was sent whole and the answer has no meaning there: {code} {said}")
        return said

    def _may_announce(self, letter: Letter) -> bool:
        return self._pipelining and (self._international or not letter.international)

    def _agree(self, letter: Letter) -> None:
        """Bring the server to wait for the mail's text.

        Raises:
            OSError: the connection was lost.
            Rejected: see `hand_over`; `Unavailable` as well.
        """
        if letter.international and not self._international:
            raise Rejected("no-smtputf8", "the server takes no addresses with characters beyond ASCII.")
        if self._refused_one:
            self._begin_anew()
        answers = self._answers(letter)
        for command, code, said in answers:
            if objection := _objection(command, code, said):
                self._refused_one = True
                self._catch_up(answers)
                raise objection

    def _catch_up(self, answers: Iterator[tuple[bytes, int, str]]) -> None:
        """Read the replies to what was said already of a mail that is refused by now."""
        try:
            if self._pipelining and GO_ON in [code for _, code, _ in answers]:
                self._write(END)  # RFC 2920, section 3.1: nobody is to get it, so it ends here, without a text
                self._reply(self._timeout)
        except OSError:
            self.close()

    def _answers(self, letter: Letter) -> Iterator[tuple[bytes, int, str]]:
        """The commands that announce the mail, and the replies to them. They are given as far as they are asked for."""
        commands = _commands(letter)
        announced, self._announced = self._announced is letter, None
        if self._pipelining and not announced:
            self._write(b"".join(commands))
        for command in commands:
            if not self._pipelining:
                self._write(command)
            yield command, *self._reply(self._timeout)

    def _begin_anew(self) -> None:
        """End what is left of a mail that was refused."""
        self._write(b"RSET\r\n")
        code, said = self._reply(self._timeout)
        if not _goes_on(code):
            raise smtplib.SMTPServerDisconnected(f"{code} {said}")
        self._refused_one = False

    def _write(self, data: bytes, *, needed: int = 0) -> None:
        """Write all of it.

        Raises:
            OSError: the connection was lost, and of the `needed` bytes (by default all) the system did not even take
                the last one: they have certainly not left. If it was lost after that, the missing reply will tell.
        """
        left = memoryview(data)
        self._wait(self._timeout)
        try:
            while left:
                left = left[self.sock.send(left) :]
        except OSError:
            if len(data) - len(left) < (needed or len(data)):
                raise

    def _wait(self, patience: float) -> None:
        """Wait no longer than so many seconds for the next thing."""
        if patience != self._patience:
            self.sock.settimeout(patience)
            self._patience = patience

    def _reply(self, patience: float) -> tuple[int, str]:
        """A reply's code and text.

        Raises:
            OSError: none came.
        """
        if not self.open:
            raise smtplib.SMTPServerDisconnected("closed")
        self._wait(patience)
        said, more = [], True
        while more:
            line = self._replies.readline(LONGEST_LINE)
            if not line.endswith(b"\n"):
                raise smtplib.SMTPServerDisconnected("the connection was closed")
            said.append(line[4:].strip().decode(errors="replace"))
            more = line[3:4] == b"-" and len(said) < LONGEST_LINE
        code = int(line[:3]) if line[:3].isdigit() else UNREADABLE
        if code == CLOSING:
            self.close()
        return code, "\n".join(said)


def refusal(code: int, said: str) -> Rejected | Unavailable:
    """What a reply other than consent means for a mail."""
    if 500 <= code < 600 and code not in NOT_THE_MAIL and not NOT_FOR_US.search(said):  # noqa: PLR2004  (permanent)
        return Rejected(str(code), said)
    return Unavailable(f"the server answered {code}: {said}")


def words(error: OSError) -> str:
    """An error of `smtplib` or of the socket, for people; replies come as bytes."""
    said = getattr(error, "smtp_error", None)
    if isinstance(said, bytes):
        return f"{getattr(error, 'smtp_code', '')} {said.decode(errors='replace')}"
    return str(error) or type(error).__name__


def _commands(letter: Letter) -> tuple[bytes, bytes, bytes]:
    """What announces a mail."""
    extra = " SMTPUTF8 BODY=8BITMIME" if letter.international else ""
    return f"MAIL FROM:<{letter.sender}>{extra}\r\n".encode(), f"RCPT TO:<{letter.to}>\r\n".encode(), b"DATA\r\n"


def _objection(command: bytes, code: int, said: str) -> Rejected | Unavailable | None:
    """What a reply to such a command means for the mail; None if it goes on."""
    if command.startswith(b"DATA"):
        return None if code == GO_ON else refusal(code, said)
    if _goes_on(code):
        return None
    return Unavailable(f"the sender is refused: {code} {said}") if command.startswith(b"MAIL") else refusal(code, said)


def _goes_on(code: int) -> bool:
    """True if the reply is a consent; RFC 5321, section 4.2.1, wants clients to go by the first digit."""
    return 200 <= code < 300  # noqa: PLR2004


def _stuffed(data: bytes) -> bytes:
    """Lines that begin with a dot get a second one, so that none can end the mail (RFC 5321, section 4.5.2)."""
    return _DOT.sub(b"..", data) if _LATER_DOT.search(data) or data.startswith(b".") else data
