"""E-mail addresses and domains, of which there are two spellings: `bücher.example`, and `xn--bcher-kva.example` in DNS.

Providers tell of a mail to the one by the other. Both are one address: people are known by the first, and hashes and
comparisons are made of the second (IDNA 2008 with the mapping of UTS 46, as browsers have it).
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import idna

ENCODED: Final = "xn--"


def dns(domain: str) -> str:
    """A domain as DNS has it: lower case, `xn--…` for what is not ASCII. What can be no domain stays as it is."""
    domain = domain.strip().lower()
    if not domain.isascii():
        with suppress(idna.IDNAError):
            return idna.encode(domain, uts46=True).decode()
    return domain


def domain_of(address: str | None) -> str:
    """The domain of an address, as DNS has it; empty where there is none."""
    return dns((address or "").rpartition("@")[2])


def one_spelling(address: str) -> str:
    """An address as people write it, by which its owner is known: lower case, and a domain with its own letters."""
    address = address.strip().lower()
    if address.isascii() and ENCODED not in address:
        return address
    name, at, domain = address.rpartition("@")
    with suppress(idna.IDNAError):
        domain = idna.decode(dns(domain))
    return f"{name}{at}{domain}"


def normalised(address: str) -> str:
    """The form in which addresses are compared: no upper case, and a domain as DNS has it."""
    name, at, domain = address.strip().lower().rpartition("@")
    return f"{name}{at}{dns(domain)}"


def spellings(address: str) -> list[str]:
    """The ways in which an address may have been written down: as it is here, as people write it, and as DNS has it."""
    return sorted({address.strip().lower(), one_spelling(address), normalised(address)})
