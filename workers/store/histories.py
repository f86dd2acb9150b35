"""Leads with everything that was recorded of them, for those who look at history and change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import text

from workers.store.history import logs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from workers.store.events import Claimed

# By a hash of their numbers: the same leads every time, and no more old ones than new ones among them.
_CHOSEN: Final = text("SELECT id FROM leads ORDER BY hashint8(id), id LIMIT :limit")
_NAMES: Final = text("""
    SELECT l.id, coalesce(l.email, min(i.identity), ''), l.state FROM leads l
    LEFT JOIN identities i ON i.lead_id = l.id WHERE l.id = ANY(:ids) GROUP BY l.id ORDER BY l.id
""")
_COUNT: Final = text("SELECT count(*) FROM leads")


def count(conn: Connection) -> int:
    """How many leads there are."""
    return int(conn.scalar(_COUNT) or 0)


def chosen(conn: Connection, limit: int | None) -> list[int]:
    """The leads to look at: all of them, or so many, the same ones every time."""
    return list(conn.scalars(_CHOSEN, {"limit": limit}))


class Recorded(NamedTuple):
    """A lead: its name (the address, or another identity), how it stands, and its events."""

    id: int
    name: str
    state: Mapping[str, Any]
    events: Sequence[Claimed]


def read(conn: Connection, leads: list[int]) -> list[Recorded]:
    """These leads; all of it is in memory at once."""
    found = logs(conn, leads)
    return [Recorded(id_, name, state, found[id_]) for id_, name, state in conn.execute(_NAMES, {"ids": leads})]
