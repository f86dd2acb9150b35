"""Which rulebook was in force when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Activation:
    """A version was put in force.

    Attributes:
        id: of the activation; the latest one counts.
        version: content hash.
        author, message: who did it, and why.
    """

    id: int
    version: str
    author: str
    message: str
    activated_at: datetime


_COLUMNS: Final = """
    SELECT a.id, v.version, a.author, a.message, a.activated_at
    FROM rulebook_activations a JOIN rulebook_versions v ON v.id = a.rulebook
"""
_LIST: Final = text(f"{_COLUMNS} ORDER BY a.id DESC LIMIT :limit")
_AT: Final = text(f"{_COLUMNS} WHERE a.activated_at <= :at ORDER BY a.id DESC LIMIT 1")
_FIRST: Final = text(f"{_COLUMNS} ORDER BY a.id LIMIT 1")
_LIKE: Final = text("SELECT version FROM rulebook_versions WHERE version LIKE :start || '%' ORDER BY id DESC LIMIT 2")


def latest(conn: Connection, limit: int) -> list[Activation]:
    """The latest ones, the one in force first."""
    return [Activation(*row) for row in conn.execute(_LIST, {"limit": limit})]


def at(conn: Connection, instant: datetime) -> Activation | None:
    """The one in force at an instant; before the first one, that; None if no rulebook was ever applied."""
    row = conn.execute(_AT, {"at": instant}).one_or_none() or conn.execute(_FIRST).one_or_none()
    return None if row is None else Activation(*row)


def named(conn: Connection, start: str) -> list[str]:
    """The versions whose hash begins so, two at the most: more than one is too many to choose."""
    return list(conn.scalars(_LIKE, {"start": start.replace("%", "").replace("_", "")}))
