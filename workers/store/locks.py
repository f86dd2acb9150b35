"""Advisory locks: who works on a slice, hands out opportunities, decides about campaigns, and which clock leads."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from workers.store.database import available

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy import Connection, Engine

SLICE_LOCKS: Final = 0x6472_6970
"""First of the two keys of a slice's lock; the second one is the slice."""
CLOCK_LOCK: Final = 0x6472_6970_0003
OWNERS_LOCK: Final = 0x6472_6970_0004
CONTROLS_LOCK: Final = 0x6472_6970_0005

_SLICES: Final = text("SELECT pg_advisory_xact_lock(:locks, slice) FROM unnest(CAST(:slices AS int[])) AS slice")
_FREE_SLICES: Final = text("""
    SELECT slice FROM unnest(CAST(:slices AS int[])) AS slice WHERE pg_try_advisory_xact_lock(:locks, slice)
""")
_HOLD: Final = text("SELECT pg_advisory_xact_lock(:key)")
_PATIENCE: Final = text("SELECT set_config('lock_timeout', :patience, true)")
_LEAD: Final = text("SELECT pg_try_advisory_lock(:key)")
_ALIVE: Final = text("SELECT 1")


def hold_slices(conn: Connection, slices: Collection[int]) -> None:
    """Be alone with slices until the end of the transaction; waits for whoever is there.

    They are taken in order, so that nobody waits for another in a circle.

    Raises:
        DBAPIError: somebody held one for longer than the connection's `lock_timeout`.
    """
    conn.execute(_SLICES, {"locks": SLICE_LOCKS, "slices": sorted(slices)})


def hold_free_slices(conn: Connection, slices: Collection[int]) -> frozenset[int]:
    """The same for those slices that nobody holds just now, without waiting; returns which."""
    return frozenset(conn.scalars(_FREE_SLICES, {"locks": SLICE_LOCKS, "slices": list(slices)}))


def hold_owners(conn: Connection) -> None:
    """Be the only one who hands out opportunities until the end of the transaction.

    Take it after all leads and before anything is written, so that nobody waits for another in a circle.

    Raises:
        DBAPIError: somebody held it for longer than the connection's `lock_timeout`.
    """
    conn.execute(_HOLD, {"key": OWNERS_LOCK})


def hold_controls(conn: Connection) -> None:
    """Be the only one who pauses campaigns and decides tests until the end of the transaction.

    Raises:
        DBAPIError: somebody held it for longer than the connection's `lock_timeout`.
    """
    conn.execute(_HOLD, {"key": CONTROLS_LOCK})


def impatient(conn: Connection, patience: timedelta) -> None:
    """From now until the end of the transaction wait no longer than `patience` for any lock."""
    conn.execute(_PATIENCE, {"patience": f"{patience // timedelta(milliseconds=1)}ms"})


class Leadership:
    """One process's part in the election: the leader holds a lock that ends with its connection."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._conn: Connection | None = None

    def held(self) -> bool:
        """True if this process leads now; tries to become the leader if nobody is.

        Raises:
            StoreUnavailable: PostgreSQL cannot be reached, so nobody knows; whoever led leads no more.
        """
        try:
            with available():
                return self._still_held() or self._take()
        except BaseException:
            self.resign()
            raise

    def resign(self) -> None:
        """Let another one lead."""
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.invalidate()  # the lock belongs to the session: end it instead of giving it back to the pool
            conn.close()

    def _still_held(self) -> bool:
        if self._conn is None:
            return False
        self._conn.execute(_ALIVE)
        return True

    def _take(self) -> bool:
        conn = self._engine.connect()
        if conn.scalar(_LEAD, {"key": CLOCK_LOCK}):
            self._conn = conn
            return True
        conn.close()
        return False


@contextmanager
def leadership(engine: Engine) -> Iterator[Leadership]:
    """Stand for election as long as the block runs."""
    candidate = Leadership(engine)
    try:
        yield candidate
    finally:
        candidate.resign()
