"""One attempt at one outbox row: what became of it, whatever happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from integrations.exceptions import Rejected, Unavailable, Unknown
from workers.delivery.senders import Skip
from workers.exceptions import StoreUnavailable
from workers.log import get_logger
from workers.store.outbox import Outcome

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from workers.delivery.senders import Ready, Sender
    from workers.store.outbox import Claim

log = get_logger(__name__)

REJECTED: Final = "rejected"
UNAVAILABLE: Final = "unavailable"
EXHAUSTED: Final = "exhausted"
UNKNOWN: Final = "unknown"
ADAPTER_ERROR: Final = "adapter-error"
NOT_READY: Final = "not-ready"
"""Reasons of outbox rows, beside the providers' own codes."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How deliveries are tried.

    Attributes:
        schedule: waits before the second, third, … attempt; after the last one the row is given up.
        lease: how long a worker may be silent about rows it holds.
        chunk: rows marked as being sent at once.
    """

    schedule: tuple[timedelta, ...]
    lease: timedelta
    chunk: int

    def next_try(self, attempt: int, now: datetime, asked: timedelta | None = None) -> datetime | None:
        """When the attempt of this number (from 1) is followed by another; None if it was the last.

        If the other side `asked` for a longer wait than the schedule's, it gets it.
        """
        if attempt > len(self.schedule):
            return None
        wait = self.schedule[attempt - 1]
        return now + (max(wait, asked) if asked else wait)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What an attempt came to.

    Attributes:
        answered: True if the provider answered, False if it did not, None if it was not asked.
        asked: how long it asked us to leave it alone, if it did.
    """

    outcome: Outcome
    answered: bool | None = None
    asked: timedelta | None = None


def attempt(sender: Sender, claim: Claim, suppressed: str, policy: Policy, now: datetime) -> Attempt:
    """Make the row ready and hand it over; `suppressed` is why its address may not be mailed now, or empty.

    Raises:
        StoreUnavailable: what making it ready needs is in PostgreSQL, which is away; nothing has left.
    """
    try:
        ready = sender.prepare(claim, suppressed)
    except StoreUnavailable:
        raise
    except Exception as error:  # nothing has left; a row that cannot even be read must not stop the others
        log.exception("delivery_not_ready", outbox=claim.id, channel=claim.channel)
        return Attempt(Outcome(claim.id, claim.number, "dead", NOT_READY, error=words(error)))
    if isinstance(ready, Skip):
        return Attempt(Outcome(claim.id, claim.number, "skipped", ready.reason, error=ready.detail))
    return hand_over(ready, claim, policy, now, repeatable=sender.takes_key(claim.provider or ""))


def hand_over(ready: Ready, claim: Claim, policy: Policy, now: datetime, *, repeatable: bool) -> Attempt:
    """Let it leave, and sort what comes back; `repeatable` if handing it over again is harmless."""
    try:
        accepted = ready.send()
    except Rejected as error:
        refused = Outcome(claim.id, claim.number, "dead", error.code or REJECTED, error=words(error))
        return Attempt(refused, answered=True)
    except Unavailable as error:
        due = policy.next_try(claim.attempt, now, error.retry_after)
        return Attempt(not_taken(claim, due, words(error)), answered=False, asked=error.retry_after)
    except Unknown as error:
        reason, said = UNKNOWN, words(error)
    except Exception as error:  # an adapter's own mistake: it may have happened before the request left, or after
        log.exception("adapter_failed", outbox=claim.id, provider=claim.provider)
        reason, said = ADAPTER_ERROR, words(error)
    else:
        sent = Outcome(claim.id, claim.number, "sent", ref=accepted.ref, error=ready.remark)
        return Attempt(sent, answered=True)
    due = policy.next_try(claim.attempt, now) if repeatable else None
    return Attempt(unclear(claim, due, reason, said), answered=False)


def not_taken(claim: Claim, due: datetime | None, said: str) -> Outcome:
    """The provider provably did not take it: later, or never if it was tried often enough."""
    if due is None:
        return Outcome(claim.id, claim.number, "dead", EXHAUSTED, error=said)
    return Outcome(claim.id, claim.number, "retry", UNAVAILABLE, due_at=due, error=said)


def unclear(claim: Claim, due: datetime | None, reason: str, said: str) -> Outcome:
    """It may have been taken: tried again where that is harmless, otherwise evidence or a person settles it."""
    state: Literal["retry", "ambiguous"] = "retry" if due else "ambiguous"
    return Outcome(claim.id, claim.number, state, reason, due_at=due, error=said)


def words(error: Exception) -> str:
    """An error as one line of bounded length, for people."""
    return " ".join(f"{error}".split())[:1000] or type(error).__name__
