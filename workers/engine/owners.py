"""Whose turn it is: weighted round robin with caps, over what everybody was given before."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workers.engine.rules import Owner


def next_owner(owners: Sequence[Owner], given: Callable[[str, int | None], int], fallback: str) -> str:
    """The owner who is furthest behind their share and below their cap; of equals the first in the file.

    Args:
        owners: who takes turns.
        given: how many opportunities an owner got, within the last so many days, or ever for None.
        fallback: who gets it when nobody of them can; may be empty.
    """
    free = [owner for owner in owners if owner.cap is None or given(owner.email, owner.cap_days) < owner.cap]
    if not free:
        return fallback
    return min(free, key=lambda owner: (given(owner.email, None) + 1) / owner.weight).email
