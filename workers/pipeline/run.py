"""A run over a slice: batch after batch, and what makes one fail kept to itself."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from workers.engine.decide import decide as engine_decide
from workers.log import get_logger
from workers.pipeline.batch import Batch, give_back, hold
from workers.pipeline.processed import Processed
from workers.pipeline.verdict import WAKE_WAITS, describe, wait
from workers.store import events, leads
from workers.store.database import data_fault, transaction
from workers.store.locks import hold_free_slices, hold_slices

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from sqlalchemy import Connection, Engine

    from workers.clock import Clock
    from workers.pipeline.verdict import Decide
    from workers.store.events import Claimed
    from workers.store.rulebooks import Active

log = get_logger(__name__)


TURNS: Final = 8
"""A turn wakes at most an eighth of a batch's worth of leads in a slice. So however many fall due at one instant, new
events of every slice have their turn about once a second, and eight slices together still fill a batch."""


class ActiveRulebook(Protocol):
    """Knows the rulebook in force (`workers.store.rulebooks.Rulebooks`)."""

    def active(self, conn: Connection) -> Active:
        """The rulebook in force now."""


def process_slice(
    engine: Engine,
    slice_: int,
    rulebooks: ActiveRulebook,
    clock: Clock,
    *,
    decide: Decide = engine_decide,
    batch: int = 1000,
    batches: int = 100,
) -> Processed:
    """Process the events that are due in a slice, batch after batch, and with each batch some of its wake-ups.

    Safe to call anywhere at any time, for the same slice too: callers take turns. `clock` is asked once per batch.
    At most `batch` events, and an eighth as many wake-ups, share a transaction; after `batches` of them it is somebody
    else's turn, and the result's `more` has the slice. If only wake-ups are left, `overdue` has it.

    Raises:
        StoreUnavailable: PostgreSQL is away or busy; what was committed stays, the rest waits.
        NoRulebook: none was ever applied; everything waits.
    """
    run = _Run(engine, [slice_], rulebooks, decide)
    total = Processed()
    for _ in range(batches):
        done, full = run.batch(clock(), batch)
        total += done
        if not full or done.more:
            return total
    return total + Processed(more=frozenset([slice_]))


def process_together(
    engine: Engine,
    slices: Collection[int],
    rulebooks: ActiveRulebook,
    clock: Clock,
    *,
    decide: Decide = engine_decide,
    batch: int = 1000,
    batches: int = 3,
) -> Processed:
    """Process what is due in several slices together: where little waits in each, that costs half as much an event.

    They have equal parts of a batch. `more` has those with events left after so many batches, and those that somebody
    else is at: they are to be processed one by one, `process_slice`, by as many as have time. Those in `overdue`, where
    only wake-ups are left, may be processed together again.

    Raises:
        StoreUnavailable, NoRulebook: as `process_slice`.
    """
    total, full = Processed(), frozenset(slices)
    for _ in range(batches):
        done, full = _Run(engine, full, rulebooks, decide).batch(clock(), batch)
        total += done
        if not full:
            break
    return total + Processed(more=full)


class _Units(NamedTuple):
    """What a batch consists of: events to process and leads to wake, by id."""

    events: list[int]
    wakes: list[int]

    def halves(self) -> tuple[_Units, _Units]:
        """The same in two parts, neither of them empty."""
        events, wakes = len(self.events), len(self.wakes)
        if events > 1 or not wakes:
            return _Units(self.events[: events // 2], []), _Units(self.events[events // 2 :], self.wakes)
        if events:
            return _Units(self.events, []), _Units([], self.wakes)
        return _Units([], self.wakes[: wakes // 2]), _Units([], self.wakes[wakes // 2 :])

    def __len__(self) -> int:
        return len(self.events) + len(self.wakes)


class _BatchFailed(Exception):
    """Something in these units made the whole transaction fail."""

    def __init__(self, units: _Units) -> None:
        super().__init__(units)
        self.units = units


class _Run:
    """A run over one slice or several."""

    def __init__(self, engine: Engine, slices: Collection[int], rulebooks: ActiveRulebook, decide: Decide) -> None:
        self._engine = engine
        self._slices = frozenset(slices)
        self._rulebooks = rulebooks
        self._decide = decide

    def batch(self, now: datetime, limit: int) -> tuple[Processed, frozenset[int]]:
        """Process one batch; also says of which slices it had as many events as it may, so that there may be more."""
        each, few = max(1, limit // len(self._slices)), max(1, limit // TURNS)
        left, full = Processed(), frozenset[int]()
        try:
            with transaction(self._engine) as conn:
                held = self._hold(conn)
                claimed, due = events.take(conn, held, now, each), leads.due(conn, held, now, few)
                full = crowded((event.slice for event in claimed), each)
                left = Processed(more=self._slices - held, overdue=crowded(due.values(), few))
                done = left + self._work(conn, held, claimed, due, now)
                return done, full | {min(held)} if done.recorded else full  # what it has told itself waits there
        except _BatchFailed as failed:
            return left + self._halve(failed.units, now, failed.__cause__), full

    def _hold(self, conn: Connection) -> frozenset[int]:
        """Be alone with the slice; of several, with those that are free: the others need not wait for one."""
        if len(self._slices) > 1:
            return hold_free_slices(conn, self._slices)
        hold_slices(conn, self._slices)
        return self._slices

    def _attempt(self, units: _Units, now: datetime) -> Processed:
        """Process these units."""
        with transaction(self._engine) as conn:
            hold_slices(conn, self._slices)
            claimed = events.take_these(conn, self._slices, now, units.events)
            return self._work(conn, self._slices, claimed, units.wakes, now)

    def _work(
        self, conn: Connection, held: Collection[int], claimed: list[Claimed], due: Collection[int], now: datetime
    ) -> Processed:
        active = self._rulebooks.active(conn)
        if not claimed and not due:
            return Processed()
        try:
            return Batch(conn, min(held), active, now, self._decide).work(claimed, due)
        except Exception as error:  # rules and data are other people's: what they break is looked for one by one
            if not data_fault(error):
                raise
            raise _BatchFailed(_Units([event.id for event in claimed], [*due])) from error

    def _halve(self, units: _Units, now: datetime, cause: BaseException | None) -> Processed:
        """Process both halves for themselves, down to the one unit that fails; everything else goes through."""
        if len(units) == 1:
            return self._set_aside(units, now, cause)
        total = Processed()
        for half in units.halves():
            try:
                total += self._attempt(half, now)
            except _BatchFailed as failed:
                total += self._halve(failed.units, now, failed.__cause__)
        return total

    def _set_aside(self, units: _Units, now: datetime, cause: BaseException | None) -> Processed:
        """Give one unit that cannot be committed back for later, or up.

        What is due at a lead runs with whatever event comes: before an event is blamed, its lead is woken alone.
        """
        done = Processed()
        if units.events and (lead := self._due_with(units.events[0], now)) is not None:
            for each in (_Units([], [lead]), units):
                try:
                    done += self._attempt(each, now)
                except _BatchFailed as failed:
                    done += self._put_aside(each, now, failed.__cause__)
            return done
        return self._put_aside(units, now, cause)

    def _due_with(self, event_id: int, now: datetime) -> int | None:
        """The lead of an event, if something is due there."""
        with transaction(self._engine) as conn:
            lead = leads.of_event(conn, event_id)
        return None if lead is None or lead.wake_at is None or lead.wake_at > now else lead.id

    def _put_aside(self, units: _Units, now: datetime, cause: BaseException | None) -> Processed:
        """Take note that a unit failed, and let it wait; an event whose lead is stuck waits for that without blame."""
        log.warning("unit_failed", events=units.events, leads=units.wakes, error=type(cause).__name__)
        with transaction(self._engine) as conn:
            hold_slices(conn, self._slices)
            for lead in leads.lock(conn, units.wakes):
                leads.wake_failed(conn, lead.id, describe(cause), now + wait(WAKE_WAITS, lead.failures), now)
            taken = events.take_these(conn, self._slices, now, units.events)
            for event in taken:
                owner = leads.of_event(conn, event.id)
                if owner is not None and owner.failures:
                    return Processed(held=hold(conn, owner, taken, now))
            quarantined = give_back(conn, [(event, describe(cause)) for event in taken], now)
        return Processed(failed=1 - quarantined, quarantined=quarantined)


def crowded(slices: Iterable[int], most: int) -> frozenset[int]:
    """Slices that are named `most` times."""
    return frozenset(slice_ for slice_, size in Counter(slices).items() if size >= most)
