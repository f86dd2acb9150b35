"""The SMTP adapter against a real server; what it makes of misbehaving ones is in the contract suite."""

from __future__ import annotations

import base64
import json
import select
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any, Final

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from integrations.contracts import Accepted, Incoming, Request
from integrations.dkim import Signer
from integrations.email import sendgrid
from integrations.email.smtp import ECHOES, Adapter
from integrations.exceptions import ConfigurationError, Rejected, Unavailable
from integrations.mime import build
from integrations.posting import armoured
from tests.contract import outcomes, scripted
from tests.contract.recorded import recorded
from tests.integrations.certificates import Certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage
    from pathlib import Path

NOW: Final = datetime(2026, 9, 7, 10, tzinfo=UTC)
MAIL: Final = replace(outcomes.MAIL, text="Hello Ann,\n.\n..two\nthis is it.\n")


KEY: Final[str] = next(case for case in recorded("sendgrid")).source.verification_key  # type: ignore[attr-defined]


class Inbox:
    """A handler for aiosmtpd that keeps what comes."""

    def __init__(self) -> None:
        self.envelopes: list[Any] = []
        self.peers: set[Any] = set()

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802  (aiosmtpd's name)
        if address.startswith("nobody@"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 fine"

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  (aiosmtpd's name)
        self.envelopes.append(envelope)
        self.peers.add(session.peer)
        return "250 2.0.0 Ok: queued as 4F2B"

    def messages(self) -> list[EmailMessage]:
        return [message_from_bytes(envelope.content, policy=policy.default) for envelope in self.envelopes]


@contextmanager
def server(inbox: Inbox, **given: Any) -> Iterator[int]:
    port = scripted.nobody_listens()
    controller = Controller(inbox, hostname="127.0.0.1", port=port, server_hostname="mx.test", **given)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def unix(part: Any) -> str:
    """A part's text with our line endings."""
    text: str = part.get_payload(decode=True).decode()
    return text.replace("\r\n", "\n")


@contextmanager
def adapter(port: int, **given: Any) -> Iterator[Adapter]:
    standard = {"host": "127.0.0.1", "port": port, "security": "none", "timeout": 5.0, "clock": lambda: NOW}
    made = Adapter(**{**standard, **given})
    try:
        yield made
    finally:
        made.close()


def test_only_a_vendor_that_is_named_is_told_the_key_and_its_events_bring_it_back() -> None:
    inbox = Inbox()
    with server(inbox) as port:
        for vendor in ("", "sendgrid"):
            with adapter(port, vendor=vendor) as smtp:
                smtp.send(MAIL)
    plain, told = inbox.messages()
    assert plain["x-smtpapi"] is None
    assert told["list-unsubscribe"]
    echoed = json.loads(told["x-smtpapi"])["unique_args"]
    delivered = {"email": MAIL.to, "timestamp": 1788775260, "event": "delivered", "sg_event_id": "e", **echoed}
    request = Request("POST", "", {}, json.dumps([delivered]).encode(), NOW)
    (event,) = sendgrid.Feedback(KEY).normalise(request)
    assert isinstance(event, Incoming)
    assert event.properties["message_key"] == MAIL.key


@pytest.mark.parametrize("vendor", ECHOES)
def test_what_every_vendor_takes_is_short_enough_and_names_the_mail(vendor: str) -> None:
    for key in (MAIL.key, "mail:" + "x" * 2000, "mail:grüße"):
        headers = ECHOES[vendor].headers(replace(MAIL, key=key))
        said = json.dumps(headers, ensure_ascii=False)
        assert any(each in said for each in (key, json.dumps(json.dumps(key))[3:-3], armoured(key), "d41d8cd98f"))
        assert all(len(value) < 700 for value in headers.values())
        build(replace(MAIL, headers=headers), NOW)


def test_a_mail_arrives_as_it_was_written() -> None:
    inbox = Inbox()
    with server(inbox) as port, adapter(port) as smtp:
        assert smtp.send(MAIL) == Accepted("4F2B")
    (envelope,), (message,) = inbox.envelopes, inbox.messages()
    assert (envelope.mail_from, envelope.rcpt_tos) == ("nora@northwind.example", ["ann@acme.test"])
    names = ("from", "to", "subject", "date", "message-id", "list-unsubscribe")
    assert {name: str(message[name]) for name in names} == {
        "from": "Nora at Northwind <nora@northwind.example>",
        "to": "ann@acme.test",
        "subject": "Grüße aus Berlin",
        "date": "Mon, 07 Sep 2026 10:00:00 +0000",
        "message-id": "<d41d8cd98f@northwind.example>",
        "list-unsubscribe": "<https://northwind.example/u/1>",
    }
    assert [unix(part) for part in message.iter_parts()] == [MAIL.text, MAIL.html]


def test_lines_that_begin_with_a_dot_survive() -> None:
    inbox = Inbox()
    text = ".\n..\n.hidden\n\n.\n"
    with server(inbox) as port, adapter(port) as smtp:
        smtp.send(replace(MAIL, text=text, html=None))
    (message,) = inbox.messages()
    assert unix(message) == text


def test_one_session_carries_many_mails() -> None:
    inbox = Inbox()
    with server(inbox) as port, adapter(port) as smtp:
        for _ in range(20):
            smtp.send(MAIL)
    assert len(inbox.envelopes) == 20
    assert len(inbox.peers) == 1


def test_a_session_ends_after_so_many_mails() -> None:
    inbox = Inbox()
    with server(inbox) as port, adapter(port, per_connection=5) as smtp:
        for _ in range(20):
            smtp.send(MAIL)
    assert len(inbox.peers) == 4


def test_a_session_that_refused_a_mail_takes_the_next() -> None:
    inbox = Inbox()
    with server(inbox) as port, adapter(port) as smtp:
        smtp.send(MAIL)
        with pytest.raises(Rejected, match="no such user") as error:
            smtp.send(replace(MAIL, to="nobody@acme.test"))
        smtp.send(MAIL)
    assert error.value.code == "550"
    assert len(inbox.envelopes) == 2
    assert len(inbox.peers) == 1


def test_threads_share_the_sessions_and_never_one_at_a_time() -> None:
    inbox = Inbox()
    with server(inbox) as port, adapter(port, connections=4) as smtp, ThreadPoolExecutor(4) as threads:
        mails = [replace(MAIL, to=f"lead{number}@acme.test") for number in range(200)]
        assert set(threads.map(smtp.send, mails)) == {Accepted("4F2B")}
    assert sorted(envelope.rcpt_tos[0] for envelope in inbox.envelopes) == sorted(mail.to for mail in mails)
    assert len(inbox.peers) <= 4


@pytest.mark.parametrize("how", ["closed", "good-bye"])
def test_a_session_that_the_server_ended_meanwhile_is_replaced(how: str) -> None:
    with scripted.Smtp() as smtp_server, adapter(smtp_server.port) as smtp:
        smtp.send(MAIL)
        old = smtp_server.open[0]
        if how == "good-bye":
            old.sendall(b"421 4.4.2 idle for too long\r\n")
        else:
            old.shutdown(socket.SHUT_RDWR)
        (idle,) = smtp._idle
        assert select.select([idle.sock], [], [], 5)[0], "it never arrived"
        assert smtp.send(MAIL) == Accepted("ABC123")
    assert len(smtp_server.mails) == 2
    assert smtp_server.connections == 2


def test_a_session_idle_for_too_long_is_not_trusted() -> None:
    inbox = Inbox()
    with server(inbox) as port, adapter(port, keep=0.0) as smtp:
        smtp.send(MAIL)
        smtp.send(MAIL)
    assert len(inbox.peers) == 2


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_connections_are_encrypted(security: str, tmp_path: Path) -> None:
    certificate = Certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate.files)
    inbox = Inbox()
    extra = {"tls_context": context, "require_starttls": True} if security == "starttls" else {"ssl_context": context}
    with server(inbox, **extra) as port:
        with adapter(port, security=security, ca_file=str(certificate.ca_file)) as smtp:
            for _ in range(3):
                smtp.send(MAIL)
        with adapter(port, security=security) as smtp, pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
            smtp.send(MAIL)
    assert len(inbox.envelopes) == 3
    assert len(inbox.peers) == 1


def test_logging_in(tmp_path: Path) -> None:
    certificate = Certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate.files)
    inbox = Inbox()

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.password == b"right" and data.login == b"nora", handled=False)

    extra = {"auth_required": True, "authenticator": authenticate, "auth_exclude_mechanism": ["LOGIN"]}
    with server(inbox, tls_context=context, **extra) as port:
        ca = {"security": "starttls", "ca_file": str(certificate.ca_file), "username": "nora"}
        with adapter(port, **ca, password="right") as smtp:
            smtp.send(MAIL)
        with adapter(port, **ca, password="wrong") as smtp, pytest.raises(Unavailable, match="535"):
            smtp.send(MAIL)
        with adapter(port, security="starttls", ca_file=ca["ca_file"]) as smtp, pytest.raises(Unavailable, match="530"):
            smtp.send(MAIL)
    assert len(inbox.envelopes) == 1


class OAuthInbox(Inbox):
    """Lets those in who come with a good token."""

    good = "t2"

    async def auth_XOAUTH2(self, smtp: Any, args: list[str]) -> AuthResult:  # noqa: N802  (aiosmtpd's name)
        said = base64.b64decode(args[1]).decode()
        self.said = said
        if said == f"user=nora@northwind.example\x01auth=Bearer {self.good}\x01\x01":
            return AuthResult(success=True, auth_data=said)
        await smtp.challenge_auth('{"status":"400","schemes":"Bearer"}')
        return AuthResult(success=False, handled=False)


def test_logging_in_with_an_access_token_that_is_replaced_when_it_is_refused(tmp_path: Path) -> None:
    inbox, certificate = OAuthInbox(), Certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate.files)
    steps = [{"status": 200, "json": {"access_token": token, "expires_in": 3600}} for token in ("t1", "t2")]
    with scripted.Http(steps=steps) as endpoint, server(inbox, auth_required=True, tls_context=context) as port:
        given = {
            "username": "nora@northwind.example", "oauth_endpoint": f"http://127.0.0.1:{endpoint.port}/token",
            "oauth_client_id": "dripline", "oauth_refresh_token": "1//consent",
            "security": "starttls", "ca_file": str(certificate.ca_file),
        }  # fmt: skip
        with adapter(port, **given) as smtp:
            with pytest.raises(Unavailable, match="535"):
                smtp.send(MAIL)
            smtp.send(MAIL)
            smtp.send(MAIL)
    assert len(inbox.envelopes) == 2
    assert len(endpoint.requests) == 2


def test_without_an_access_token_there_is_no_session() -> None:
    inbox = OAuthInbox()
    with scripted.Http(steps=[{"status": 400, "json": {"error": "invalid_grant"}}]) as endpoint, server(inbox) as port:
        url = f"http://127.0.0.1:{endpoint.port}"
        given = {"username": "nora", "oauth_endpoint": url, "oauth_client_id": "dripline"}
        with adapter(port, **given) as smtp, pytest.raises(Unavailable, match="invalid_grant"):
            smtp.send(MAIL)
    assert not inbox.peers


def test_mails_are_signed_before_they_leave() -> None:
    inbox = Inbox()
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with server(inbox) as port, adapter(port, dkim_selector="mail", dkim_key=pem) as smtp:
        smtp.send(replace(MAIL, text=".\n..\n"))
    ((envelope,), (message,)) = inbox.envelopes, inbox.messages()
    letter = build(replace(MAIL, text=".\n..\n"), NOW)
    assert envelope.content == Signer("", "mail", key).sign(letter.data, letter.sender, NOW)
    assert "d=northwind.example; s=mail;" in str(message["dkim-signature"])


def test_an_international_address_needs_a_server_that_takes_it() -> None:
    inbox = Inbox()
    mail = replace(MAIL, to="jürgen@büro.example")
    with server(inbox, enable_SMTPUTF8=True) as port, adapter(port) as smtp:
        smtp.send(mail)
        smtp.send(MAIL)
    assert inbox.envelopes[0].rcpt_tos == ["jürgen@xn--bro-hoa.example"]
    assert "SMTPUTF8" in inbox.envelopes[0].mail_options
    with server(inbox, enable_SMTPUTF8=False) as port, adapter(port) as smtp:
        with pytest.raises(Rejected, match="no-smtputf8"):
            smtp.send(mail)
        smtp.send(MAIL)


def test_the_final_dot_is_not_held_back() -> None:
    inbox = Inbox()
    with server(inbox) as port, adapter(port) as smtp:
        smtp.send(MAIL)
        start = time.perf_counter()
        for _ in range(20):
            smtp.send(MAIL)
        assert time.perf_counter() - start < 20 * 0.035  # delayed acknowledgements cost 40 ms each


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"security": "startls"}, "security"),
        ({"vendor": "sendgird"}, "vendor"),
        ({"oauth_endpoint": "oauth2.test", "oauth_client_id": "a", "username": "b"}, "oauth_endpoint"),
        ({"oauth_endpoint": "https://oauth2.test", "username": "b"}, "oauth_client_id"),
        ({"oauth_endpoint": "https://oauth2.test", "oauth_client_id": "a"}, "username"),
        ({"dkim_selector": "mail"}, "dkim_key"),
        ({"dkim_key": "-----BEGIN"}, "dkim_selector"),
        ({"dkim_selector": "mail", "dkim_key": "-----BEGIN"}, "dkim_key"),
        ({"dkim_selector": "mail; x", "dkim_key": "-----BEGIN"}, "dkim_selector"),
        ({"timeout": 0.0}, "timeout"),
        ({"accept_timeout": -1.0}, "accept_timeout"),
        ({"security": "tls", "ca_file": "/no/such/file"}, "ca_file"),
    ],
)
def test_a_wrong_setting_is_named(given: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigurationError) as error, adapter(25, **given):
        pass
    assert error.value.field == field
