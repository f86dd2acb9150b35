"""Signed tokens in links that people click: what a link stands for, with no address in it and no table behind it.

The renderer of mails makes them, the web pages read them; both only need the same secret. They never expire: a link has
to work for as long as the mail exists. A token made for one purpose is worth nothing for another.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol, Self, TypeVar

from workers.exceptions import BadToken

MAC_BYTES: Final = 16
"""128 bits of an HMAC-SHA-256: beyond guessing, and the link still fits on a line."""
LONGEST: Final = 3000
"""Characters; a longer text is no token of ours and is not even decoded."""
BAD: Final = "the link is not one of ours, or was cut or changed on its way"


class Link(Protocol):
    """What a link stands for.

    Attributes:
        PURPOSE: signed along.
    """

    PURPOSE: ClassVar[bytes]

    def payload(self) -> str:
        """All of it, as text."""

    @classmethod
    def parse(cls, payload: str) -> Self:
        """The inverse of `payload`."""


L = TypeVar("L", bound=Link)


@dataclass(frozen=True, slots=True)
class OfMail:
    """What a link stands for that is about this lead, and the mail (effect key) that carried it."""

    lead_id: int
    key: str

    def payload(self) -> str:
        """See `Link`."""
        return f"{self.lead_id}.{self.key}"

    @classmethod
    def parse(cls, payload: str) -> Self:
        """See `Link`."""
        lead_id, _, key = payload.partition(".")
        return cls(int(lead_id), key)


@dataclass(frozen=True, slots=True)
class Unsubscribe(OfMail):
    """What an unsubscribe link stands for."""

    PURPOSE: ClassVar[bytes] = b"dripline:unsubscribe:1\0"


@dataclass(frozen=True, slots=True)
class Preferences(OfMail):
    """What a link to the preference centre stands for."""

    PURPOSE: ClassVar[bytes] = b"dripline:preferences:1\0"


@dataclass(frozen=True, slots=True)
class Click:
    """What a link in a mail stands for: where it leads, the mail (effect key), and when that was made.

    Attributes:
        made: seconds since 1970; mails leave within moments of being made.
    """

    PURPOSE: ClassVar[bytes] = b"dripline:click:1\0"
    lead_id: int
    key: str
    made: int
    url: str

    def payload(self) -> str:
        """See `Link`."""
        return f"{self.lead_id}\n{self.made}\n{self.key}\n{self.url}"

    @classmethod
    def parse(cls, payload: str) -> Self:
        """See `Link`."""
        lead_id, made, key, url = payload.split("\n", 3)
        return cls(int(lead_id), key, int(made), url)


@dataclass(frozen=True, slots=True)
class Open:
    """What the picture at the end of a mail stands for; see `Click`."""

    PURPOSE: ClassVar[bytes] = b"dripline:open:1\0"
    lead_id: int
    key: str
    made: int

    def payload(self) -> str:
        """See `Link`."""
        return f"{self.lead_id}\n{self.made}\n{self.key}"

    @classmethod
    def parse(cls, payload: str) -> Self:
        """See `Link`."""
        lead_id, made, key = payload.split("\n", 2)
        return cls(int(lead_id), key, int(made))


@dataclass(frozen=True, slots=True)
class Confirm:
    """What the link of a confirmation mail stands for: this lead wants this category; and the mail (effect key)."""

    PURPOSE: ClassVar[bytes] = b"dripline:confirm:1\0"
    lead_id: int
    category: str
    key: str

    def payload(self) -> str:
        """See `Link`."""
        return f"{self.lead_id}\n{self.category}\n{self.key}"

    @classmethod
    def parse(cls, payload: str) -> Self:
        """See `Link`."""
        lead_id, category, key = payload.split("\n", 2)
        return cls(int(lead_id), category, key)


def sign(secret: str, link: Link) -> str:
    """The URL-safe token for a link."""
    payload = link.payload().encode()
    return base64.urlsafe_b64encode(_mac(secret, link.PURPOSE, payload) + payload).rstrip(b"=").decode()


def read(secret: str, token: str, kind: type[L]) -> L:
    """What a token stands for.

    Raises:
        BadToken: it was not made with this secret for this purpose, or was cut or changed on its way.
    """
    raw = _decode(token)
    mac, payload = raw[:MAC_BYTES], raw[MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(secret, kind.PURPOSE, payload)):
        raise BadToken(BAD)
    return kind.parse(payload.decode())


def _mac(secret: str, purpose: bytes, payload: bytes) -> bytes:
    return hmac.digest(secret.encode(), purpose + payload, "sha256")[:MAC_BYTES]


def _decode(token: str) -> bytes:
    if len(token) > LONGEST or not token.isascii():
        raise BadToken("the link is not one of ours: wrong length or letters")
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise BadToken("the link is not one of ours: it was cut or changed on its way") from error
