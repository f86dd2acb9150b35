"""One attempt at one outbox row: what became of it, whatever happens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from integrations.exceptions import Rejected, Unavailable, Unknown
from workers.delivery.senders import NEVER, NotConfigured, Skip
from workers.exceptions import StoreUnavailable
from workers.log import get_logger
from workers.store.outbox import Outcome

if TYPE_CHECKING:
    from datetime import datetime

    from integrations.contracts import Accepted
    from workers.delivery.senders import Ready, Sender
    from workers.store.outbox import Claim

log = get_logger(__name__)

REJECTED: Final = "rejected"
UNAVAILABLE: Final = "unavailable"
EXHAUSTED: Final = "exhausted"
UNKNOWN: Final = "unknown"
ADAPTER_ERROR: Final = "adapter-error"
NOT_READY: Final = "not-ready"
NOT_CONFIGURED: Final = "not-configured"
KEY_FORGOTTEN: Final = "key-forgotten"
"""Reasons of outbox rows, beside the providers' own codes."""
FORGOTTEN_TEXT: Final = "it may have been taken, and who may have it would not know its key any more"
CONFIGURED_WAIT: Final = timedelta(minutes=5)
"""Between two looks whether a person has set what is missing."""
FIRST_LOOK: Final = timedelta(minutes=1)
"""After which time a provider is asked for the first time whether it has a mail."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How deliveries are tried.

    Attributes:
        schedule: waits before the second, third, … attempt; after the last one the row is given up.
        lease: how long a worker may be silent about rows it holds.
        chunk: rows marked as being sent at once, at most (see `Chunks`).
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
        free: nobody has it, and it was not refused for its own sake: another provider may take it over.
    """

    outcome: Outcome
    answered: bool | None = None
    asked: timedelta | None = None
    free: bool = False


def make_ready(sender: Sender, claim: Claim, suppressed: str, now: datetime) -> Ready | Attempt:
    """Everything but the sending; an `Attempt` if it comes to nothing, or if sending it again could be once too often.

    `suppressed` is why the address may not be mailed now, or empty.

    Raises:
        StoreUnavailable: what making it ready needs is in PostgreSQL, which is away; nothing has left.
    """
    if claim.unclear_since and not _may_repeat(sender, claim, now):
        return Attempt(unclear(claim, None, KEY_FORGOTTEN, FORGOTTEN_TEXT, now))
    try:
        ready = sender.prepare(claim, suppressed)
    except StoreUnavailable:
        raise
    except Exception as error:  # nothing has left; a row that cannot even be read must not stop the others
        log.exception("delivery_not_ready", outbox=claim.id, channel=claim.channel)
        return Attempt(Outcome(claim.id, claim.number, "dead", NOT_READY, error=words(error)))
    if isinstance(ready, Skip):
        return Attempt(Outcome(claim.id, claim.number, "skipped", ready.reason, error=ready.detail))
    return ready


def _may_repeat(sender: Sender, claim: Claim, now: datetime) -> bool:
    """True if whoever may have it already would know the key again."""
    if claim.unclear_with != claim.provider or claim.unclear_since is None:
        return False
    return now - claim.unclear_since < sender.key_kept(claim.provider or "")


def hand_over(sender: Sender, ready: Ready, claim: Claim, policy: Policy, now: datetime) -> Attempt:
    """Let it leave, and sort what comes back."""
    try:
        result: Accepted | Exception = ready.send()
    except Exception as error:  # noqa: BLE001  whatever it is: `judge` tells what it means
        result = error
    return judge(sender, claim, result, policy, now, remark=ready.remark)


def judge(
    sender: Sender, claim: Claim, result: Accepted | Exception, policy: Policy, now: datetime, *, remark: str
) -> Attempt:
    """What the adapter's answer means for the row; `remark` is what a person should know though it went out."""
    if isinstance(result, Rejected):
        return Attempt(came_to_nothing(claim, result.code or REJECTED, words(result), now), answered=True)
    if isinstance(result, NotConfigured):  # nobody was asked, and nothing is given up however long it takes
        soon, said = now + CONFIGURED_WAIT, words(result)
        return Attempt(Outcome(claim.id, claim.number, "retry", NOT_CONFIGURED, soon, error=said, counts=False))
    if isinstance(result, Unavailable):
        due = policy.next_try(claim.attempt, now, result.retry_after)
        outcome = not_taken(claim, due, words(result), now)
        return Attempt(outcome, answered=False, asked=result.retry_after, free=claim.unclear_since is None)
    if isinstance(result, Exception):
        repeatable = sender.key_kept(claim.provider or "") > NEVER
        due = policy.next_try(claim.attempt, now) if repeatable else None
        return Attempt(unclear(claim, due, _why_unclear(claim, result), words(result), now), answered=False)
    return Attempt(Outcome(claim.id, claim.number, "sent", ref=result.ref, error=remark), answered=True)


def _why_unclear(claim: Claim, error: Exception) -> str:
    """An adapter's own mistake may have happened before the request left, or after."""
    if isinstance(error, Unknown):
        return UNKNOWN
    log.error("adapter_failed", raised=error, outbox=claim.id, provider=claim.provider)
    return ADAPTER_ERROR


def not_taken(claim: Claim, due: datetime | None, said: str, now: datetime) -> Outcome:
    """The provider provably did not take it: later, or never if it was tried often enough."""
    if due is not None:
        return Outcome(claim.id, claim.number, "retry", UNAVAILABLE, due_at=due, error=said)
    return came_to_nothing(claim, EXHAUSTED, said, now)


def came_to_nothing(claim: Claim, reason: str, said: str, now: datetime) -> Outcome:
    """This try, the last one, came to nothing. An earlier one may not have, and then the row is not given up."""
    if claim.unclear_since:
        return unclear(claim, None, reason, said, now)
    return Outcome(claim.id, claim.number, "dead", reason, error=said)


def unclear(claim: Claim, due: datetime | None, reason: str, said: str, now: datetime) -> Outcome:
    """It may have been taken: tried again where that is harmless, otherwise evidence or a person settles it.

    Evidence is looked for a little later: what a provider has just taken, it does not find yet.
    """
    state: Literal["retry", "ambiguous"] = "retry" if due else "ambiguous"
    look_at = None if due else now + FIRST_LOOK
    return Outcome(claim.id, claim.number, state, reason, due_at=due, error=said, unclear=True, look_at=look_at)


def words(error: Exception) -> str:
    """An error as one line of bounded length, for people."""
    return " ".join(f"{error}".split())[:1000] or type(error).__name__
