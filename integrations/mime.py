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
from urllib.parse import quote

import idna

from integrations.exceptions import Rejected

if TYPE_CHECKING:
    from datetime import datetime

    from integrations.contracts import Attachment, Mail

BOUNDARY: Final = "=_dripline"
"""`=_` occurs neither in quoted-printable nor in base64 (RFC 2045, section 6.7)."""
OUTER: Final = "=_files"
"""Around text and attachments; the one does not begin with the other, because some readers compare no further."""
OWN_HEADERS: Final = frozenset(
    {"from", "to", "cc", "bcc", "sender", "reply-to", "subject", "date", "message-id", "mime-version"}
)
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
_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,60}")
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
        Rejected: `bad-address`, `bad-header` or `bad-attachment`, with a sentence that says which.
    """
    name, sender = parse_address(mail.sender)
    _, to = parse_address(mail.to)
    if not _MESSAGE_ID.fullmatch(mail.message_id):
        raise Rejected("bad-header", "the message id is none.")
    lines = [
        f"From: {_mailbox(name, sender)}",
        f"To: {to}",
        *([f"Reply-To: {_mailbox(*parse_address(mail.reply_to))}"] if mail.reply_to else []),
        f"Subject: {_unstructured(mail.subject, 'Subject')}",
        f"Date: {_date(now.replace(microsecond=0))}",
        f"Message-ID: <{mail.message_id}>",
        "MIME-Version: 1.0",
        *(f"{key}: {_extra(key, value)}" for key, value in mail.headers.items()),
    ]
    head = "\r\n".join(lines).encode()
    return Letter(head + b"\r\n" + _body(mail), sender, to, international=not (sender.isascii() and to.isascii()))


@lru_cache(maxsize=256)
def parse_address(text: str) -> tuple[str, str]:
    """Name (may be empty) and address of `Nora <nora@northwind.example>`; the domain in ASCII (IDNA 2008).

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
        return name, f"{local}@{domain if domain.isascii() else idna.encode(domain, uts46=True).decode()}"
    except UnicodeError as error:
        raise Rejected("bad-address", "the domain of an address is none.") from error


# ── headers ──────────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=4)
def _date(now: datetime) -> str:
    """Many mails leave within one second."""
    return format_datetime(now)


def _mailbox(name: str, address: str) -> str:
    return f"{_display(name)}<{address}>" if name else address


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


_EDGE: Final = f"--{BOUNDARY}\r\n".encode()
_END: Final = f"--{BOUNDARY}--\r\n".encode()
_ALTERNATIVE: Final = f'Content-Type: multipart/alternative; boundary="{BOUNDARY}"\r\n\r\n'.encode() + _EDGE
_OUTER_EDGE: Final = f"--{OUTER}\r\n".encode()
_OUTER_END: Final = f"--{OUTER}--\r\n".encode()
_MIXED: Final = f'Content-Type: multipart/mixed; boundary="{OUTER}"\r\n\r\n'.encode() + _OUTER_EDGE
_HEADS: Final = {
    (subtype, encoding): (
        f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()
    )
    for subtype in ("plain", "html")
    for encoding in ("quoted-printable", "base64")
}


def _body(mail: Mail) -> bytes:
    """Everything from the first content header on; every line break before an edge belongs to the edge."""
    text = _part(mail.text, "plain")
    if mail.html is not None:
        words = b"".join((_ALTERNATIVE, text, b"\r\n", _EDGE, _part(mail.html, "html"), b"\r\n", _END))
    elif mail.attachments or not text.endswith(b"\r\n"):
        words = text + b"\r\n"
    else:
        words = text
    if not mail.attachments:
        return words
    files = b"".join(piece for each in mail.attachments for piece in (_OUTER_EDGE, _attached(each)))
    return b"".join((_MIXED, words, files, _OUTER_END))


def _part(text: str, subtype: str) -> bytes:
    data = text.replace("\r\n", "\n").replace("\r", "\n").encode(errors="replace")
    if len(data) * 2 > len(text) * 3:  # mostly beyond ASCII: quoted-printable would triple it
        encoding, written = "base64", base64.encodebytes(data)
    else:
        encoding, written = "quoted-printable", binascii.b2a_qp(data)
    return _HEADS[subtype, encoding] + written.replace(b"\n", b"\r\n")


@lru_cache(maxsize=32)  # the same file goes to thousands of people
def _attached(file: Attachment) -> bytes:
    """A file as a part of its own.

    Raises:
        Rejected: `bad-attachment`.
    """
    if not _TYPE.fullmatch(file.type) or file.type.startswith(("multipart/", "message/")):
        raise Rejected("bad-attachment", f"{file.type!r} is no media type that a file can have.")
    if not file.name or _CONTROL.search(file.name) or "/" in file.name or "\\" in file.name:
        raise Rejected("bad-attachment", f"{file.name!r} is no name of a file.")
    charset = "; charset=utf-8" if file.type.startswith("text/") else ""
    head = (
        f"Content-Type: {file.type}{charset}\r\nContent-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: attachment;\r\n {_file_name(file.name)}\r\n\r\n"
    )
    return head.encode() + (base64.encodebytes(file.content) or b"\n").replace(b"\n", b"\r\n")


def _file_name(name: str) -> str:
    """The parameter of RFC 2183; names beyond plain words as RFC 2231 writes them."""
    if _PLAIN_NAME.fullmatch(name):
        return f'filename="{name}"'
    return f"filename*=utf-8''{quote(name, safe='', errors='replace')}"
