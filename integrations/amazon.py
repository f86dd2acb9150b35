"""What is Amazon's own: requests signed with Signature Version 4, and messages signed by its notification service.

Facts: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html and
docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import load_pem_x509_certificate

from integrations.exceptions import BadSignature, DeliveryError, Unavailable, Unverifiable
from integrations.transport import Http

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from cryptography.hazmat.primitives.hashes import HashAlgorithm
    from cryptography.x509 import Certificate

# ── requests: Signature Version 4 ────────────────────────────────────────────────────────────────────────────

ALGORITHM: Final = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key of one region.

    Attributes:
        session_token: of temporary credentials; else empty.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str
    session_token: str = field(default="", repr=False)


def sign(
    credentials: Credentials,
    method: str,
    url: str,
    *,
    service: str,
    body: bytes,
    now: datetime,
    headers: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The headers that make the request ours: `headers` (which are signed), the time, and the signature.

    The path of `url` has to be one that needs no escaping.
    """
    at = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    token = {"x-amz-security-token": credentials.session_token} if credentials.session_token else {}
    sent = {**{name.lower(): value for name, value in (headers or {}).items()}, "x-amz-date": at, **token}
    parts = urlsplit(url)
    signed = dict(sorted({**sent, "host": parts.netloc}.items()))
    canonical = "\n".join((
        method,
        parts.path or "/",
        _query(parts.query),
        *(f"{name}:{' '.join(value.split())}" for name, value in signed.items()),
        "",
        ";".join(signed),
        hashlib.sha256(body).hexdigest(),
    ))  # fmt: skip
    scope = f"{at[:8]}/{credentials.region}/{service}/aws4_request"
    to_sign = f"{ALGORITHM}\n{at}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(_signing_key(credentials.secret_access_key, scope), to_sign.encode(), "sha256").hex()
    credential = f"Credential={credentials.access_key_id}/{scope}"
    return sent | {
        "authorization": f"{ALGORITHM} {credential}, SignedHeaders={';'.join(signed)}, Signature={signature}"
    }


def _signing_key(secret: str, scope: str) -> bytes:
    """The secret, narrowed down to a day, a region and a service."""
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _query(text: str) -> str:
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~"))
                   for name, value in parse_qsl(text, keep_blank_values=True))  # fmt: skip
    return "&".join(f"{name}={value}" for name, value in pairs)


# ── messages: the notification service ───────────────────────────────────────────────────────────────────────

NOTIFICATION: Final = "Notification"
SUBSCRIPTION: Final = "SubscriptionConfirmation"
SIGNED: Final[Mapping[str, tuple[str, ...]]] = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    SUBSCRIPTION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
"""Which members are signed, by the message's type; `Subject` only where there is one."""
HASHES: Final[Mapping[str, HashAlgorithm]] = {"1": SHA1(), "2": SHA256()}  # noqa: S303  (version 1 of the signature)
LARGEST_CERTIFICATE: Final = 20_000
PAUSE: Final = 10.0
"""Seconds after a certificate could not be had, in which no other is asked for."""
KEPT: Final = 16
"""Certificates that are remembered; Amazon changes them every year or so."""

_ARN: Final = re.compile(r"arn:aws(?:-[a-z-]+)?:sns:([a-z0-9-]{1,32}):[0-9]{12}:[A-Za-z0-9_.-]{1,256}")
_CERTIFICATE: Final = re.compile(r"/SimpleNotificationService-[A-Za-z0-9]{1,100}\.pem")


def region_of(topic: str) -> str:
    """The region of a topic's ARN; empty if it is none."""
    match = _ARN.fullmatch(topic)
    return match[1] if match else ""


def download(url: str) -> bytes:
    """What stands at an address of the notification service that `check_address` has let pass.

    Raises:
        DeliveryError: nothing does, or no answer came.
    """
    parts = urlsplit(url)
    http = Http(f"https://{parts.netloc}", {"accept": "*/*"}, read_timeout=5.0, total_timeout=8.0)
    try:
        answer = http.send("GET", f"{parts.path}?{parts.query}" if parts.query else parts.path)
    finally:
        http.close()
    if answer.status != HTTPStatus.OK:
        raise Unavailable(f"{parts.netloc} answered {answer.status}")
    return answer.body


def check_address(url: object, region: str) -> str:
    """Let only an address of the region's own notification service pass, which nobody else can put anything on.

    Raises:
        BadSignature: it is another one.
    """
    text = url if isinstance(url, str) and url.isascii() and url.isprintable() else ""
    hosts = {f"sns.{region}.amazonaws.com", f"sns.{region}.amazonaws.com.cn"}
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme != "https" or parts.netloc not in hosts:
        raise BadSignature("the message names an address that is not of the notification service in its region.")
    return text


class Certificates:
    """The certificates that messages are signed with: fetched once each, one at a time. Threads may share it.

    A message names the address of its certificate before anybody knows who wrote it. So after a fetch that came to
    nothing no other is tried for `PAUSE`: strangers cannot keep us busy with made-up addresses.
    """

    def __init__(self) -> None:
        self._known: dict[str, Certificate] = {}
        self._lock = Lock()
        self._paused_until = 0.0

    def get(self, url: str, now: datetime) -> Certificate:
        """The certificate at a checked address.

        Raises:
            BadSignature: it is none, or not valid now.
            Unverifiable: it cannot be fetched.
        """
        found = self._known.get(url)
        if found is None:
            with self._lock:
                found = self._known.get(url) or self._fetch(url)
        if not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
            raise BadSignature("the certificate that the message is signed with is not valid now.")
        return found

    def _fetch(self, url: str) -> Certificate:
        if time.monotonic() < self._paused_until:
            raise Unverifiable("the last certificate could not be fetched, and the next is not tried so soon.")
        self._paused_until = time.monotonic() + PAUSE
        try:
            found = load_pem_x509_certificate(download(url)[:LARGEST_CERTIFICATE])
        except DeliveryError as error:
            raise Unverifiable(f"the certificate that the message is signed with cannot be fetched: {error}") from error
        except ValueError as error:
            raise BadSignature("the certificate that the message names is none.") from error
        self._paused_until = 0.0
        if len(self._known) >= KEPT:
            self._known.pop(next(iter(self._known)))
        self._known[url] = found
        return found


def verify(
    message: Mapping[str, Any], topics: frozenset[str], certificates: Certificates, now: datetime, tolerance: timedelta
) -> None:
    """Check that Amazon has signed a message of one of our topics, and lately.

    The topic is looked at first: a message of anybody's own topic has Amazon's signature too.

    Raises:
        BadSignature: another topic, too old, or not signed as it should be.
        Unverifiable: the certificate cannot be had now.
    """
    topic, members = message.get("TopicArn"), SIGNED.get(_text(message, "Type"), ())
    if topic not in topics or not members:
        raise BadSignature("the message is of no topic that is allowed here; set TOPIC_ARNS.")
    _check_age(_text(message, "Timestamp"), now, tolerance)
    url = check_address(message.get("SigningCertURL"), region_of(str(topic)))
    if not _CERTIFICATE.fullmatch(urlsplit(url).path) or urlsplit(url).query:
        raise BadSignature("the message names no certificate of the notification service.")
    algorithm = HASHES.get(_text(message, "SignatureVersion"))
    key = certificates.get(url, now).public_key()
    if algorithm is None or not isinstance(key, RSAPublicKey):
        raise BadSignature("the message is signed in a way that is not known here.")
    try:
        key.verify(_signature(message), canonical(message, members), PKCS1v15(), algorithm)
    except InvalidSignature as error:
        raise BadSignature("the signature does not match the message.") from error


def canonical(message: Mapping[str, Any], members: tuple[str, ...]) -> bytes:
    """What is signed of a message: each member's name and value, in lines."""
    there = [name for name in members if name != "Subject" or message.get(name) is not None]
    return "".join(f"{name}\n{_text(message, name)}\n" for name in there).encode(errors="replace")


def _signature(message: Mapping[str, Any]) -> bytes:
    try:
        return base64.b64decode(_text(message, "Signature"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadSignature("the signature is not base64.") from error


def _check_age(text: str, now: datetime, tolerance: timedelta) -> None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadSignature("the message's Timestamp is none.") from error
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    if abs(now - at) > tolerance:
        raise BadSignature(
            f"the message's Timestamp is more than {tolerance.total_seconds():.0f} seconds away from now."
        )


def _text(message: Mapping[str, Any], name: str) -> str:
    value = message.get(name)
    return value if isinstance(value, str) else ""
