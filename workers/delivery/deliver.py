"""The outbox on its way out: claim a chunk, send it, record what became of it and claim the next in one transaction.

A row is marked as being sent, and that is committed, before anything leaves; so whatever happens to this process, no
other sends it again unless that is harmless. A provider that does not answer is left alone for a while instead of
burning through the whole outbox, and what was claimed meanwhile is given back untried.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from workers.delivery.attempts import UNAVAILABLE
from workers.delivery.chunks import Chunks
from workers.delivery.health import Health
from workers.delivery.limits import MemoryLimiter, Pace, seconds
from workers.delivery.lookup import look_up
from workers.delivery.people import People
from workers.delivery.routing import chosen, following
from workers.delivery.together import Together
from workers.engine.rules import Sending
from workers.exceptions import StoreUnavailable
from workers.log import get_logger
from workers.store import outbox, pauses
from workers.store.database import transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Engine

    from workers.clock import Clock
    from workers.delivery.attempts import Attempt, Policy
    from workers.delivery.limits import Limiter
    from workers.delivery.senders import Sender
    from workers.store.outbox import Claim, Outcome

log = get_logger(__name__)

UNLIMITED: Final = Sending()
NAP: Final = 250_000
"""Microseconds that a mail may have to wait for its turn in this very thread; one that has to wait longer is given back
with the time of its turn."""
RUN: Final = 5.0
"""Seconds after which a run ends though there is more to send, so that other work gets the thread."""
SECOND: Final = 2
"""The chunk at which it shows that there is more work than for one."""
TROUBLES: Final = frozenset({"retry", "ambiguous", "dead"})
"""States that make a run worth a warning."""
SETTLE_WAITS: Final = (0.2, 0.5, 1, 2, 4, 8, 16)
"""Seconds between attempts to record what became of a chunk while PostgreSQL is away. It is worth the patience: a mail
that was sent and not recorded has to be cleared up by a person."""


@dataclass(frozen=True, slots=True)
class Untried:
    """A claimed row that was not sent, and when it may be.

    Attributes:
        paced: it is a rate limit that it waits for.
    """

    claim: Claim
    due_at: datetime
    paced: bool = False


@dataclass(slots=True)
class Results:
    """What became of a chunk."""

    outcomes: list[Outcome] = field(default_factory=list)
    untried: list[Untried] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.outcomes) + len(self.untried)


@dataclass(slots=True)
class Run:
    """What one run did.

    Attributes:
        states: rows by the state they went to; given back ones are `untried`.
        more: True if it ended because its time was up, with work left.
    """

    states: Counter[str] = field(default_factory=Counter)
    more: bool = False


class Deliverer:
    """Sends what is due. Threads and processes share the outbox; a row is one's own while it is being sent.

    Args:
        engine: the store.
        clock: rows fall due, leases end and retries are planned by it.
        policy: how often, and how long.
        limiter: keeps rate limits; by default, this process alone does.
        process: what this process is called where others see whom it leaves alone.
    """

    def __init__(
        self, engine: Engine, clock: Clock, policy: Policy, limiter: Limiter | None = None, process: str = ""
    ) -> None:
        self._engine = engine
        self._process = process
        self._limiter = limiter or MemoryLimiter()
        self._pace = Pace(Sending(), self._limiter)
        self._clock = clock
        self._policy = policy
        self._health = Health(policy.schedule[0])
        self._chunks = Chunks(policy.chunk)

    def run(self, sender: Sender, sending: Sending = UNLIMITED, call: Callable[[], None] = lambda: None) -> Run:
        """Send what is due on the sender's channel, until nothing is, or time is up, or nobody answers.

        Args:
            sender: one channel.
            sending: how fast.
            call: calls others to help; done once, if there is still a full chunk left after the first.

        Raises:
            StoreUnavailable: PostgreSQL went away; what could not be recorded counts as abandoned when its lease ends.
        """
        run, began, results, chunks = Run(), time.monotonic(), Results(), 0
        self._pace = self._pace.under(sending)
        if not self._closed(sender):
            run.states.update(look_up(self._engine, sender, self._clock))
        while not run.more and not self._closed(sender):
            limit = self._size(sender)
            claims = self._exchange(sender, results, limit)
            chunks += 1
            if chunks == SECOND and len(claims) == limit > 1:
                call()
            _count(run, results)
            results = self._timed(sender, claims)
            if not results.outcomes and not self._others_may_go(results):
                break
            run.more = time.monotonic() - began > RUN
        if len(results):
            self._exchange(sender, results, 0)
            _count(run, results)
        if run.states:
            tell = log.warning if run.states.keys() & TROUBLES else log.info
            tell("delivered", channel=sender.channel, **run.states)
        return run

    def _closed(self, sender: Sender) -> bool:
        """True if this channel's only provider is being left alone: its rows stay where they are."""
        return sender.provider is not None and self._health.paused(sender.provider, self._clock()) is not None

    def _size(self, sender: Sender) -> int:
        """How many rows to claim: one to see whether it may go, if the provider's limit holds everybody back."""
        full = sender.provider is not None and self._pace.full(sender.provider, self._clock()) > NAP
        return 1 if full else self._chunks.next(sender.provider or sender.channel)

    def _others_may_go(self, results: Results) -> bool:
        """True if all that was claimed waits for the limits of its domains: mails to others stand behind it."""
        now = self._clock()
        return bool(results.untried) and all(
            each.paced and not self._pace.full(each.claim.provider or "", now) for each in results.untried
        )

    # ── the store ────────────────────────────────────────────────────────────────────────────────────────────

    def _exchange(self, sender: Sender, results: Results, limit: int) -> list[Claim]:
        """Record results and claim up to `limit` rows in one transaction; without PostgreSQL, keep on recording."""
        try:
            return self._exchange_once(sender, results, limit)
        except StoreUnavailable:
            if not len(results):
                raise
        for wait in SETTLE_WAITS:
            log.warning("outcomes_not_recorded", channel=sender.channel, rows=len(results), again_in_s=wait)
            time.sleep(wait)
            try:
                return self._exchange_once(sender, results, 0)
            except StoreUnavailable:
                continue
        raise StoreUnavailable(f"PostgreSQL stays away; {len(results)} outbox rows will count as abandoned")

    def _exchange_once(self, sender: Sender, results: Results, limit: int) -> list[Claim]:
        now, news = self._clock(), self._health.news()
        with transaction(self._engine) as conn:
            outbox.settle(conn, results.outcomes, now)
            outbox.give_back(conn, [(each.claim.id, each.claim.number, each.due_at) for each in results.untried])
            if news:
                pauses.note(conn, self._process, news, now)
            claims = self._claimed(conn, sender, limit, now) if limit else []
        if news:
            self._health.told(news)
        return claims

    def _claimed(self, conn: Connection, sender: Sender, limit: int, now: datetime) -> list[Claim]:
        """Rows that are one's own to send, each with who gets it."""
        lease = self._policy.lease
        claims = outbox.claim(conn, sender.channel, now, limit=limit, lease=lease, provider=sender.provider)
        return claims if sender.provider else self._given_out(conn, sender, claims, now)

    def _given_out(self, conn: Connection, sender: Sender, claims: Sequence[Claim], now: datetime) -> list[Claim]:
        """The claims, grouped by who gets them, which is noted before anything leaves."""
        out = [replace(claim, provider=chosen(sender, claim, self._paused(sender, claim, now))) for claim in claims]
        outbox.assign(conn, [new for new, old in zip(out, claims, strict=True) if new.provider != old.provider])
        return sorted(out, key=lambda claim: claim.provider or "")

    def _paused(self, sender: Sender, claim: Claim, now: datetime) -> dict[str, datetime]:
        """Which of those who may take a row are left alone, and until when."""
        line = {name: self._health.paused(name, now) for name in sender.line(claim)}
        return {name: until for name, until in line.items() if until}

    # ── a chunk ──────────────────────────────────────────────────────────────────────────────────────────────

    def _timed(self, sender: Sender, claims: Sequence[Claim]) -> Results:
        """Send the chunk, and take note of how long that takes."""
        began = time.monotonic()
        results = self._work(sender, claims)
        self._chunks.took(sender.provider or sender.channel, len(results.outcomes), time.monotonic() - began)
        return results

    def _work(self, sender: Sender, claims: Sequence[Claim]) -> Results:
        """Send the chunk; what must not be tried now is given back."""
        results, claimed, together = Results(), time.monotonic(), Together(sender, self._policy)
        self._round(sender, claims, results, claimed, together)
        while left := together.behind():
            self._round(sender, left, results, claimed, together, known=False)
        return results

    def _round(
        self,
        sender: Sender,
        claims: Sequence[Claim],
        results: Results,
        claimed: float,
        together: Together,
        *,
        known: bool = True,
    ) -> None:
        """Send those of a chunk that was `claimed` then; `together` knows who was left behind.

        What the claims say of their people is `known` from claiming just now, or has to be looked up.
        """
        people = People(self._engine, sender, claims, known=known)

        def leave() -> None:
            self._note(sender, results, together.leave(self._clock()))

        for number, claim in enumerate(claims):
            unwell = self._unwell(sender, claim, self._clock())
            turn = None if unwell else self._paced(sender, claim, leave)
            late = time.monotonic() - claimed > self._policy.lease.total_seconds() / 2
            now, fresh = self._clock(), None if unwell or turn or late else people.now(number)
            if fresh is None or not _taken(together, fresh, now):
                results.untried.append(Untried(claim, unwell or turn or now, turn is not None))
            elif together.full:
                leave()
        leave()

    def _unwell(self, sender: Sender, claim: Claim, now: datetime) -> datetime | None:
        """When a row may be tried whose provider is being left alone: at once, if another may take it; or None."""
        until = self._health.paused(claim.provider or "", now)
        if until is None or claim.unclear_since or sender.provider:
            return until
        paused = self._paused(sender, claim, now)
        return now if len(paused) < len(sender.line(claim)) else min([until, *paused.values()])

    def _paced(self, sender: Sender, claim: Claim, leave: Callable[[], None]) -> datetime | None:
        """When a mail may go that is too much now; None if it may go. A moment is waited for here, after the others."""
        if sender.channel != "email" or "to" in claim.payload:  # a message to a colleague is no mass mail
            return None
        now = self._clock()
        wait = self._pace.wait(claim.provider or "", claim.email, now)
        if 0 < wait <= NAP:
            leave()
            time.sleep(seconds(wait))
            now = self._clock()
            wait = self._pace.wait(claim.provider or "", claim.email, now)
        return now + timedelta(microseconds=wait) if wait else None

    def _note(self, sender: Sender, results: Results, made: Sequence[tuple[Claim, Attempt]]) -> None:
        for claim, each in made:
            if each.answered:
                self._health.answered(claim.provider or "")
            elif each.answered is False:
                self._health.failed(claim.provider or "", self._clock(), each.asked)
            results.outcomes.append(self._passed_on(sender, claim, each.outcome) if each.free else each.outcome)

    def _passed_on(self, sender: Sender, claim: Claim, outcome: Outcome) -> Outcome:
        """The outcome of a row that nobody has: to be tried at once by whoever is next in its line.

        One try is once through the line; after that it begins anew with the first, when the schedule says so.
        """
        now = self._clock()
        heir = following(sender, claim, self._paused(sender, claim, now))
        if heir is None:
            return replace(outcome, provider=next(iter(sender.line(claim)), "")) if outcome.due_at else outcome
        log.warning("mail_passed_on", outbox=claim.id, provider=claim.provider, to=heir, error=outcome.error)
        return replace(outcome, state="retry", reason=UNAVAILABLE, due_at=now, provider=heir, counts=False)


def _taken(together: Together, claim: Claim, now: datetime) -> bool:
    """True if the row is on its way; False if PostgreSQL is away and something is not known that has to be.

    Nothing is raised for that: what the chunk has sent so far still has to be recorded.
    """
    try:
        together.add(claim, now)
    except StoreUnavailable:
        return False
    return True


def _count(run: Run, results: Results) -> None:
    run.states.update(outcome.state for outcome in results.outcomes)
    run.states.update("untried" for _ in results.untried)
