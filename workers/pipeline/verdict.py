"""One lead's turn in a batch: the engine decides, and an event that makes it fail spoils only itself."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from workers.engine.values import Event, LeadState
from workers.exceptions import NeedsHistory
from workers.store.identities import email_of
from workers.store.leads import Lead

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from workers.engine.decide import Outcome
    from workers.engine.rules import Rulebook
    from workers.engine.values import Decision, Enrolment
    from workers.store.events import Claimed


EVENT_WAITS: Final = (timedelta(seconds=10), timedelta(minutes=1))
"""Waits before the second, third, … try of an event that failed; after the last one it is given up."""
WAKE_WAITS: Final = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1))
"""Waits after the first, second, … failure of a lead's wake-up; the last one goes for all later ones too."""
LEAST_WAIT: Final = timedelta(seconds=1)
"""The soonest that a lead is woken again, so that an engine that asks for an instant gone by does not spin."""
RECOUNTED: Final = "recounted"
LONGEST_ERROR: Final = 500
"""Characters of an error that are kept."""


class Decide(Protocol):
    """The engine (`workers.engine.decide.decide`)."""

    def __call__(
        self,
        state: LeadState,
        lead_id: int,
        events: Sequence[Event],
        rulebook: Rulebook,
        now: datetime,
        /,
        *,
        history: Sequence[Event] | None = None,
    ) -> Outcome:
        """Take a lead through its new events and whatever is due."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One lead's turn: what it is to be taken through.

    Attributes:
        lead: as it is stored.
        events: new ones, those that this transaction claimed.
        woken: True if a wake-up is due.
        history: every event that was ever taken in and the new ones; None as long as nobody needs them.
    """

    lead: Lead
    events: Sequence[Claimed]
    woken: bool
    history: Sequence[Event] | None = None

    def with_log(self, log: Sequence[Claimed]) -> Turn:
        """The same with the lead's whole log."""
        known = {event.id: event for event in (*log, *self.events)}
        return replace(self, history=[seen(event) for event in known.values()])

    @property
    def before(self) -> list[Event]:
        """The history without the new events."""
        new = {event.id for event in self.events}
        return [event for event in self.history or () if event.id not in new]


@dataclass(slots=True)
class Verdict:
    """What became of one lead.

    Attributes:
        lead: as it is to be stored.
        decisions: in the order they were made.
        runs: the runs through campaigns that have changed, as they are now, by name.
        failed: events that made the engine raise, and with what.
        held: events that wait for the lead, because it cannot be looked at even without them.
        woken: True if a wake-up was due.
        recounted: True if its scores were counted anew from its log.
        stuck: True if looking at the lead failed by itself, whatever came with it.
    """

    lead: Lead
    decisions: list[Decision] = field(default_factory=list)
    runs: dict[str, Enrolment] = field(default_factory=dict)
    failed: list[tuple[Claimed, str]] = field(default_factory=list)
    held: Sequence[Claimed] = ()
    woken: bool = False
    recounted: bool = False
    stuck: bool = False


def judge(turn: Turn, rulebook: Rulebook, now: datetime, decide: Decide) -> Verdict:
    """Let the engine decide about a lead: all at once, or, if that raises, event by event without the spoilt ones.

    What is due runs with whatever event comes. So before an event is blamed the lead is looked at without any: if that
    fails too, it is the lead that is stuck, and its events wait unblamed until it can be looked at again.

    Raises:
        NeedsHistory: it has to be asked again with the lead's log.
    """
    lead, events = turn.lead, turn.events
    try:
        state, new = LeadState.load(lead.state), [seen(event) for event in events]
        outcome = decide(state, lead.id, new, rulebook, now, history=turn.history)
        return _verdict(turn, outcome, now)
    except Exception as error:  # the engine runs on other people's data: what it raises is theirs
        if turn.history is None and isinstance(error, NeedsHistory):
            raise
    history = None if turn.history is None else turn.before
    alone = _try(replace(turn, events=(), history=history), rulebook, now, decide)
    if isinstance(alone, str):
        return Verdict(_postponed(lead, alone, now), held=events, woken=turn.woken, stuck=True)
    return _one_by_one(turn, alone, rulebook, now, decide)


def describe(error: BaseException | None) -> str:
    """An error as one short line."""
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}"[:LONGEST_ERROR]


def wait(waits: Sequence[timedelta], failures: int) -> timedelta:
    """How long to wait after `failures` earlier ones."""
    return waits[min(failures, len(waits) - 1)]


def _one_by_one(turn: Turn, alone: Verdict, rulebook: Rulebook, now: datetime, decide: Decide) -> Verdict:
    """The events in turn; `alone` is the lead's verdict without any of them."""
    verdict, taken = Verdict(turn.lead, woken=turn.woken), turn.before
    for event in turn.events:
        history = None if turn.history is None else [*taken, seen(event)]
        single = _try(Turn(verdict.lead, [event], woken=False, history=history), rulebook, now, decide)
        if isinstance(single, str):
            verdict.failed.append((event, single))
            continue
        taken.append(seen(event))
        verdict.lead = single.lead
        verdict.decisions += single.decisions
        verdict.runs |= single.runs
        verdict.recounted |= single.recounted
    if len(verdict.failed) == len(turn.events) and turn.woken:  # then nothing has taken care of the wake-up yet
        verdict.lead, verdict.decisions, verdict.recounted = alone.lead, alone.decisions, alone.recounted
        verdict.runs = alone.runs
    return verdict


def _try(turn: Turn, rulebook: Rulebook, now: datetime, decide: Decide) -> Verdict | str:
    """The lead after this one event, or the error in a line. Its log is looked at only if it has to be."""
    lead, new = turn.lead, [seen(event) for event in turn.events]
    try:
        try:
            return _verdict(turn, decide(LeadState.load(lead.state), lead.id, new, rulebook, now), now)
        except NeedsHistory:
            if turn.history is None:
                raise
        outcome = decide(LeadState.load(lead.state), lead.id, new, rulebook, now, history=turn.history)
        return _verdict(turn, outcome, now)
    except Exception as error:  # see `judge`
        if turn.history is None and isinstance(error, NeedsHistory):
            raise
        return describe(error)


def seen(event: Claimed) -> Event:
    """An event as the engine sees it, whenever it does: never later than it was received, telling the address it names.

    The engine counts leads anew from their logs, so this may depend on nothing but the event.
    """
    at = min(event.occurred_at, event.received_at)
    email = email_of(event)
    told = event.lead or {}
    if email is not None and "email" not in told:
        told = {"email": email, **told}
    return Event(event.id, event.type or "", at, event.properties, told)


def _verdict(turn: Turn, outcome: Outcome, now: datetime) -> Verdict:
    lead = turn.lead
    wake_at = None if outcome.wake_at is None else max(outcome.wake_at, now + LEAST_WAIT)
    email = outcome.state.fields.get("email") or lead.email
    decided = Lead(lead.id, lead.slice, email, outcome.state.dump(), wake_at)
    recounted = any(decision.kind == RECOUNTED for decision in outcome.decisions)
    enrolments = outcome.state.enrolments
    runs = {name: enrolments[name] for name in outcome.touched if name in enrolments}
    return Verdict(decided, list(outcome.decisions), runs, woken=turn.woken, recounted=recounted)


def _postponed(lead: Lead, error: str, now: datetime) -> Lead:
    """The lead as it was, to be looked at again later; a person finds it by its failures.

    One that waits for its next try already goes on waiting, however many events come meanwhile.
    """
    if lead.failures and lead.wake_at is not None and lead.wake_at > now:
        return lead
    return replace(lead, wake_at=now + wait(WAKE_WAITS, lead.failures), failures=lead.failures + 1, error=error)
