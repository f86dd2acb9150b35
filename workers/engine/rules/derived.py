"""What a frozen value works out of its own attributes, once."""

from __future__ import annotations


def derive(of: object, name: str, value: object) -> None:
    """Set what follows from the other attributes of a frozen object, while it is made."""
    object.__setattr__(of, name, value)
