"""One lead's turn in a batch: the engine decides, and an event that makes it fail spoils only itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from workers.engine.decide import Outcome
from workers.engine.rules import Rulebook
from workers.engine.values import Decision, Event, LeadState
from workers.store.identities import email_of
from workers.store.leads import Lead

if TYPE_CHECKING:
    from workers.store.events import Claimed

Decide = Callable[[LeadState, int, Sequence[Event], Rulebook, datetime], Outcome]
"""The engine (`workers.engine.decide.decide`)."""

EVENT_WAITS: Final = (timedelta(seconds=10), timedelta(minutes=1))
"""Waits before the second, third, … try of an event that failed; after the last one it is given up."""
WAKE_WAITS: Final = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1))
"""Waits after the first, second, … failure of a lead's wake-up; the last one goes for all later ones too."""
LEAST_WAIT: Final = timedelta(seconds=1)
"""The soonest that a lead is woken again, so that an engine that asks for an instant gone by does not spin."""
LONGEST_ERROR: Final = 500
"""Characters of an error that are kept."""


@dataclass(slots=True)
class Verdict:
    """What became of one lead.

    Attributes:
        lead: as it is to be stored.
        decisions: in the order they were made.
        failed: events that made the engine raise, and with what.
        woken: True if a wake-up was due.
    """

    lead: Lead
    decisions: list[Decision] = field(default_factory=list)
    failed: list[tuple[Claimed, str]] = field(default_factory=list)
    woken: bool = False


def judge(
    lead: Lead, events: Sequence[Claimed], rulebook: Rulebook, now: datetime, decide: Decide, *, woken: bool
) -> Verdict:
    """Let the engine decide about a lead: all at once, or, if that raises, event by event without the spoilt ones."""
    try:
        state = LeadState.load(lead.state)
        outcome = decide(state, lead.id, [_event(event) for event in events], rulebook, now)
        return _verdict(lead, outcome, now, woken=woken)
    except Exception as error:  # noqa: BLE001  the engine runs on other people's data: what it raises is theirs
        if not events:
            return Verdict(_postponed(lead, error, now), woken=woken)
    return _one_by_one(lead, events, rulebook, now, decide, woken=woken)


def describe(error: BaseException | None) -> str:
    """An error as one short line."""
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}"[:LONGEST_ERROR]


def wait(waits: Sequence[timedelta], failures: int) -> timedelta:
    """How long to wait after `failures` earlier ones."""
    return waits[min(failures, len(waits) - 1)]


def _one_by_one(
    lead: Lead, events: Sequence[Claimed], rulebook: Rulebook, now: datetime, decide: Decide, *, woken: bool
) -> Verdict:
    verdict = Verdict(lead, woken=woken)
    for event in events:
        single = _try(verdict.lead, event, rulebook, now, decide)
        if isinstance(single, str):
            verdict.failed.append((event, single))
        else:
            verdict.lead = single.lead
            verdict.decisions += single.decisions
    if len(verdict.failed) == len(events) and woken:  # then nothing has taken care of the wake-up yet
        alone = judge(lead, (), rulebook, now, decide, woken=True)
        verdict.lead, verdict.decisions = alone.lead, alone.decisions
    return verdict


def _try(lead: Lead, event: Claimed, rulebook: Rulebook, now: datetime, decide: Decide) -> Verdict | str:
    """The lead after this one event, or the error in a line."""
    try:
        outcome = decide(LeadState.load(lead.state), lead.id, [_event(event)], rulebook, now)
        return _verdict(lead, outcome, now, woken=False)
    except Exception as error:  # noqa: BLE001  see `judge`
        return describe(error)


def _event(event: Claimed) -> Event:
    """The event as the engine sees it: never later than when it was received, and telling the address it names."""
    at = min(event.occurred_at, event.received_at)
    email = email_of(event)
    told = event.lead or {}
    if email is not None and "email" not in told:
        told = {"email": email, **told}
    return Event(event.id, event.type or "", at, event.properties, told)


def _verdict(lead: Lead, outcome: Outcome, now: datetime, *, woken: bool) -> Verdict:
    wake_at = None if outcome.wake_at is None else max(outcome.wake_at, now + LEAST_WAIT)
    email = outcome.state.fields.get("email") or lead.email
    decided = Lead(lead.id, lead.slice, email, outcome.state.dump(), wake_at)
    return Verdict(decided, list(outcome.decisions), woken=woken)


def _postponed(lead: Lead, error: Exception, now: datetime) -> Lead:
    """The lead as it was, to be woken again later; a person finds it by its failures."""
    wake_at = now + wait(WAKE_WAITS, lead.failures)
    return replace(lead, wake_at=wake_at, failures=lead.failures + 1, error=describe(error))
