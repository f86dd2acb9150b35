"""What is due: found in PostgreSQL by index, whatever became of the hints. The one clock of the system asks here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from workers.engine.campaigns.runs import share
from workers.exceptions import NoRulebook, RulebookError, StoreUnavailable
from workers.log import get_logger
from workers.store import controls, enrolments, leads, outbox, partitions, rulebooks
from workers.store.database import transaction
from workers.store.enrolments import GoingOn
from workers.store.locks import Leadership, impatient, leadership
from workers.store.slices import SLICES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection, Engine

    from workers.pipeline import ActiveRulebook
    from workers.store.controls import Control

__all__ = ["Due", "Leadership", "Sweeper", "leadership", "sweep"]

log = get_logger(__name__)

UPKEEP_EVERY: Final = timedelta(hours=12)
UPKEEP_RETRY: Final = timedelta(minutes=5)
UPKEEP_PATIENCE: Final = timedelta(milliseconds=200)
"""How long making a partition waits for readers of its log; everybody else waits behind it meanwhile."""
RESUMED_AT_ONCE: Final = 5_000
"""Held runs that are given a time at a look: a million of them in a few minutes."""
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
        unproved: how many unclear rows are a person's matter from now on.
        outdated: how many leads were woken to be counted anew by changed rules.
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

    Leads that were counted by other scoring rules than those in force are woken, a bounded number at a time, until
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
        resumed = _resume(conn)
        slices, channels = leads.due_slices(conn, now, SLICES), outbox.due_channels(conn, now)
    due = Due(slices, channels, expired, unproved, outdated, resumed)
    if expired:
        log.warning("leases_expired", **expired)
    if unproved:
        log.warning("outcomes_unproved", rows=unproved)
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


def _resume(conn: Connection) -> int:
    """Give runs of campaigns that go on again their time, a bounded number at a look.

    The time of each follows from the decision and the lead alone, spread evenly over the stretch that was asked for.
    """
    going_on = {name: each for (name, step), each in controls.latest(conn).items() if each.what == controls.RESUMED}
    if not going_on:
        return 0
    found = enrolments.held(conn, {name: each.id for name, each in going_on.items()}, RESUMED_AT_ONCE)
    planned = [GoingOn(name, lead, going_on[name].id, going_on_at(going_on[name], lead)) for name, lead in found]
    return enrolments.go_on(conn, planned)


def going_on_at(decision: Control, lead_id: int) -> datetime:
    """When a run that was held goes on."""
    over = timedelta(seconds=decision.detail.get("over_s", 0))
    return decision.decided_at + over * share("resume", decision.id, decision.campaign, lead_id)


class Sweeper:
    """`sweep` for a process that repeats it: also makes the months of the logs ahead, twice a day."""

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
        self._upkeep_at = datetime.min.replace(tzinfo=UTC)

    def sweep(self, now: datetime) -> Due:
        """See `sweep`."""
        due = sweep(self._engine, now, self._takes_key, self._ambiguous_after, self._rulebooks)
        if now >= self._upkeep_at:
            self._ensure_partitions(now)
        return due

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
