"""SMTP against a real mail server, with its own bounces coming back."""

from __future__ import annotations

import os
import socket
import time
import warnings
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any, Final

import pytest
from aiosmtpd.controller import Controller
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from integrations.contracts import Accepted, Incoming, Mail
from integrations.email.smtp import Adapter
from integrations.exceptions import NotBegun, Rejected, Unavailable
from integrations.inbound import maildir
from integrations.received import read
from tests.conftest import NOW
from tests.integrations.certificates import Certificate
from tests.postfix import LARGEST, Postfix, missing
from workers.store.outbox import message_name

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it imports in turn is deprecated, which is no business of ours
    import dkim

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from email.message import EmailMessage

KEY: Final = rsa.generate_private_key(public_exponent=65537, key_size=1024)
PATIENCE: Final = 20.0
"""Seconds that a mail may take."""


class Elsewhere:
    """The server of other people: it has one good mailbox, a full one, and none for anybody else."""

    def __init__(self) -> None:
        self.got: list[str] = []

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802  (aiosmtpd's name)
        answers = {"good@remote.test": "250 fine", "full@remote.test": "552 5.2.2 mailbox full"}
        answer = answers.get(address, "550 5.1.1 no such user")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
            self.got.append(address)
        return answer


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[tuple[Elsewhere, int]]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    people = Elsewhere()
    controller = Controller(people, hostname="127.0.0.1", port=port)
    controller.start()
    yield people, port
    controller.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def postfix(elsewhere: tuple[Elsewhere, int], certificate: Certificate) -> Iterator[Postfix]:
    if why := missing():
        assert not os.environ.get("CI"), why
        pytest.skip(why)
    server = Postfix(elsewhere[1], certificate.files)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def smtp(postfix: Postfix, certificate: Certificate, **given: Any) -> Iterator[Adapter]:
    """The adapter as it would be set up for this server: encrypted, its certificate checked, mails signed."""
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    standard: dict[str, Any] = {
        "port": postfix.port, "security": "starttls", "ca_file": str(certificate.ca_file), "dkim_selector": "mail",
        "dkim_key": pem, "clock": lambda: NOW, "timeout": 10.0,
    }  # fmt: skip
    made = Adapter("127.0.0.1", **standard | given)
    try:
        yield made
    finally:
        made.close()


def mail(to: str, key: str = "") -> Mail:
    key = key or f"mail:{to}"
    return Mail(
        key=key,
        sender="Nöra <nora@northwind.example>",
        to=to,
        subject="Grüße aus Berlin",
        text="Hello,\n.\n..two\nthis is it.\n",
        html="<p>Hello</p>",
        message_id=f"{message_name(key)}@northwind.example",
        headers={"List-Unsubscribe": "<https://northwind.example/u/1>"},
    )


def until(found: Callable[[], list[bytes]], number: int = 1) -> list[bytes]:
    """Wait until so many are there."""
    deadline = time.monotonic() + PATIENCE
    while len(there := found()) < number:
        assert time.monotonic() < deadline, f"{len(there)} of {number} came"
        time.sleep(0.05)
    return there


def parsed(data: bytes) -> EmailMessage:
    message: Any = message_from_bytes(data, policy=policy.default)
    return message  # type: ignore[no-any-return]


def bounces(postfix: Postfix, number: int) -> list[bytes]:
    return until(lambda: postfix.received("nora@northwind.example"), number)


@pytest.fixture
def empty(postfix: Postfix) -> Postfix:
    """The server, its mailboxes empty."""
    for address in ("ann@acme.test", "nora@northwind.example", "jürgen@xn--bro-hoa.example"):
        for each in (postfix.box(address) / "new").glob("*"):
            each.unlink()
    return postfix


def test_a_mail_arrives_whole_and_its_signature_is_good(empty: Postfix, certificate: Certificate) -> None:
    with smtp(empty, certificate) as adapter:
        accepted = adapter.send(mail("ann@acme.test"))
    (data,) = until(lambda: empty.received("ann@acme.test"))
    message = parsed(data)
    assert (message["from"], message["subject"]) == ("Nöra <nora@northwind.example>", "Grüße aus Berlin")
    assert str(message["message-id"]) == f"<{mail('ann@acme.test').message_id}>"
    assert [part.get_content().replace("\r\n", "\n") for part in message.iter_parts()] == [
        "Hello,\n.\n..two\nthis is it.\n", "<p>Hello</p>",
    ]  # fmt: skip
    assert f"id {accepted.ref}" in str(message["received"]), "its own id, by which it is found in its log"
    assert "ESMTPS" in str(message["received"]), "encrypted"
    der = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    record = b"v=DKIM1; k=rsa; p=" + b"".join(der.splitlines()[1:-1])
    assert dkim.verify(data.replace(b"\n", b"\r\n"), dnsfunc=lambda _name, **_: record)


def test_an_international_address_is_delivered(empty: Postfix, certificate: Certificate) -> None:
    with smtp(empty, certificate) as adapter:
        adapter.send(mail("jürgen@büro.example"))
    (data,) = until(lambda: empty.received("jürgen@xn--bro-hoa.example"))
    assert str(parsed(data)["to"]) == "jürgen@xn--bro-hoa.example"


def test_a_hundred_mails_over_one_session(empty: Postfix, certificate: Certificate) -> None:
    with smtp(empty, certificate) as adapter:
        for number in range(100):
            adapter.send(mail("ann@acme.test", f"mail:{number}"))
    there = until(lambda: empty.received("ann@acme.test"), 100)
    assert len({parsed(each)["message-id"] for each in there}) == 100


def test_mails_that_go_together_each_have_their_own_outcome(empty: Postfix, certificate: Certificate) -> None:
    """Postfix offers PIPELINING: each mail is announced with the end of the one before."""
    mails = [mail("nobody@acme.test" if number % 4 == 2 else "ann@acme.test", f"mail:{number}") for number in range(40)]
    with smtp(empty, certificate) as adapter:
        results = [adapter.send_many([each])[0] for each in mails[:2]] + adapter.send_many(mails[2:])
        while late := [number for number, result in enumerate(results) if isinstance(result, NotBegun)]:
            for number, result in zip(late, adapter.send_many([mails[each] for each in late]), strict=True):
                results[number] = result
    assert [type(each) for each in results] == [Rejected if number % 4 == 2 else Accepted for number in range(40)]
    there = until(lambda: empty.received("ann@acme.test"), 30)
    taken = {str(parsed(each)["message-id"]).strip("<>") for each in there}
    assert taken == {
        each.message_id for each, result in zip(mails, results, strict=True) if isinstance(result, Accepted)
    }


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"to": "nobody@acme.test"}, "550"),
        ({"to": "ann@unknown.test"}, "relay"),
        ({"text": "x" * LARGEST * 2}, "552"),
    ],
)
def test_what_it_refuses_at_once(empty: Postfix, certificate: Certificate, change: dict[str, str], code: str) -> None:
    with smtp(empty, certificate) as adapter:
        if code == "relay":  # it does not relay for us: the next mail would fare no better
            with pytest.raises(Unavailable, match="Relay access denied"):
                adapter.send(replace(mail("ann@acme.test"), **change))
        else:
            with pytest.raises(Rejected) as error:
                adapter.send(replace(mail("ann@acme.test"), **change))
            assert error.value.code == code
        adapter.send(mail("ann@acme.test"))
    assert len(until(lambda: empty.received("ann@acme.test"))) == 1


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(empty: Postfix, certificate: Certificate) -> None:
    with smtp(empty, certificate, ca_file="") as adapter, pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
        adapter.send(mail("ann@acme.test"))


@pytest.mark.parametrize(("to", "kind"), [("gone@remote.test", "hard"), ("full@remote.test", "soft")])
def test_its_bounces_say_which_mail_came_back_and_why(
    empty: Postfix, certificate: Certificate, to: str, kind: str
) -> None:
    sent = mail(to)
    with smtp(empty, certificate) as adapter:
        adapter.send(sent)
    (data,) = bounces(empty, 1)
    event = read(data, NOW)
    assert isinstance(event, Incoming)
    assert event.type == "email.bounced"
    assert event.properties["kind"] == kind
    assert event.properties["message_id"] == sent.message_id
    assert event.identities == (("message", f"#{message_name(sent.key)}"),)


def test_bounces_are_fetched_from_the_mailbox_that_it_fills(empty: Postfix, certificate: Certificate) -> None:
    with smtp(empty, certificate) as adapter:
        for number in range(5):
            adapter.send(mail(f"gone{number}@remote.test"))
        adapter.send(mail("good@remote.test"))
    bounces(empty, 5)
    box = maildir.Adapter(empty.box("nora@northwind.example"))
    letters = list(box.fetch(10))
    events: list[Any] = [read(each.raw, NOW) for each in letters]
    assert {event.properties["message_id"].partition("@")[0] for event in events} == {
        message_name(f"mail:gone{number}@remote.test") for number in range(5)
    }
    box.done([each.handle for each in letters])
    assert list(box.fetch(10)) == []


def test_a_server_that_was_stopped_takes_nothing_and_goes_on_when_it_is_back(
    empty: Postfix, certificate: Certificate
) -> None:
    with smtp(empty, certificate) as adapter:
        adapter.send(mail("ann@acme.test", "mail:before"))
        until(lambda: empty.received("ann@acme.test"))
        empty.stop()
        with pytest.raises(Unavailable):
            adapter.send(mail("ann@acme.test", "mail:meanwhile"))
        empty.start()
        adapter.send(mail("ann@acme.test", "mail:after"))
    ids = {str(parsed(each)["message-id"]) for each in until(lambda: empty.received("ann@acme.test"), 2)}
    assert ids == {f"<{message_name(f'mail:{each}')}@northwind.example>" for each in ("before", "after")}
