"""E-mail over SMTP (RFC 5321), on connections that are kept and shared.

What became of a mail is told exactly, because it decides whether it may be sent again. The server takes responsibility
with its answer to the final dot; so a connection lost before the dot was sent is `Unavailable` (nothing was taken), and
one lost after it is `Unknown`. SMTP has no idempotency key: an `Unknown` mail must not simply be sent again.

A refusal is `Rejected` only where it is about the recipient or the mail. A server that refuses the sender, or to relay
for us at all, would refuse every mail: that is `Unavailable`, for a person to put right before anything is given up.
"""

from __future__ import annotations

import json
import re
import smtplib
import socket
import ssl
import time
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Final

from integrations.contracts import PROMPT, Accepted
from integrations.dialogue import Session, words
from integrations.dkim import Signer, read_key
from integrations.exceptions import ConfigurationError, DeliveryError, NotBegun, Rejected, Unavailable, Unknown
from integrations.mime import Letter, build
from integrations.names import suggestion
from integrations.oauth import Grant, Tokens
from integrations.posting import metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from integrations.contracts import Mail

PORTS: Final = {"none": 25, "starttls": 587, "tls": 465}
"""Ways to secure a connection, and the port that is usual for each."""
QUEUED: Final = re.compile(r"queued as ([\w.-]+)", re.IGNORECASE)
"""How Postfix and others tell their own id of a mail."""


@dataclass(frozen=True, slots=True)
class Echo:
    """How a vendor's servers are told a mail's key, which its events then hand back.

    Attributes:
        write: from name and value of the metadata to the headers that the vendor takes out of the mail.
        longest: characters of a value.
        armour: only letters, digits, `-` and `_` are taken.
    """

    write: Callable[[str, str], dict[str, str]]
    longest: int = 500
    armour: bool = False

    def headers(self, mail: Mail) -> dict[str, str]:
        """The headers for this mail."""
        ((name, value),) = metadata(mail, self.longest, armour=self.armour).items()
        return self.write(name, value)


ECHOES: Final[Mapping[str, Echo]] = {
    "brevo": Echo(lambda name, value: {"X-Mailin-custom": json.dumps({name: value})}),
    "mailgun": Echo(lambda name, value: {"X-Mailgun-Variables": json.dumps({name: value})}),
    "mandrill": Echo(lambda name, value: {"X-MC-Metadata": json.dumps({name: value})}),
    "postmark": Echo(lambda name, value: {f"X-PM-Metadata-{name}": value, "X-PM-KeepID": "true"}, 80),
    "resend": Echo(lambda _, value: {"Resend-Idempotency-Key": value}, 256),
    "sendgrid": Echo(lambda name, value: {"X-SMTPAPI": json.dumps({"unique_args": {name: value}})}),
    "ses": Echo(lambda name, value: {"X-SES-MESSAGE-TAGS": f"{name}={value}"}, 256, armour=True),
    "sparkpost": Echo(lambda name, value: {"X-MSYS-API": json.dumps({"metadata": {name: value}})}),
}
"""By vendor; as each says in its documentation of sending by SMTP."""


MOST: Final = 32
"""Mails in one call, at most."""


class Company:
    """How many mails may go in one call, so that the last one begins in time; threads share it.

    The next call has fewer at once where the last one took long, and up to twice as many where it was quick.
    """

    def __init__(self) -> None:
        self.most = 1

    def took(self, mails: int, seconds: float) -> None:
        """Take note of a call. Half of the time is left as a reserve."""
        within = int(mails * PROMPT / 2 / max(seconds, 1e-6))
        grown = self.most * 2 if mails >= self.most else self.most
        self.most = max(1, min(within, grown, MOST))


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Adapter:
    """An SMTP server.

    Attributes:
        host: its name or address.
        security: `starttls`, `tls` (from the first byte), or `none`.
        port: 0 takes the usual one: 587, 465 or 25.
        username: empty for no login.
        password: of the login.
        oauth_endpoint: where access tokens are to be had, to log in by OAuth 2.0 (XOAUTH2) instead of by password.
        oauth_client_id: of the application that was registered there.
        oauth_client_secret: the other half of it; empty if it has none.
        oauth_refresh_token: what a person's consent has brought; empty to ask in the application's own name.
        oauth_scope: such as `https://outlook.office365.com/.default`; empty for what was consented to.
        dkim_selector: to sign mails with DKIM: what stands before `._domainkey` in the name of the public key.
        dkim_key: the private key, PEM (DRIPLINE_SMTP_DKIM_KEY_FILE names a file that holds it).
        dkim_domain: whose key it is; empty for the domain of each mail's sender.
        ca_file: certificates to trust instead of the system's, for a server with a certificate of your own.
        timeout: seconds for connecting and for every reply but the last.
        accept_timeout: seconds for the reply to the final dot. Longer, because giving up there leaves it unknown
            whether the mail was taken; RFC 5321 suggests ten minutes.
        hello_name: what we call ourselves to the server; empty for the machine's name.
        connections: sessions kept open at most.
        vendor: whose server it is, if its events are to hand back each mail's key: `ses`, `sendgrid`, `mailgun`,
            `postmark`, `mandrill`, `brevo`, `sparkpost`, `resend`, or empty.
        per_connection: mails over one session; servers have limits.
        keep: seconds that an idle session is trusted.
        clock: for the `Date` header.
    """

    takes_key: ClassVar[bool] = False

    host: str
    port: int = 0
    security: str = "starttls"
    username: str = ""
    password: str = field(default="", repr=False)
    oauth_endpoint: str = ""
    oauth_client_id: str = ""
    oauth_client_secret: str = field(default="", repr=False)
    oauth_refresh_token: str = field(default="", repr=False)
    oauth_scope: str = ""
    dkim_selector: str = ""
    dkim_key: str = field(default="", repr=False)
    dkim_domain: str = ""
    ca_file: str = ""
    timeout: float = 30.0
    accept_timeout: float = 120.0
    hello_name: str = ""
    vendor: str = ""
    connections: int = 10
    per_connection: int = 100
    keep: float = 30.0
    clock: Callable[[], datetime] = field(default=_utc_now, repr=False)
    _idle: deque[Session] = field(init=False, repr=False, compare=False, default_factory=deque)
    _company: Company = field(init=False, repr=False, compare=False, default_factory=Company)
    _tls: ssl.SSLContext | None = field(init=False, repr=False, compare=False)
    _tokens: Tokens | None = field(init=False, repr=False, compare=False)
    _signer: Signer | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the settings and read the certificates once."""
        if self.security not in PORTS:
            raise ConfigurationError(f"is '{self.security}'; {suggestion(self.security, PORTS.keys())}", "security")
        if self.vendor and self.vendor not in ECHOES:
            raise ConfigurationError(f"is '{self.vendor}'; {suggestion(self.vendor, ECHOES.keys())}", "vendor")
        for name in ("timeout", "accept_timeout"):
            if getattr(self, name) <= 0:
                raise ConfigurationError("has to be more than 0 seconds.", name)
        try:
            tls = None if self.security == "none" else ssl.create_default_context(cafile=self.ca_file or None)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"is '{self.ca_file}', which cannot be read: {error}", "ca_file") from error
        object.__setattr__(self, "_tls", tls)
        object.__setattr__(self, "_tokens", self._make_tokens())
        object.__setattr__(self, "_signer", self._make_signer())

    def _make_tokens(self) -> Tokens | None:
        if not self.oauth_endpoint:
            return None
        for name in ("username", "oauth_client_id"):
            if not getattr(self, name):
                raise ConfigurationError("is not set, and logging in by OAuth 2.0 needs it.", name)
        grant = Grant(
            self.oauth_endpoint, self.oauth_client_id, self.oauth_client_secret, self.oauth_refresh_token,
            self.oauth_scope,
        )  # fmt: skip
        return Tokens(grant, "oauth_endpoint")

    def _make_signer(self) -> Signer | None:
        if not self.dkim_selector and not self.dkim_key:
            return None
        for name in ("dkim_selector", "dkim_domain"):
            if not re.fullmatch(r"[A-Za-z0-9._-]*", getattr(self, name)):
                raise ConfigurationError(f"is '{getattr(self, name)}', which is no name in the DNS.", name)
        if not self.dkim_selector or not self.dkim_key:
            missing = "dkim_key" if self.dkim_selector else "dkim_selector"
            raise ConfigurationError("is not set, and signing with DKIM needs it.", missing)
        return Signer(self.dkim_domain, self.dkim_selector, read_key(self.dkim_key, "dkim_key"))

    def send(self, mail: Mail) -> Accepted:
        """Hand over one mail.

        Raises:
            Rejected: 5xx about the recipient or the mail, or the mail's own headers are unusable.
            Unavailable: no session, 4xx, the sender or we are refused, or the connection was lost before the final dot.
            Unknown: the connection was lost, or nothing came that is an answer, after the final dot.
        """
        (result,) = self._sent([mail], 0.0)
        if isinstance(result, DeliveryError):
            raise result
        return result

    @property
    def most(self) -> int:
        """Mails in one call: as many as will have begun to leave in time, as the last calls went."""
        return self._company.most

    def send_many(self, mails: Sequence[Mail]) -> list[Accepted | DeliveryError]:
        """Hand over mails, one after the other on one session; what `send` raises is a value here.

        The first is tried whatever happens; of the others, those are `NotBegun` that cannot leave within `PROMPT`.
        """
        began = time.monotonic()
        results = self._sent(mails, began + PROMPT)
        self._company.took(len(mails), time.monotonic() - began)
        return results

    def _sent(self, mails: Sequence[Mail], until: float) -> list[Accepted | DeliveryError]:
        """What became of each; none but the first begins after `until`."""
        now = self.clock()
        letters = [self._letter(mail, now) for mail in mails]
        results: list[Accepted | DeliveryError] = []
        session: Session | None = None
        for mail, letter, following in zip(mails, letters, [*letters[1:], None], strict=True):
            if not isinstance(letter, Letter):
                results.append(letter)
                continue
            if results and time.monotonic() > until:
                results.append(NotBegun("other mails took too long"))
                continue
            try:
                session = session or self._take()
            except Unavailable as error:
                results.append(error)
                until = 0.0  # nor would the others get one
                continue
            results.append(_handed_over(session, mail, letter, self._next_of(session, following)))
            if not session.open or session.sent >= self.per_connection:
                self._give_back(session)
                session = None
        if session:
            self._give_back(session)
        return results

    def _next_of(self, session: Session, following: Letter | DeliveryError | None) -> Letter | None:
        """The mail to announce behind the next one; None if this session will not be given it."""
        more = session.sent + 1 < self.per_connection
        return following if more and isinstance(following, Letter) else None

    def _letter(self, mail: Mail, now: datetime) -> Letter | DeliveryError:
        """The message; `Rejected` if it cannot be built."""
        try:
            return self._built(mail, now)
        except Rejected as error:
            return error
        except Exception as error:  # noqa: BLE001  whatever it is: nothing has left, and the other mails have no part in it
            return Rejected("bad-mail", f"{type(error).__name__}: {error}")

    def _built(self, mail: Mail, now: datetime) -> Letter:
        if self.vendor:
            mail = replace(mail, headers={**mail.headers, **ECHOES[self.vendor].headers(mail)})
        letter = build(mail, now)
        if not self._signer:
            return letter
        return replace(letter, data=self._signer.sign(letter.data, letter.sender, now))

    def close(self) -> None:
        """Say good-bye on all idle sessions."""
        while self._idle:
            self._idle.pop().quit()
        if self._tokens:
            self._tokens.close()

    # ── sessions ─────────────────────────────────────────────────────────────────────────────────────────────

    def _take(self) -> Session:
        """The most recently used session, so that the others age and are closed; a new one if there is none."""
        while True:
            try:
                session = self._idle.pop()
            except IndexError:  # asking first would race with other threads
                return self._open()
            if not session.stale(self.keep):
                return session
            session.close()

    def _give_back(self, session: Session) -> None:
        """Keep the session if it is in order."""
        session.lay_aside()
        if session.sent >= self.per_connection or len(self._idle) >= self.connections:
            session.close()
        if session.open:
            self._idle.append(session)

    def _open(self) -> Session:
        port = self.port or PORTS[self.security]
        token = self._tokens.get() if self._tokens else ""
        try:
            smtp = self._connect(port)
            try:
                self._greet(smtp, token)
                return Session(smtp, self.timeout, self.accept_timeout)
            except OSError:
                smtp.close()
                raise
        except OSError as error:  # `smtplib`'s own errors are a kind of it
            if self._tokens and isinstance(error, smtplib.SMTPAuthenticationError):
                self._tokens.drop(token)  # it may have been withdrawn: the next try comes with another one
            raise Unavailable(f"no session with {self.host}:{port}: {words(error)}") from error

    def _connect(self, port: int) -> smtplib.SMTP:
        name = self.hello_name or socket.gethostname()
        if self.security == "tls":
            return smtplib.SMTP_SSL(self.host, port, name, timeout=self.timeout, context=self._tls)
        return smtplib.SMTP(self.host, port, name, timeout=self.timeout)

    def _greet(self, smtp: smtplib.SMTP, token: str) -> None:
        """Secure the connection and log in; by `token`, if there is one."""
        if smtp.sock is not None:
            # The final dot is a small write of its own; Nagle's algorithm would hold it back for 40 ms.
            smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        smtp.ehlo_or_helo_if_needed()
        if self.security == "starttls":
            smtp.starttls(context=self._tls)
            smtp.ehlo_or_helo_if_needed()
        if token:
            said = f"user={self.username}\x01auth=Bearer {token}\x01\x01"
            # A refusal comes with a challenge that explains it; an empty answer ends the dialogue.
            smtp.auth("XOAUTH2", lambda challenge=None: "" if challenge else said)
        elif self.username:
            smtp.login(self.username, self.password)


def _handed_over(session: Session, mail: Mail, letter: Letter, following: Letter | None) -> Accepted | DeliveryError:
    try:
        reply = session.hand_over(letter, following)
    except DeliveryError as error:
        return error
    except Exception as error:  # noqa: BLE001  a mistake of ours: this one may have left, the others have no part in it
        session.close()
        return Unknown(f"{type(error).__name__}: {error}")
    queued = QUEUED.search(reply)
    return Accepted(queued[1] if queued else mail.message_id)
