"""Signed tokens in links that people click: what a link stands for, with no address in it and no table behind it.

The renderer of mails makes them, the web pages read them; both only need the same secret. They never expire: an
unsubscribe link has to work for as long as the mail exists.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from workers.exceptions import BadToken

MAC_BYTES: Final = 16
"""128 bits of an HMAC-SHA-256: beyond guessing, and the link still fits on a line."""
LONGEST: Final = 1024
"""Characters; a longer text is no token of ours and is not even decoded."""
PURPOSE: Final = b"dripline:unsubscribe:1\0"
"""Signed along, so that a token made for one purpose is worth nothing for another."""


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """What an unsubscribe link stands for: this lead, and the mail (effect key) that carried the link."""

    lead_id: int
    key: str


def sign(secret: str, link: Unsubscribe) -> str:
    """The URL-safe token for an unsubscribe link."""
    payload = f"{link.lead_id}.{link.key}".encode()
    return base64.urlsafe_b64encode(_mac(secret, payload) + payload).rstrip(b"=").decode()


def read(secret: str, token: str) -> Unsubscribe:
    """What a token stands for.

    Raises:
        BadToken: it was not made with this secret, or was cut or changed on its way.
    """
    raw = _decode(token)
    mac, payload = raw[:MAC_BYTES], raw[MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(secret, payload)):
        raise BadToken("the link is not one of ours, or was cut or changed on its way")
    lead_id, _, key = payload.decode().partition(".")
    return Unsubscribe(lead_id=int(lead_id), key=key)


def _mac(secret: str, payload: bytes) -> bytes:
    return hmac.new(secret.encode(), PURPOSE + payload, hashlib.sha256).digest()[:MAC_BYTES]


def _decode(token: str) -> bytes:
    if len(token) > LONGEST or not token.isascii():
        raise BadToken("the link is not one of ours: wrong length or letters")
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise BadToken("the link is not one of ours: it was cut or changed on its way") from error
