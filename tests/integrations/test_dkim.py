from __future__ import annotations

import warnings
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.contracts import Attachment
from integrations.dkim import Signer, read_key
from integrations.exceptions import ConfigurationError
from integrations.mime import build
from tests.contract.outcomes import MAIL

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it imports in turn is deprecated, which is no business of ours
    import dkim

if TYPE_CHECKING:
    from integrations.contracts import Mail

NOW: Final = datetime(2026, 9, 7, 10, tzinfo=UTC)
KEY: Final = rsa.generate_private_key(public_exponent=65537, key_size=1024)
SIGNER: Final = Signer("northwind.example", "mail", KEY)


def pem(key: Any, password: bytes = b"") -> str:
    how: Any = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how).decode()


def in_dns(name: bytes, **_: Any) -> bytes:
    """The public key, where a receiver would look for it."""
    assert name == b"mail._domainkey.northwind.example."
    der = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return b"v=DKIM1; k=rsa; p=" + b"".join(der.splitlines()[1:-1])


def signed(mail: Mail) -> bytes:
    letter = build(mail, NOW)
    return SIGNER.sign(letter.data, letter.sender, NOW)


def good(message: bytes) -> bool:
    return bool(dkim.verify(message, dnsfunc=in_dns))


ANNEXED: Final = replace(MAIL, attachments=(Attachment("a.txt", "text/plain", b"  x \r\n\r\n"),))


@pytest.mark.parametrize(
    "mail",
    [
        MAIL,
        replace(MAIL, html=None, text=""),
        replace(MAIL, html=None, text="\n\n \n"),
        replace(MAIL, text="a  b\t c \n \n\n", reply_to="Ana <ana@northwind.example>"),
        replace(MAIL, to="jürgen@büro.example", subject="Grüße " * 40),
        replace(MAIL, headers={"List-Unsubscribe-Post": "List-Unsubscribe=One-Click", "X-Odd": "a   b"}),
        ANNEXED,
    ],
)
def test_a_receiver_finds_the_signature_good(mail: Mail) -> None:
    message = signed(mail)
    assert good(message)
    start = b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n d=northwind.example; s=mail;\r\n"
    assert message.startswith(start)
    assert b" t=1788775200;" in message
    assert all(len(line) < 80 for line in message.split(b"\r\n")[:14] if line.startswith((b"DKIM", b" ")))


@settings(max_examples=200, deadline=None)
@given(st.text("a \t\r\n.=-é", max_size=80), st.text("Aé \t", max_size=40).filter(lambda each: each.isprintable()))
def test_whatever_stands_in_it(text: str, subject: str) -> None:
    assert good(signed(replace(MAIL, text=text, html=None, subject=subject)))


def test_relays_may_change_blanks_and_nothing_else() -> None:
    message = signed(MAIL)
    assert good(message.replace(b"Subject: ", b"SUBJECT:   "))
    assert good(message + b"\r\n\r\n")
    for before, after in [
        (b"Hello Ann", b"Hello Eve"),
        (b"To: ann@", b"To: eve@"),
        (b"northwind.example/u/1", b"evil.test/u/1"),
        (b"Date: Mon", b"Date: Tue"),
    ]:
        assert before in message
        assert not good(message.replace(before, after)), before


@pytest.mark.parametrize(
    "header", [b"From: eve@evil.test", b"Subject: other", b"To: x@y.test", b"Reply-To: eve@evil.test"]
)
def test_nobody_can_add_a_header_that_a_reader_would_see(header: bytes) -> None:
    message = signed(MAIL)
    first, rest = message.split(b"\r\nFrom:", 1)
    assert not good(first + b"\r\n" + header + b"\r\nFrom:" + rest)


def test_the_domain_is_the_senders_if_none_is_given() -> None:
    letter = build(MAIL, NOW)
    message = replace(SIGNER, domain="").sign(letter.data, letter.sender, NOW)
    assert b"d=northwind.example;" in message
    assert good(message)


def test_a_key_may_be_written_on_one_line() -> None:
    assert read_key(pem(KEY).replace("\n", "\\n"), "dkim_key").key_size == 1024


@pytest.mark.parametrize(
    "text",
    ["", "secret", pem(ec.generate_private_key(ec.SECP256R1())), pem(KEY, b"password"), pem(KEY)[:-60]],
)
def test_a_key_that_is_none_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        read_key(text, "dkim_key")
    assert error.value.field == "dkim_key"
    assert "PRIVATE" not in str(error.value)
