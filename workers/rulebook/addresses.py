"""E-mail addresses as far as rule files need them: well enough formed to stand in a header."""

from __future__ import annotations

import re
from email.utils import parseaddr
from typing import Final

import idna

ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")


def is_address(text: str) -> bool:
    """True for a plain address, `ana@acme.example`; its domain may have letters beyond ASCII (`ana@büro.example`)."""
    local, at, domain = text.rpartition("@")
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode()
        except idna.IDNAError:
            return False
    return ADDRESS.fullmatch(local + at + domain) is not None and ".." not in text


def is_mailbox(text: str) -> bool:
    """True for an address with or without a name before it, `Ana <ana@acme.example>`, in one line."""
    if not text.isprintable():
        return False
    address = parseaddr(text)[1]
    return is_address(address) and (text == address or text.rstrip().endswith(f"<{address}>"))
