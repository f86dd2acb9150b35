"""A `Mail` as the bytes of an internet message (RFC 5322), several times faster than the standard library builds it.

Text is always quoted-printable or base64, so no line is too long, no relay has to convert anything, and no text can
look like the boundary between two parts. What would break out of a header is refused, never repaired.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from email.utils import format_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from integrations.exceptions import Rejected

if TYPE_CHECKING:
    from datetime import datetime

    from integrations.contracts import Mail

BOUNDARY: Final = "=_dripline"
"""`=_` occurs neither in quoted-printable nor in base64 (RFC 2045, section 6.7)."""
OWN_HEADERS: Final = frozenset({"from", "to", "cc", "bcc", "sender", "subject", "date", "message-id", "mime-version"})
LONGEST_HEADER: Final = 900
"""Characters of a header that stays on one line; RFC 5322 allows 998 with its name."""
PLAIN_LINE: Final = 64
"""Characters of a subject that needs no folding."""
WORD: Final = 39
"""Bytes in one encoded word: 64 characters, which with the header's name stay below the 76 of RFC 2047."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_HEADER_NAME: Final = re.compile(r"[!-9;-~]+")
_MESSAGE_ID: Final = re.compile(r"[!-;=?-~]+@[!-;=?-~]+")
_NAMED: Final = re.compile(r'\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^<>"]*?))\s*<(?P<address>[^<>]+)>\s*')
_ADDRESS: Final = re.compile(r"[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f]+@[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f]+")
_ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")


@dataclass(frozen=True, slots=True)
class Letter:
    """A message and its envelope.

    Attributes:
        data: the message, lines ending in CRLF, the last one included.
        sender, to: addresses of the envelope, domains in ASCII.
        international: an address has characters beyond ASCII before the @, so the server has to know SMTPUTF8.
    """

    data: bytes
    sender: str
    to: str
    international: bool


def build(mail: Mail, now: datetime) -> Letter:
    """The message; `now` is its date.

    Raises:
        Rejected: `bad-address` or `bad-header`, with a sentence that says which.
    """
    name, sender = parse_address(mail.sender)
    _, to = parse_address(mail.to)
    if not _MESSAGE_ID.fullmatch(mail.message_id):
        raise Rejected("bad-header", "the message id is none.")
    lines = [
        f"From: {_display(name)}<{sender}>" if name else f"From: {sender}",
        f"To: {to}",
        f"Subject: {_unstructured(mail.subject, 'Subject')}",
        f"Date: {format_datetime(now)}",
        f"Message-ID: <{mail.message_id}>",
        "MIME-Version: 1.0",
        *(f"{key}: {_extra(key, value)}" for key, value in mail.headers.items()),
    ]
    head = "\r\n".join(lines).encode()
    return Letter(head + b"\r\n" + _body(mail), sender, to, international=not (sender.isascii() and to.isascii()))


@lru_cache(maxsize=256)
def parse_address(text: str) -> tuple[str, str]:
    """Name (may be empty) and address of `Nora <nora@northwind.example>`; the domain in ASCII.

    Raises:
        Rejected: `bad-address`.
    """
    match = _NAMED.fullmatch(text)
    address = match["address"].strip() if match else text.strip()
    name = ""
    if match:
        name = re.sub(r"\\(.)", r"\1", match["quoted"]) if match["quoted"] is not None else match["plain"]
    if _CONTROL.search(text) or not _ADDRESS.fullmatch(address):
        raise Rejected("bad-address", "an address has to look like ann@acme.example, or Ann <ann@acme.example>.")
    local, domain = address.rsplit("@", 1)
    try:
        return name, f"{local}@{domain if domain.isascii() else domain.encode('idna').decode()}"
    except UnicodeError as error:
        raise Rejected("bad-address", "the domain of an address is none.") from error


# ── headers ──────────────────────────────────────────────────────────────────────────────────────────────────


def _display(name: str) -> str:
    """A display name, with the blank that follows it."""
    if _ATOMS.fullmatch(name) and len(name) <= PLAIN_LINE and "=?" not in name:
        return f"{name} "
    if name.isascii() and len(name) <= PLAIN_LINE and "=?" not in name:
        return '"' + re.sub(r'(["\\])', r"\\\1", name) + '" '
    return _encoded(name) + "\r\n "


def _unstructured(value: str, name: str) -> str:
    if _CONTROL.search(value):
        raise Rejected("bad-header", f"the header {name} holds a line break or another control character.")
    plain = value.isascii() and len(value) <= PLAIN_LINE and value == value.strip()
    return _encoded(value) if not plain or "=?" in value or "\t" in value else value


def _extra(name: str, value: str) -> str:
    if not _HEADER_NAME.fullmatch(name) or name.lower() in OWN_HEADERS or name.lower().startswith("content-"):
        raise Rejected("bad-header", f"{name!r} cannot be set as an extra header.")
    if value.isascii() and len(value) <= LONGEST_HEADER and not _CONTROL.search(value):
        return value  # not folded: a header such as List-Unsubscribe has a grammar of its own
    if value.isascii():
        raise Rejected("bad-header", f"the header {name} holds a control character or is too long.")
    return _unstructured(value, name)


def _encoded(value: str) -> str:
    """RFC 2047 encoded words, one a line, no character cut in two."""
    words, word = [], b""
    for character in value:
        piece = character.encode(errors="replace")
        if len(word) + len(piece) > WORD:
            words.append(word)
            word = b""
        word += piece
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(each).decode()}?=" for each in [*words, word])


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────────


def _body(mail: Mail) -> bytes:
    """Everything from the first content header on."""
    if mail.html is None:
        part = _part(mail.text, "plain")
        return part if part.endswith(b"\r\n") else part + b"\r\n"
    edge = f"--{BOUNDARY}".encode()
    return b"".join((
        f'Content-Type: multipart/alternative; boundary="{BOUNDARY}"\r\n\r\n'.encode(),
        edge, b"\r\n", _part(mail.text, "plain"), b"\r\n",
        edge, b"\r\n", _part(mail.html, "html"), b"\r\n",
        edge, b"--\r\n",
    ))  # fmt: skip


def _part(text: str, subtype: str) -> bytes:
    data = text.replace("\r\n", "\n").replace("\r", "\n").encode(errors="replace")
    if len(data) * 2 > len(text) * 3:  # mostly beyond ASCII: quoted-printable would triple it
        encoding, written = "base64", base64.encodebytes(data)
    else:
        encoding, written = "quoted-printable", binascii.b2a_qp(data)
    head = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + written.replace(b"\n", b"\r\n")
