"""Addresses in mails: which attributes hold some, and what they have to begin with."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

from workers.rulebook.mail.markup import OPENS

if TYPE_CHECKING:
    from workers.rulebook.mail.markup import Attribute, Token

LINKING: Final = frozenset({
    "a", "area", "mj-button", "mj-image", "mj-navbar-link", "mj-social-element", "v:rect", "v:roundrect",
})  # fmt: skip
"""Elements that lead somewhere; with the last two, Outlook draws buttons."""
LOADING: Final = frozenset({
    "body", "img", "mj-hero", "mj-image", "mj-section", "mj-wrapper", "source", "table", "td", "th", "video",
})  # fmt: skip
_ATTRIBUTES: Final = frozenset({"background", "background-url", "href", "poster", "src"})
_SCHEME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")


def is_address(token: Token, attribute: Attribute) -> bool:
    """True for an attribute whose value is the address of something else."""
    return attribute.name in _ATTRIBUTES and (token.name in LINKING or token.name in LOADING)


def is_relative(address: str) -> bool:
    """True for an address that says nothing outside of a website; of one that begins with a mark, nothing is known."""
    address = address.strip()
    return bool(address) and not address.startswith(("#", OPENS)) and not _SCHEME.match(address)


@lru_cache(maxsize=1024)  # most links are the same in all mails of a template
def absolute(address: str, site: str) -> str:
    """An address that leads to the same place from everywhere; as it is, if there is no site."""
    if not is_relative(address):
        return address
    if address.strip().startswith("//"):
        return f"https:{address.strip()}"
    return urljoin(site.rstrip("/") + "/", address.strip()) if site else address
