"""DKIM signatures (RFC 6376, rsa-sha256, relaxed/relaxed) of messages that `mime` has built.

`dkimpy` checks the outcome in the tests. It does not do the signing: it calculates RSA in Python, which took 13 ms for
each mail here, and takes the time from the machine.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from integrations.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

SIGNED: Final = (
    b"from", b"to", b"reply-to", b"subject", b"date", b"message-id", b"mime-version", b"content-type",
    b"content-transfer-encoding", b"list-id", b"list-unsubscribe", b"list-unsubscribe-post",
)  # fmt: skip
"""Headers that are signed where they are there; RFC 8058 wants the last two to be among them."""
ONCE: Final = (b"from", b"to", b"reply-to", b"subject")
"""Headers of which nobody may add another one: named once more than they are there (RFC 6376, section 8.15)."""
SHORTEST_KEY: Final = 1024
"""Bits; receivers take nothing shorter (RFC 8301). 2048 is usual."""
LINE: Final = 72


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs for a domain.

    Attributes:
        domain: in ASCII; empty for that of each mail's sender.
        selector: where below the domain's `_domainkey` the public key is.
    """

    domain: str
    selector: str
    key: RSAPrivateKey = field(repr=False)

    def sign(self, message: bytes, sender: str, now: datetime) -> bytes:
        """The message with a `DKIM-Signature` in front of it; `sender` is the address in its `From`."""
        head, _, body = message.partition(b"\r\n\r\n")
        headers = [_header(each) for each in re.split(rb"\r\n(?![ \t])", head)]
        names = [name for name in SIGNED if any(name == each for each, _ in headers)] + list(ONCE)
        domain = self.domain or sender.rpartition("@")[2]
        unsigned = b"\r\n ".join((
            b"v=1; a=rsa-sha256; c=relaxed/relaxed;",
            b"d=%b; s=%b;" % (domain.encode(), self.selector.encode()),
            b"t=%d;" % int(now.timestamp()),
            b"h=%b;" % b":\r\n ".join(names),
            b"bh=%b;" % base64.b64encode(hashlib.sha256(_body(body)).digest()),
            b"b=",
        ))  # fmt: skip
        signature = self.key.sign(_to_sign(headers, names, unsigned), PKCS1v15(), SHA256())
        return b"DKIM-Signature: " + unsigned + _folded(base64.b64encode(signature)) + b"\r\n" + message


def read_key(text: str, field_name: str) -> RSAPrivateKey:
    r"""The RSA private key in PEM text, in which `\n` may stand for a line break; `field_name` is its setting.

    Raises:
        ConfigurationError: it is no such key, or too short.
    """
    try:
        key = load_pem_private_key(text.strip().replace("\\n", "\n").encode(), None)
    except (ValueError, TypeError) as error:  # TypeError: it has a password
        raise ConfigurationError("is no private key; write one in PEM, without a password.", field_name) from error
    if not isinstance(key, RSAPrivateKey) or key.key_size < SHORTEST_KEY:
        raise ConfigurationError(f"is no RSA key of {SHORTEST_KEY} bits or more.", field_name)
    return key


def _to_sign(headers: Sequence[tuple[bytes, bytes]], names: Sequence[bytes], unsigned: bytes) -> bytes:
    """The signed headers, each name's last one first, and the signature's own header without its value."""
    left = list(reversed(headers))
    lines = []
    for name in names:
        found = next((each for each in left if each[0] == name), None)
        if found:
            left.remove(found)
            lines.append(b"%b:%b\r\n" % found)
    return b"".join(lines) + b"dkim-signature:" + _relaxed(unsigned)


def _header(written: bytes) -> tuple[bytes, bytes]:
    name, _, value = written.partition(b":")
    return name.strip().lower(), _relaxed(value)


def _relaxed(value: bytes) -> bytes:
    return re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip(b" ")


def _body(body: bytes) -> bytes:
    """The body with blanks taken together, none at the end of a line, and no empty lines at its end."""
    lines = re.sub(rb" ?\r\n", b"\r\n", re.sub(rb"[ \t]+", b" ", body))
    kept = lines.rstrip(b"\r\n ")
    return kept + b"\r\n" if kept else b""


def _folded(text: bytes) -> bytes:
    return b"\r\n ".join(text[start : start + LINE] for start in range(0, len(text), LINE))
