"""What people decide about outbox rows that the program cannot decide by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from sqlalchemy import text

from workers.store import outbox

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import Connection

BY_HAND: Final = "by-hand"

# The number of the claim stays, so that a late answer to it still counts, until the row is claimed again.
_AGAIN: Final = text("""
    UPDATE outbox SET state = 'retry', due_at = :now, settled_at = NULL, reason = :reason,
                      unclear_since = NULL, unclear_with = NULL, look_at = NULL
    WHERE id = ANY(:ids) AND state IN ('dead', 'skipped', 'ambiguous', 'retry') AND evidence IS NULL
    RETURNING id
""")
_CLOSE: Final = text("""
    UPDATE outbox SET state = :state, reason = :reason, settled_at = :now, look_at = NULL,
                      provider_ref = coalesce(nullif(:ref, ''), provider_ref)
    WHERE id = ANY(:ids) AND state IN ('ambiguous', 'retry')
    RETURNING id, channel
""")


def again(conn: Connection, ids: Collection[int], now: datetime) -> list[int]:
    """Make rows due now that were given up, skipped, unclear or waiting; returns which of them.

    A row whose schedule is used up gets one more attempt. A row that is proved to have arrived stays as it is.
    """
    return sorted(conn.scalars(_AGAIN, {"ids": list(ids), "now": now, "reason": BY_HAND}))


def close(
    conn: Connection, ids: Collection[int], state: Literal["sent", "dead"], now: datetime, ref: str = ""
) -> list[int]:
    """Settle unclear and waiting rows: it did arrive (`sent`), or it is not to arrive any more (`dead`).

    A promotion that arrived is an opportunity that the CRM has; `ref` is the other side's own id of the row, if known.
    """
    given = {"ids": list(ids), "state": state, "now": now, "reason": BY_HAND, "ref": ref}
    closed = conn.execute(_CLOSE, given).all()
    if state == "sent":
        outbox.accept(conn, [row.id for row in closed if row.channel == "crm"], now)
    return sorted(row.id for row in closed)
