from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from integrations.contracts import Request
from integrations.exceptions import BadSignature, ConfigurationError
from integrations.signatures import (
    STANDARD_WEBHOOKS,
    TYPEFORM,
    Scheme,
    ecdsa_key,
    sign,
    standard_secret,
    verify,
    verify_ecdsa,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW: Final = datetime(2026, 9, 7, 10, tzinfo=UTC)
AT: Final = str(int(NOW.timestamp()))
SECRET: Final = bytes(range(32))


def request(headers: Mapping[str, str], body: bytes = b"{}", received_at: datetime = NOW) -> Request:
    return Request("POST", "https://dripline.test/hooks/x", headers, body, received_at)


def signed(body: bytes = b"{}", secret: bytes = SECRET, timestamp: str = AT) -> dict[str, str]:
    signature = sign(STANDARD_WEBHOOKS, secret, body, message_id="msg_1", timestamp=timestamp)
    return {"webhook-id": "msg_1", "webhook-timestamp": timestamp, "webhook-signature": signature}


def by_hand(secret: bytes, message: bytes) -> bytes:
    """HMAC-SHA256 as RFC 2104 spells it out."""
    key = (hashlib.sha256(secret).digest() if len(secret) > 64 else secret).ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + message).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner).digest()


@given(st.binary(min_size=1, max_size=100), st.binary(max_size=200))
def test_signing_agrees_with_the_definition(secret: bytes, body: bytes) -> None:
    expected = by_hand(secret, b"msg_1.17." + body)
    given_ = sign(STANDARD_WEBHOOKS, secret, body, message_id="msg_1", timestamp="17")
    assert given_ == "v1," + base64.b64encode(expected).decode()
    hexadecimal = Scheme(signature_header="x", signed="v0:{timestamp}:{body}", encoding="hex")
    assert sign(hexadecimal, secret, body, timestamp="17") == by_hand(secret, b"v0:17:" + body).hex()


def test_the_standards_own_vector() -> None:
    secret = standard_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "secret")
    message_id, body = "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}'
    given_ = sign(STANDARD_WEBHOOKS, secret, body, message_id=message_id, timestamp="1614265330")
    assert given_ == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_both_secrets_are_taken_while_one_replaces_the_other() -> None:
    old, new = SECRET, SECRET[::-1]
    for secret in (old, new):
        verify(STANDARD_WEBHOOKS, (new, old), request(signed(secret=secret)))
    with pytest.raises(BadSignature, match="does not match"):
        verify(STANDARD_WEBHOOKS, (new,), request(signed(secret=old)))


def test_one_of_several_signatures_is_enough() -> None:
    headers = signed()
    headers["webhook-signature"] = f"v1,AAAA v1a,BBBB {headers['webhook-signature']} v2,CCCC"
    verify(STANDARD_WEBHOOKS, (SECRET,), request(headers))


def test_a_signature_of_another_version_is_none() -> None:
    headers = signed()
    headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v2,")
    with pytest.raises(BadSignature):
        verify(STANDARD_WEBHOOKS, (SECRET,), request(headers))


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_timestamp_within_five_minutes_is_taken(seconds: int) -> None:
    verify(STANDARD_WEBHOOKS, (SECRET,), request(signed(), received_at=NOW + timedelta(seconds=seconds)))


@pytest.mark.parametrize("seconds", [-301, 301, 86400])
def test_a_timestamp_further_off_is_refused_whichever_way(seconds: int) -> None:
    with pytest.raises(BadSignature, match="check both clocks"):
        verify(STANDARD_WEBHOOKS, (SECRET,), request(signed(), received_at=NOW + timedelta(seconds=seconds)))


@pytest.mark.parametrize("timestamp", ["hello", "1e9", "-1", "+1", "1_0", "١٢٣", "9" * 400, "1.5", " 1", "0x1", "nan"])
def test_a_timestamp_that_is_no_number_is_refused(timestamp: str) -> None:
    with pytest.raises(BadSignature):
        verify(STANDARD_WEBHOOKS, (SECRET,), request(signed(timestamp=timestamp)))


def test_milliseconds_are_understood() -> None:
    scheme = Scheme("x-signature", "{timestamp}:{body}", timestamp_header="x-at", unit="milliseconds",
                    tolerance=timedelta(minutes=5))  # fmt: skip
    headers = {"x-at": AT + "000", "x-signature": sign(scheme, SECRET, b"{}", timestamp=AT + "000")}
    verify(scheme, (SECRET,), request(headers))
    with pytest.raises(BadSignature):
        verify(scheme, (SECRET,), request(headers, received_at=NOW + timedelta(minutes=6)))


def test_a_missing_header_is_named() -> None:
    with pytest.raises(BadSignature, match="typeform-signature is missing"):
        verify(TYPEFORM, (b"x",), request({}))


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_***", "not base64 at all", "ä", "whsec_c2hvcnQ="])
def test_an_unusable_secret_is_refused_when_it_is_set(text: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        standard_secret(text, "secret")
    assert error.value.field == "secret"


def test_a_secret_needs_no_prefix() -> None:
    assert standard_secret("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "secret") == standard_secret(
        " whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", "secret"
    )


def public_text(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, encoding: serialization.Encoding) -> bytes:
    return key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)


def test_ecdsa_keys_are_read_as_der_and_as_pem() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    signature = base64.b64encode(key.sign(b"message", ec.ECDSA(hashes.SHA256()))).decode()
    der = base64.b64encode(public_text(key, serialization.Encoding.DER)).decode()
    for text in (der, der[:40] + "\n" + der[40:], public_text(key, serialization.Encoding.PEM).decode()):
        verify_ecdsa([ecdsa_key(text, "verification_key")], signature, b"message")
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    verify_ecdsa([other, key.public_key()], signature, b"message")
    for wrong, message in ((signature, b"another"), ("!", b"message"), ("AAAA", b"message"), ("é", b"message")):
        with pytest.raises(BadSignature):
            verify_ecdsa([key.public_key()], wrong, message)


def test_keys_of_another_kind_are_refused() -> None:
    for key in (ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()):
        text = base64.b64encode(public_text(key, serialization.Encoding.DER)).decode()
        with pytest.raises(ConfigurationError, match="another kind"):
            ecdsa_key(text, "verification_key")
    for text in ("", "hello", "é", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"):
        with pytest.raises(ConfigurationError, match="no public key"):
            ecdsa_key(text, "verification_key")
