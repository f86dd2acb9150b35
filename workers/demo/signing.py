"""Keys made for one run of the demo, and what each vendor's servers would sign with them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from workers.demo.wire import Delivery

STANDARD_PREFIX: Final = "whsec_"


@dataclass(frozen=True, slots=True)
class Keys:
    """One secret per source of the example company."""

    typeform: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    product: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    sendgrid: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables that give the other half to the sources."""
        public = self.sendgrid.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return {
            "DRIPLINE_TYPEFORM_SECRET": self.typeform,
            "DRIPLINE_PRODUCT_SECRET": STANDARD_PREFIX + base64.b64encode(self.product).decode(),
            "DRIPLINE_SENDGRID_VERIFICATION_KEY": base64.b64encode(public).decode(),
        }

    def headers(self, delivery: Delivery, now: datetime) -> dict[str, str]:
        """The headers with which the vendor posts this delivery at `now`."""
        return {"Content-Type": "application/json", **SIGNERS[delivery.source](self, delivery, int(now.timestamp()))}


def sign_typeform(keys: Keys, delivery: Delivery, _seconds: int) -> Mapping[str, str]:
    """HMAC-SHA-256 over the body, no time in it."""
    mac = hmac.digest(keys.typeform.encode(), delivery.body.encode(), "sha256")
    return {"Typeform-Signature": "sha256=" + base64.b64encode(mac).decode()}


def sign_standard(keys: Keys, delivery: Delivery, seconds: int) -> Mapping[str, str]:
    """Standard Webhooks 1.0.0: id, time and body."""
    signed = f"{delivery.id}.{seconds}.{delivery.body}".encode()
    mac = hmac.new(keys.product, signed, hashlib.sha256).digest()
    return {
        "webhook-id": delivery.id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }


def sign_sendgrid(keys: Keys, delivery: Delivery, seconds: int) -> Mapping[str, str]:
    """ECDSA P-256 over time and body."""
    signature = keys.sendgrid.sign(f"{seconds}{delivery.body}".encode(), ec.ECDSA(SHA256()))
    return {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": str(seconds),
    }


SIGNERS: Final[Mapping[str, Callable[[Keys, Delivery, int], Mapping[str, str]]]] = {
    "typeform": sign_typeform,
    "product": sign_standard,
    "sendgrid": sign_sendgrid,
}
