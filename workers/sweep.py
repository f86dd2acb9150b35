"""What is due: found in PostgreSQL by index, whatever became of the hints. The one clock of the system asks here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from workers.exceptions import NoRulebook, RulebookError
from workers.log import get_logger
from workers.store import leads, outbox, partitions, rulebooks
from workers.store.database import transaction
from workers.store.locks import Leadership, leadership
from workers.store.slices import SLICES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime

    from sqlalchemy import Connection, Engine

    from workers.pipeline import ActiveRulebook

__all__ = ["Due", "Leadership", "Sweeper", "leadership", "sweep"]

log = get_logger(__name__)

OUTDATED: Final = 500
"""Leads that are awake at a time because the scoring rules changed. With forty events each (30 microseconds an event)
and a look a second this is about half of one processor, and half an hour for a million leads; new events have the rest.
"""


@dataclass(frozen=True, slots=True)
class Due:
    """Where work waits.

    Attributes:
        slices: with events to process or leads to wake.
        channels: of the outbox, with effects to deliver.
        expired: how many rows of silent workers went to which outbox state.
        outdated: how many leads were woken to be counted anew by changed rules.
    """

    slices: frozenset[int] = frozenset()
    channels: frozenset[str] = frozenset()
    expired: Mapping[str, int] = field(default_factory=dict)
    outdated: int = 0


def sweep(
    engine: Engine, now: datetime, takes_key: Callable[[str], bool], rulebooks_: ActiveRulebook | None = None
) -> Due:
    """Find everything that is due, and see to effects whose worker fell silent (`outbox.expire`).

    Leads that were counted by other scoring rules than those in force are woken, a bounded number at a time, until
    none is left: progress is in their rows, so whoever looks next goes on, whatever was killed.

    `takes_key` says of a provider's name whether sending the same key to it again is harmless. `rulebooks_` compiles a
    version that no worker has used yet.

    Raises:
        StoreUnavailable: PostgreSQL cannot be reached.
    """
    with transaction(engine) as conn:
        expired = outbox.expire(conn, now, takes_key)
        outdated = _wake_outdated(conn, now, rulebooks_)
        due = Due(leads.due_slices(conn, now, SLICES), outbox.due_channels(conn, now), expired, outdated)
    if expired:
        log.warning("leases_expired", **expired)
    return due


def _wake_outdated(conn: Connection, now: datetime, compiled: ActiveRulebook | None) -> int:
    """Wake leads to be counted anew; none as long as nobody can tell how the version in force scores."""
    try:
        scoring = rulebooks.active(conn).scoring
        if not scoring and compiled is not None:  # it is new, and no worker has had anything to do yet
            compiled.active(conn)
            scoring = rulebooks.active(conn).scoring
    except (NoRulebook, RulebookError):
        return 0
    return leads.wake_outdated(conn, scoring, now, OUTDATED) if scoring else 0


class Sweeper:
    """`sweep` for a process that repeats it: also makes the months of the logs ahead, once a day."""

    def __init__(
        self, engine: Engine, takes_key: Callable[[str], bool], rulebooks_: ActiveRulebook | None = None
    ) -> None:
        self._engine = engine
        self._rulebooks = rulebooks_
        self._takes_key = takes_key
        self._day: date | None = None

    def sweep(self, now: datetime) -> Due:
        """See `sweep`."""
        if self._day != now.date():
            self._ensure_partitions(now)
        return sweep(self._engine, now, self._takes_key, self._rulebooks)

    def _ensure_partitions(self, now: datetime) -> None:
        with transaction(self._engine) as conn:
            made = partitions.ensure(conn, now)
        self._day = now.date()
        if made:
            log.info("partitions_made", names=" ".join(made))
