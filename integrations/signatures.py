"""Webhook signatures: one table-driven HMAC engine, and ECDSA for the sender that uses public keys.

Most senders sign with an HMAC and differ only in where they put it and what they sign; a `Scheme` is one row of that
table. Everything is checked on the raw bytes, before any parsing, and compared in constant time.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from integrations.exceptions import BadSignature, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from integrations.contracts import Request


@dataclass(frozen=True, slots=True)
class Scheme:
    """How one sender signs.

    Attributes:
        signature_header: where the signature stands, lower case.
        signed: what is signed, with `{body}` and, where the sender signs them, `{id}` and `{timestamp}`.
        prefix: what stands before the signature itself (`sha256=`).
        encoding: how the digest is written.
        algorithm: name for `hashlib`.
        separator: what stands between several signatures, any of which may match; empty if there is only one.
        id_header, timestamp_header: where `{id}` and `{timestamp}` come from; empty if they are not signed.
        unit: the timestamp counts seconds or milliseconds since 1970.
        tolerance: how far the timestamp may be from the time of receipt, either way; None if it is not checked.
    """

    signature_header: str
    signed: str
    prefix: str = ""
    encoding: Literal["base64", "hex"] = "base64"
    algorithm: str = "sha256"
    separator: str = ""
    id_header: str = ""
    timestamp_header: str = ""
    unit: Literal["seconds", "milliseconds"] = "seconds"
    tolerance: timedelta | None = None


BODY: Final = "{body}"
LONGEST_TIMESTAMP: Final = 15

STANDARD_WEBHOOKS: Final = Scheme(
    signature_header="webhook-signature",
    signed="{id}.{timestamp}.{body}",
    prefix="v1,",
    separator=" ",
    id_header="webhook-id",
    timestamp_header="webhook-timestamp",
    tolerance=timedelta(minutes=5),
)
"""Standard Webhooks 1.0.0, symmetric signatures (`v1`)."""

SVIX: Final = replace(
    STANDARD_WEBHOOKS,
    signature_header="svix-signature",
    id_header="svix-id",
    timestamp_header="svix-timestamp",
)
"""The same under the header names it had before it became a standard; many senders still use them."""

TYPEFORM: Final = Scheme(signature_header="typeform-signature", signed="{body}", prefix="sha256=")
"""Typeform signs the body alone: a replay is stopped by the event id only."""


def sign(scheme: Scheme, secret: bytes, body: bytes, *, message_id: str = "", timestamp: str = "") -> str:
    """The value of the signature header, prefix included."""
    return scheme.prefix + _digest(scheme, secret, _message(scheme, body, message_id, timestamp)).decode()


def _message(scheme: Scheme, body: bytes, message_id: str, timestamp: str) -> bytes:
    """What is signed."""
    if scheme.signed == BODY:
        return body
    before, _, after = scheme.signed.partition(BODY)
    names = {"id": message_id, "timestamp": timestamp}
    return _bytes(before.format_map(names)) + body + _bytes(after.format_map(names))


def _digest(scheme: Scheme, secret: bytes, message: bytes) -> bytes:
    """The signature itself, as it is written."""
    digest = hmac.digest(secret, message, scheme.algorithm)
    return binascii.hexlify(digest) if scheme.encoding == "hex" else binascii.b2a_base64(digest, newline=False)


def webhook_id(key: str) -> str:
    """The `webhook-id` of an effect: made of its key alone, so that every try has the same."""
    return "msg_" + blake2b(key.encode(), digest_size=16).hexdigest()


def standard_headers(secrets: Sequence[bytes], message_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """The headers of a JSON body signed by Standard Webhooks, with each of the secrets; a receiver accepts any."""
    scheme, timestamp = STANDARD_WEBHOOKS, str(int(now.timestamp()))
    signatures = (sign(scheme, each, body, message_id=message_id, timestamp=timestamp) for each in secrets)
    return {
        "content-type": "application/json",
        scheme.id_header: message_id,
        scheme.timestamp_header: timestamp,
        scheme.signature_header: scheme.separator.join(signatures),
    }


def verify(scheme: Scheme, secrets: Sequence[bytes], request: Request) -> None:
    """Check that one of `secrets` signed the request; several of them allow a secret to be replaced without a gap.

    Raises:
        BadSignature: a header is missing, the timestamp is too far off, or no signature matches.
    """
    headers = request.headers
    given = _header(headers, scheme.signature_header)
    message_id = _header(headers, scheme.id_header) if scheme.id_header else ""
    timestamp = _header(headers, scheme.timestamp_header) if scheme.timestamp_header else ""
    if scheme.tolerance is not None:
        _check_age(timestamp, scheme, request.received_at)
    candidates = _bytes(given).split(scheme.separator.encode()) if scheme.separator else [_bytes(given)]
    message, prefix = _message(scheme, request.body, message_id, timestamp), scheme.prefix.encode()
    for secret in secrets:
        expected = prefix + _digest(scheme, secret, message)
        for candidate in candidates:
            if hmac.compare_digest(expected, candidate):
                return
    raise BadSignature(
        f"{scheme.signature_header} does not match the body; "
        "check that both sides hold the same secret and that no proxy changes the body."
    )


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if not value:
        raise BadSignature(f"the header {name} is missing; switch on signed deliveries at the sender.")
    return value


def _check_age(timestamp: str, scheme: Scheme, received_at: datetime) -> None:
    """Timestamps are ASCII digits, so few that no arithmetic here can overflow."""
    if len(timestamp) > LONGEST_TIMESTAMP or not (timestamp.isascii() and timestamp.isdecimal()):
        raise BadSignature(f"{scheme.timestamp_header} is no number of {scheme.unit}.")
    scale = 1000 if scheme.unit == "milliseconds" else 1
    off = abs(received_at.timestamp() - int(timestamp) / scale)
    if scheme.tolerance is not None and off > scheme.tolerance.total_seconds():
        raise BadSignature(
            f"{scheme.timestamp_header} is {off:.0f} seconds away from the time of receipt, "
            f"more than {scheme.tolerance.total_seconds():.0f}; check both clocks."
        )


def _bytes(text: str) -> bytes:
    """Header text as bytes; what cannot be encoded cannot match either, and must not raise."""
    return text.encode(errors="replace")


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────────────────

SHORTEST: Final = 24
"""Bytes of the shortest secret that Standard Webhooks 1.0.0 allows."""


def standard_secret(text: str, field: str) -> bytes:
    """The key in a Standard Webhooks secret: `whsec_` and base64, or base64 alone; `field` is the setting it came from.

    Raises:
        ConfigurationError: it is not base64 or too short to be safe.
    """
    try:
        key = base64.b64decode(text.strip().removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigurationError("is no secret; write whsec_ and 24 to 64 bytes in base64.", field) from error
    if len(key) < SHORTEST:
        raise ConfigurationError(
            f"holds {len(key)} bytes, the standard asks for {SHORTEST} or more; make one with: openssl rand -base64 32",
            field,
        )
    return key


# ── ECDSA ────────────────────────────────────────────────────────────────────────────────────────────────────


def ecdsa_key(text: str, field: str) -> ec.EllipticCurvePublicKey:
    """The P-256 public key in base64 (DER) or PEM text; `field` is the setting it came from.

    Raises:
        ConfigurationError: it is not such a key.
    """
    try:
        if "BEGIN" in text:
            key = load_pem_public_key(text.encode())
        else:
            key = load_der_public_key(base64.b64decode("".join(text.split()), validate=True))
    except ValueError as error:
        raise ConfigurationError("is no public key; copy it as the sender shows it.", field) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigurationError("is a public key of another kind; an elliptic curve key on P-256 is needed.", field)
    return key


def verify_ecdsa(keys: Sequence[ec.EllipticCurvePublicKey], signature: str, message: bytes) -> None:
    """Check that one of `keys` signed the message with SHA-256; the signature is base64 of DER.

    Raises:
        BadSignature: it is not base64, or no key matches.
    """
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadSignature("the signature is not base64.") from error
    for key in keys:
        try:
            key.verify(raw, message, ec.ECDSA(SHA256()))
        except InvalidSignature:
            continue
        return
    raise BadSignature(
        "the signature does not match the body; check the verification key and that no proxy changes the body."
    )


# ── passwords ────────────────────────────────────────────────────────────────────────────────────────────────

SHORTEST_LOGIN: Final = 16
"""Characters of the shortest login; it is the only proof of who sends, and anybody may guess as often as they like."""


def login(text: str, field: str) -> bytes:
    """The `Authorization` header of a sender that signs nothing and hands over a login: `user:password`, or a token.

    Raises:
        ConfigurationError: it is too short to be safe, or no header can hold it; `field` is the setting it came from.
    """
    if len(text) < SHORTEST_LOGIN or not text.isascii() or not text.isprintable() or " " in text:
        says = f"has to be user:password or a token, {SHORTEST_LOGIN} or more visible ASCII characters in all."
        raise ConfigurationError(says, field)
    return f"Basic {base64.b64encode(text.encode()).decode()}".encode() if ":" in text else f"Bearer {text}".encode()


def verify_login(logins: Sequence[bytes], request: Request) -> None:
    """Check that the request brings one of these logins.

    Raises:
        BadSignature: it brings none, or another one.
    """
    given = _bytes(_header(request.headers, "authorization"))
    if not any(hmac.compare_digest(each, given) for each in logins):
        raise BadSignature("the authorization header holds another login; check the one in the sender's settings.")
