"""Forms that senders post: `application/x-www-form-urlencoded`, or `multipart/form-data` where files go with them."""

from __future__ import annotations

import email
from email.message import Message
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from integrations.exceptions import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integrations.contracts import Request

MULTIPART: Final = "multipart/form-data"
URLENCODED: Final = "application/x-www-form-urlencoded"
MOST_FIELDS: Final = 1000


def is_form(request: Request) -> bool:
    """True if the sender says that the body is a form."""
    return request.headers.get("content-type", "").lower().startswith((MULTIPART, URLENCODED))


def fields(request: Request) -> dict[str, bytes]:
    """The fields of a form by name, the last of equal ones; files are left out.

    Raises:
        Malformed: it is no form.
    """
    kind = request.headers.get("content-type", "")
    if kind.lower().startswith(MULTIPART):
        return dict(_parts(kind, request.body))
    try:
        pairs = parse_qsl(
            request.body.decode(),
            keep_blank_values=True,
            strict_parsing=True,
            errors="surrogateescape",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError as error:
        raise Malformed("the body is no form.") from error
    return {name: value.encode(errors="surrogateescape") for name, value in pairs}


def _parts(kind: str, body: bytes) -> Iterator[tuple[str, bytes]]:
    whole = email.message_from_bytes(b"content-type: " + kind.encode(errors="replace") + b"\r\n\r\n" + body)
    parts = whole.get_payload()
    if not isinstance(parts, list) or len(parts) > MOST_FIELDS:
        raise Malformed("the body is no form.")
    for part in parts:
        if not isinstance(part, Message):
            continue
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes) and part.get_filename() is None:
            yield name, content
