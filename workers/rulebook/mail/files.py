"""The files of a bundle below `templates/`: which are templates, which are attached to mails, and where a layout is."""

from __future__ import annotations

import base64
import binascii
from mimetypes import MimeTypes
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT, HTML, MJML = ".txt", ".html", ".mjml"
SUFFIXES: Final = (TEXT, HTML, MJML)
"""Of templates; everything else below `templates/` is a file that mails can carry."""
LAYOUTS: Final = "layouts/"
MOST_ATTACHED: Final = 5_000_000
"""Bytes of all attachments of one mail. Mailboxes take 10 to 25 MB, and grow tired of a campaign long before that."""
_STORED: Final = "data:;base64,"
_OTHER: Final = "application/octet-stream"
_TYPES: Final = MimeTypes()  # Python's own list: the machine's would make another mail on every machine
_TYPES.add_type("text/calendar", ".ics")
_TYPES.add_type("text/vcard", ".vcf")


def is_template(path: str) -> bool:
    """True for a file that is rendered."""
    return path.endswith(SUFFIXES)


def stored(content: bytes) -> str:
    """A file of any content as text, the form that bundles are kept in."""
    return _STORED + base64.b64encode(content).decode()


def content_of(text: str) -> bytes | None:
    """The file that `stored` put into a bundle; None if the text is no such."""
    if not text.startswith(_STORED):
        return None
    try:
        return base64.b64decode(text[len(_STORED) :], validate=True)
    except binascii.Error:
        return None


def size_of(text: str) -> int:
    """Bytes of a stored file, without decoding it."""
    encoded = len(text) - len(_STORED)
    return encoded // 4 * 3 - text[-2:].count("=")


def media_type(name: str) -> str:
    """What a file is, going by its name."""
    return _TYPES.guess_type(name)[0] or _OTHER


def markup_path(name: str, files: Mapping[str, str]) -> str | None:
    """Where the HTML of a mail is written, as HTML or as MJML; None if it has none.

    Args:
        name: of the mail's folder.
        files: by path below `templates/`.
    """
    return next((path for suffix in (HTML, MJML) if (path := f"{name}/mail{suffix}") in files), None)


def layout_path(layout: str, path: str) -> str:
    """The file of a layout that a mail's file of this path is set into."""
    return f"{LAYOUTS}{layout}/layout{PurePosixPath(path).suffix}"
