"""What is due: found in PostgreSQL by index, whatever became of the hints. The one clock of the system asks here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from workers import trials
from workers.engine.pausing import LONGEST
from workers.exceptions import NoRulebook, RulebookError, StoreUnavailable
from workers.log import get_logger
from workers.steering import go_on, overtake, watch
from workers.store import campaign_counts, leads, outbox, partitions, rulebooks
from workers.store.database import transaction
from workers.store.locks import Leadership, impatient, leadership
from workers.store.slices import SLICES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection, Engine

    from workers.pipeline import ActiveRulebook

__all__ = ["Due", "Leadership", "Sweeper", "leadership", "sweep"]

log = get_logger(__name__)

WATCH_EVERY: Final = timedelta(seconds=10)
DECIDE_EVERY: Final = timedelta(minutes=5)
FOLD_EVERY: Final = timedelta(hours=1)
FOLDED: Final = 5_000
"""Counts of campaigns that are folded at a look, a twentieth of a second; while there are more, at every look."""
FRESH: Final = timedelta(days=2)
"""Days whose counts are left as they are, because much still comes in for them."""
UPKEEP_EVERY: Final = timedelta(hours=12)
UPKEEP_RETRY: Final = timedelta(minutes=5)
UPKEEP_PATIENCE: Final = timedelta(milliseconds=200)
"""How long making a partition waits for readers of its log; everybody else waits behind it meanwhile."""
OUTDATED: Final = 500
"""Leads that are awake at a time because rules changed. With forty events each (30 microseconds an event)
and a look a second this is about half of one processor, and half an hour for a million leads; new events have the rest.
"""


@dataclass(frozen=True, slots=True)
class Due:
    """Where work waits.

    Attributes:
        slices: with events to process or leads to wake.
        channels: of the outbox, with effects to deliver.
        expired: how many rows of silent workers went to which outbox state.
        unproved: how many unclear rows are a person's matter from now on.
        outdated: how many leads were woken to be looked at anew by changed rules.
        resumed: how many runs that a pause held got their time to go on.
    """

    slices: frozenset[int] = frozenset()
    channels: frozenset[str] = frozenset()
    expired: Mapping[str, int] = field(default_factory=dict)
    unproved: int = 0
    outdated: int = 0
    resumed: int = 0


def sweep(
    engine: Engine,
    now: datetime,
    takes_key: Callable[[str], bool],
    ambiguous_after: timedelta,
    rulebooks_: ActiveRulebook | None = None,
) -> Due:
    """Find everything that is due, and see to effects whose worker fell silent (`outbox.expire`).

    Leads that were counted or looked at by other rules than those in force are woken, a bounded number at a time, until
    none is left: progress is in their rows, so whoever looks next goes on, whatever was killed.

    `takes_key` says of a provider's name whether sending the same key to it again is harmless. What no evidence has
    settled for `ambiguous_after` becomes a person's matter. `rulebooks_` compiles a version that no worker has used
    yet.

    Raises:
        StoreUnavailable: PostgreSQL cannot be reached.
    """
    with transaction(engine) as conn:
        expired = outbox.expire(conn, now, takes_key)
        unproved = outbox.leave_to_people(conn, now - ambiguous_after)
        outdated = _wake_outdated(conn, now, rulebooks_)
        resumed = go_on(conn)
        slices, channels = leads.due_slices(conn, now, SLICES), outbox.due_channels(conn, now)
    due = Due(slices, channels, expired, unproved, outdated, resumed)
    if expired:
        log.warning("leases_expired", **expired)
    if unproved:
        log.warning("outcomes_unproved", rows=unproved)
    return due


def _wake_outdated(conn: Connection, now: datetime, compiled: ActiveRulebook | None) -> int:
    """Wake leads to be counted anew; none as long as nobody can tell how the version in force scores.

    A version that cannot be compiled here stops nothing: what runs on in its place is what leads are counted by.
    """
    try:
        scoring = rulebooks.active(conn).scoring
        if (
            not scoring and compiled is not None
        ):  # it is new, and no worker has had anything to do yet; or it is refused
            scoring = compiled.active(conn).rulebook.stamp
    except (NoRulebook, RulebookError):
        return 0
    return leads.wake_outdated(conn, scoring, now, OUTDATED) if scoring else 0


class Sweeper:
    """`sweep` for a process that repeats it. Now and then it looks at campaigns that may have to stop, at runs that new
    rules overtake and at tests that may be over, and twice a day it makes the months of the logs ahead.
    """

    def __init__(
        self,
        engine: Engine,
        takes_key: Callable[[str], bool],
        ambiguous_after: timedelta,
        rulebooks_: ActiveRulebook | None = None,
    ) -> None:
        self._engine = engine
        self._takes_key = takes_key
        self._ambiguous_after = ambiguous_after
        self._rulebooks = rulebooks_
        self._watch_at = self._decide_at = self._fold_at = self._upkeep_at = datetime.min.replace(tzinfo=UTC)

    def sweep(self, now: datetime) -> Due:
        """See `sweep`."""
        due = sweep(self._engine, now, self._takes_key, self._ambiguous_after, self._rulebooks)
        if now >= self._watch_at:
            self._watch(now)
        if now >= self._fold_at:
            self._fold(now)
        if now >= self._upkeep_at:
            self._ensure_partitions(now)
        return due

    def _watch(self, now: datetime) -> None:
        """Look at campaigns, their runs and their tests, which new rules or numbers may move; without rules at none."""
        self._watch_at = now + WATCH_EVERY
        if self._rulebooks is None:
            return
        with transaction(self._engine) as conn:
            try:
                active = self._rulebooks.active(conn)
            except (NoRulebook, RulebookError):
                return
            overtake(conn, active, now)
            watch(conn, active, now)
            if now >= self._decide_at:
                self._decide_at = now + DECIDE_EVERY
                trials.decide(conn, active, now)

    def _fold(self, now: datetime) -> None:
        """Fold what was counted of campaigns on days that are over, so that it grows with the months alone."""
        today = campaign_counts.utc_day(now)
        with transaction(self._engine) as conn:
            folded = campaign_counts.fold(conn, today - FRESH, today - timedelta(days=LONGEST), FOLDED)
        self._fold_at = now if folded == FOLDED else now + FOLD_EVERY

    def _ensure_partitions(self, now: datetime) -> None:
        """Make the months ahead; if somebody is reading a log for long, later: nothing may wait for it meanwhile."""
        self._upkeep_at = now + UPKEEP_RETRY
        try:
            with transaction(self._engine) as conn:
                impatient(conn, UPKEEP_PATIENCE)
                made = partitions.ensure(conn, now)
        except StoreUnavailable as error:
            log.warning("partitions_wait", error=str(error))
            return
        self._upkeep_at = now + UPKEEP_EVERY
        if made:
            log.info("partitions_made", names=" ".join(made))
