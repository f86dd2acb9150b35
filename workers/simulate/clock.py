"""The clock: each lead's events in the order in which they were heard, and between them every wake-up at its instant.

Leads know nothing of each other, so each is taken through the whole time by itself, which is quicker than to turn from
one to the next with every event. What they share, whose turn it is to get an opportunity, is settled at the end, in the
order in which everything came about.
"""

from __future__ import annotations

import gc
from collections import Counter, defaultdict, deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count, zip_longest
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from workers.engine.decide import Session
from workers.engine.owners import next_owner
from workers.engine.values import OWN_TYPES, Hook, Notify, Promote, Record, Send
from workers.exceptions import NeedsHistory
from workers.simulate.population import Mail, Person, Population, Promotion, as_event
from workers.simulate.shares import shared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from workers.engine.rules import Rulebook
    from workers.engine.values import Decision, Event, LeadState
    from workers.simulate.heard import Heard

SHARE: Final = 200
"""Leads between two words about how far we are; so many are worked on, and told of, together."""
LEAST_WAIT: Final = timedelta(seconds=1)
"""As in the running system: nobody is looked at again sooner, so that the clock always moves on."""


@dataclass(slots=True)
class Result:
    """What came of it.

    Attributes:
        until: where the clock stopped; None if nothing was heard.
        people: everybody, with their final states.
        decisions: (lead id, decision) by time, unless they were not to be kept.
        kinds: how many decisions of each kind there were.
        skipped: what counts for nothing, by (reason, what it is about).
        mails, promotions, notices, hooks: what would have left the house; notices go to colleagues, hooks to other
            programs, with the lead's id.
        counts: `events` taken in, `duplicates`, `unknown-message`, `own` (what campaigns told the log when it was
            written, and tell again here) and `after-the-end` left out, `wake-ups`, `recounts`.
    """

    people: Population
    until: datetime | None = None
    decisions: list[tuple[int, Decision]] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)
    skipped: Counter[tuple[str, str]] = field(default_factory=Counter)
    mails: list[Mail] = field(default_factory=list)
    promotions: list[Promotion] = field(default_factory=list)
    notices: list[tuple[datetime, int, Notify]] = field(default_factory=list)
    hooks: list[tuple[datetime, int, Hook]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


def run(
    events: Iterable[Heard],
    rulebook: Rulebook,
    until: datetime | None = None,
    *,
    people: Population | None = None,
    changes: Sequence[tuple[datetime, Rulebook]] = (),
    keep: bool = True,
    moved: Callable[[int], None] | None = None,
    processes: int = 1,
) -> Result:
    """Take events through the rules on a virtual clock.

    Args:
        events: in any order; they are heard by their `at`.
        rulebook: the rules.
        until: let the clock run on (or stop it) there; default: the last event. What is heard later is left out.
        people: those who are known before anything happens.
        changes: the rules that are in force from an instant on, in their order; everybody is looked at then.
        keep: whether the result keeps all decisions.
        moved: told now and then how many events are done.
        processes: over how many to share the leads out; with more than one, `Person.events` stay in theirs.
    """
    result = Result(people or Population())
    with no_collector():
        gather(events, until, result)
        go_through(result, rulebook, changes, keep=keep, moved=moved, processes=processes)
    return result


def alone(person: Person, rulebook: Rulebook, until: datetime) -> Result:
    """Take one lead, with what was heard of it, through the rules; the decisions are not kept."""
    people = Population()
    people.people[person.id] = person
    result = Result(people, until)
    go_through(result, rulebook, keep=False)
    return result


def gather(events: Iterable[Heard], until: datetime | None, result: Result) -> None:
    """Give each lead the events that it is about, in the order in which they were heard."""
    counts, lead_of, seen, number = result.counts, result.people.lead_of, set(), 0
    for heard in sorted(events, key=itemgetter(0)):
        if until is not None and heard.at > until:
            counts["after-the-end"] += 1
            continue
        result.until = heard.at
        if heard.type in OWN_TYPES and heard.is_own:
            counts["own"] += 1
            continue
        if (key := heard.key) is not None:
            if key in seen:
                counts["duplicates"] += 1
                continue
            seen.add(key)
        person = lead_of(heard.identities)
        if person is None:
            counts["unknown-message"] += 1
            continue
        number += 1
        person.heard.append((heard.at, as_event(number, heard)))
    counts["events"] = number
    result.until = until or result.until


@dataclass(slots=True)
class Told:
    """What came of some leads; see `Result`. `ends` are their final states, and when they are looked at again."""

    decisions: list[tuple[int, Decision]] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    skipped: Counter[tuple[str, str]] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    ends: list[tuple[int, LeadState, datetime | None]] = field(default_factory=list)
    events: int = 0


def go_through(
    result: Result,
    rulebook: Rulebook,
    changes: Sequence[tuple[datetime, Rulebook]] = (),
    *,
    keep: bool,
    moved: Callable[[int], None] | None = None,
    processes: int = 1,
) -> None:
    """Take everybody through their time."""
    people = list(result.people)
    first = 1 + max((event.id for person in people for _, event in person.heard), default=0)

    def live(piece: int) -> Told:
        told = Told()
        for person in people[piece * SHARE : (piece + 1) * SHARE]:
            life = Life(person, rulebook, told.counts, count(first), changes)
            life.go(result.until)
            tell(told, person, life.decided, keep=keep)
        return told

    pieces, done = -(-len(people) // SHARE), 0
    all_told = shared(live, pieces, processes) if processes > 1 else ((piece, live(piece)) for piece in range(pieces))
    found: dict[int, Told] = {}
    for piece, told in all_told:
        found[piece] = told
        done += told.events
        if moved is not None:
            moved(done)
    for piece in range(pieces):
        put_together(result, found[piece])
    settle(result)
    if not keep:
        result.decisions.clear()


def tell(told: Told, person: Person, decided: Iterable[Decision], *, keep: bool) -> None:
    """Write down what was decided about a lead, or only how much and what has an effect."""
    for decision in decided:
        told.kinds[decision.kind] += 1
        if decision.kind == "skipped":
            told.skipped[str(decision.detail.get("reason", "")), decision.rule] += 1
        if keep or decision.effect is not None:
            told.decisions.append((person.id, decision))
    told.ends.append((person.id, person.state, person.wake_at))
    told.events += len(person.heard)


def put_together(result: Result, told: Told) -> None:
    """Add what came of some leads to all the rest."""
    result.decisions += told.decisions
    result.skipped.update(told.skipped)
    result.counts.update(told.counts)
    for kind, number in told.kinds.items():
        result.kinds[kind] = result.kinds.get(kind, 0) + number
    for lead, state, wake_at in told.ends:
        person = result.people.people[lead]
        person.state, person.wake_at = state, wake_at


class Life:
    """One lead's way through the time.

    Args:
        person: with everything that will be heard of it.
        rulebook: the rules.
        counts: takes how often it was woken and counted anew.
        numbers: of events of our own; every lead has its own, as leads know nothing of each other.
        changes: the rules that are in force from an instant on.

    Attributes:
        decided: what was decided about it.
    """

    def __init__(
        self,
        person: Person,
        rulebook: Rulebook,
        counts: Counter[str],
        numbers: Iterator[int],
        changes: Sequence[tuple[datetime, Rulebook]] = (),
    ) -> None:
        self.decided: list[Decision] = []
        self._person = person
        self._session = Session(person.state, person.id, rulebook)
        self._counts = counts
        self._numbers = numbers
        self._recorded: set[str] = set()
        self._changes = deque(changes)
        self._now: datetime | None = None

    def go(self, until: datetime | None) -> None:
        """Take it through; without `until`, to the last that is heard of it."""
        person, look = self._person, self._look
        stops = [at for at, _ in person.heard] if until is None else [*(at for at, _ in person.heard), until]
        if person.met is not None:
            look((), person.met, stops[0] if stops else None)
        for (at, event), stop in zip_longest(person.heard, stops[1:]):
            if self._changes:
                self._change(at)
            if person.wake_at is not None and person.wake_at <= at:
                self._wake(at)
            person.events.append(event)
            look((event,), at, stop)
        if until is not None:
            self._change(until)
            self._wake(until)
        if self._now is not None:
            self._be_due(self._session.wake_at(), self._now)

    def _change(self, until: datetime) -> None:
        """Go by other rules whenever they have been published until then; whoever is known is looked at anew."""
        while self._changes and self._changes[0][0] <= until:
            at, rulebook = self._changes.popleft()
            self._wake(at)
            self._session = Session(self._person.state, self._person.id, rulebook)
            if self._person.met is not None or self._person.events:
                self._look((), at, until)

    def _wake(self, until: datetime) -> None:
        """Look at it whenever something falls due until then."""
        while self._person.wake_at is not None and self._person.wake_at <= until:
            self._counts["wake-ups"] += 1
            self._look((), self._person.wake_at, until)

    def _look(self, events: tuple[Event, ...], now: datetime, stop: datetime | None) -> None:
        """Decide; what falls due behind `stop` is of no interest yet."""
        self._now = now
        try:
            outcome = self._session.decide(events, now, stop=stop)
        except NeedsHistory:
            self._counts["recounts"] += 1
            outcome = self._session.decide(events, now, history=self._person.events, stop=stop)
        self._be_due(outcome.wake_at, now)
        if outcome.decisions:
            self.decided += outcome.decisions
            for decision in outcome.decisions:
                if decision.effect is not None and isinstance(decision.effect, Record):
                    self._hear_own(decision.effect, now, stop)

    def _be_due(self, due: datetime | None, now: datetime) -> None:
        self._person.wake_at = now + LEAST_WAIT if due is not None and due - now < LEAST_WAIT else due

    def _hear_own(self, told: Record, now: datetime, stop: datetime | None) -> None:
        """Hear at once what was told to the log; nothing twice."""
        if told.key not in self._recorded:
            self._recorded.add(told.key)
            own = told.as_event(next(self._numbers), now)
            self._counts["events"] += 1
            self._person.events.append(own)
            self._look((own,), now, stop)


# ── what leads share ─────────────────────────────────────────────────────────────────────────────────────────


def settle(result: Result) -> None:
    """Put everything in the order in which it came about, and let it leave the house."""
    result.decisions.sort(key=lambda told: told[1].at)
    turns = _Turns()
    for lead_id, decision in result.decisions:
        effect, at = decision.effect, decision.at
        if isinstance(effect, Send):
            result.mails.append(Mail(at, lead_id, effect.key, effect.campaign, effect.step, effect.template))
        elif isinstance(effect, Promote):
            opportunity = {**effect.opportunity, "owner": turns.take(effect, at)}
            result.promotions.append(Promotion(at, lead_id, effect.key, effect.crm, opportunity))
        elif isinstance(effect, Notify):
            result.notices.append((at, lead_id, effect))
        elif isinstance(effect, Hook):
            result.hooks.append((at, lead_id, effect))


class _Turns:
    """Whose turn it is. Shares are kept within one round robin, caps over all of them."""

    def __init__(self) -> None:
        self._given: defaultdict[str, list[datetime]] = defaultdict(list)
        self._turns: Counter[tuple[object, str]] = Counter()

    def take(self, effect: Promote, now: datetime) -> str:
        """The owner of an opportunity."""
        rota = tuple((owner.email, owner.weight) for owner in effect.owners)

        def given(owner: str, days: int | None) -> int:
            if days is None:
                return self._turns[rota, owner]
            return sum(at > now - timedelta(days=days) for at in self._given[owner])

        owner = next_owner(effect.owners, given, effect.fallback)
        self._turns[rota, owner] += 1
        self._given[owner].append(now)
        return owner


@contextmanager
def no_collector() -> Iterator[None]:
    """Without the collector of reference cycles: there are none, and it would walk through all leads over and over."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
