"""The clock: events in the order in which they were heard, and between them every wake-up at its own instant."""

from __future__ import annotations

import gc
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from workers.engine.decide import decide
from workers.engine.owners import next_owner
from workers.engine.values import Hook, LeadState, Notify, Promote, Record, Send
from workers.exceptions import NeedsHistory
from workers.simulate.population import Mail, Person, Population, Promotion, as_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from workers.engine.rules import Rulebook
    from workers.engine.values import Decision, Event
    from workers.simulate.heard import Heard

EVERY: Final = 1000
"""Events between two words about how far we are."""
LEAST_WAIT: Final = timedelta(seconds=1)
"""As in the running system: nobody is looked at again sooner, so that the clock always moves on."""


@dataclass(slots=True)
class Result:
    """What came of it.

    Attributes:
        until: where the clock stopped; None if nothing was heard.
        people: everybody, with their final states.
        decisions: (lead id, decision) in the order they were made, unless they were not to be kept.
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


class Simulation:
    """One run of the clock.

    Args:
        rulebook: the rules; the same from beginning to end.
        keep: whether the result keeps all decisions; without them, it needs a third of the memory.
    """

    def __init__(self, rulebook: Rulebook, *, keep: bool = True) -> None:
        self.result = Result(Population())
        self._rulebook = rulebook
        self._keep = keep
        self._agenda: list[tuple[datetime, int]] = []
        self._seen: set[tuple[str, str]] = set()
        self._recorded: set[str] = set()
        self._given: defaultdict[str, list[datetime]] = defaultdict(list)
        self._turns: Counter[tuple[object, str]] = Counter()
        self._number = 0

    def hear(self, heard: Heard) -> None:
        """Let the time pass until an event is heard, and take it in. Events come by their `at`."""
        if self._agenda and self._agenda[0][0] <= heard.at:
            self.advance(heard.at)
        self.result.until = heard.at
        if heard.is_own:
            self.result.counts["own"] += 1
            return
        if heard.key is not None:
            if heard.key in self._seen:
                self.result.counts["duplicates"] += 1
                return
            self._seen.add(heard.key)
        person = self.result.people.lead_of(heard.identities)
        if person is None:
            self.result.counts["unknown-message"] += 1
            return
        self._number += 1
        event = as_event(self._number, heard)
        person.events.append(event)
        self._decide(person, (event,), heard.at)

    def meet(self, identity: str, fields: dict[str, Any], now: datetime) -> Person:
        """Know a lead before anything happens to it."""
        person = Person(len(self.result.people) + 1, [], LeadState(fields=fields))
        self.result.people.add(person, identity)
        self._decide(person, (), now)
        return person

    def advance(self, until: datetime) -> None:
        """Let the time pass, and look at everybody for whom something falls due."""
        agenda, people = self._agenda, self.result.people.people
        while agenda and agenda[0][0] <= until:
            at, lead_id = heappop(agenda)
            person = people[lead_id]
            if person.waits == at:
                person.waits = None
            if person.wake_at is not None and person.wake_at <= at:
                self.result.counts["wake-ups"] += 1
                self._decide(person, (), at)
            else:
                self._note_down(person)
        self.result.until = until

    def _decide(self, person: Person, events: tuple[Event, ...], now: datetime) -> None:
        try:
            outcome = decide(person.state, person.id, events, self._rulebook, now)
        except NeedsHistory:
            self.result.counts["recounts"] += 1
            outcome = decide(person.state, person.id, events, self._rulebook, now, history=person.events)
        person.state = outcome.state
        person.wake_at = outcome.wake_at
        if outcome.wake_at is not None:
            if outcome.wake_at < now + LEAST_WAIT:
                person.wake_at = now + LEAST_WAIT
            self._note_down(person)
        kinds = self.result.kinds
        for decision in outcome.decisions:
            kinds[decision.kind] = kinds.get(decision.kind, 0) + 1
            if decision.kind == "skipped":
                self.result.skipped[str(decision.detail.get("reason", "")), decision.rule] += 1
            if self._keep:
                self.result.decisions.append((person.id, decision))
            if decision.effect is not None:
                self._carry_out(person, decision, now)
        if own := tuple(self._own_events(outcome.decisions, now)):
            person.events.extend(own)
            self._decide(person, own, now)

    def _own_events(self, decisions: Iterable[Decision], now: datetime) -> Iterator[Event]:
        """What was told to the log, heard at once; nothing twice."""
        for decision in decisions:
            if isinstance(decision.effect, Record) and decision.effect.key not in self._recorded:
                self._recorded.add(decision.effect.key)
                self._number += 1
                yield decision.effect.as_event(self._number, now)

    def _note_down(self, person: Person) -> None:
        """Put the lead on the agenda, unless it stands there already for no later instant."""
        at = person.wake_at
        if at is not None and (person.waits is None or at < person.waits):
            person.waits = at
            heappush(self._agenda, (at, person.id))

    def _carry_out(self, person: Person, decision: Decision, now: datetime) -> None:
        effect = decision.effect
        if isinstance(effect, Send):
            self.result.mails.append(Mail(now, person.id, effect.key, effect.campaign, effect.step, effect.template))
        elif isinstance(effect, Promote):
            opportunity = {**effect.opportunity, "owner": self._owner(effect, now)}
            self.result.promotions.append(Promotion(now, person.id, effect.key, effect.crm, opportunity))
        elif isinstance(effect, Notify):
            self.result.notices.append((now, person.id, effect))
        elif isinstance(effect, Hook):
            self.result.hooks.append((now, person.id, effect))

    def _owner(self, effect: Promote, now: datetime) -> str:
        """Whose turn it is. Shares are kept within one round robin, caps over all of them."""
        rota = tuple((owner.email, owner.weight) for owner in effect.owners)

        def given(owner: str, days: int | None) -> int:
            if days is None:
                return self._turns[rota, owner]
            return sum(at > now - timedelta(days=days) for at in self._given[owner])

        owner = next_owner(effect.owners, given, effect.fallback)
        self._turns[rota, owner] += 1
        self._given[owner].append(now)
        return owner


def run(
    events: Iterable[Heard],
    rulebook: Rulebook,
    until: datetime | None = None,
    *,
    keep: bool = True,
    moved: Callable[[int], None] | None = None,
) -> Result:
    """Take events through the rules on a virtual clock.

    Args:
        events: in any order; they are heard by their `at`.
        rulebook: the rules.
        until: let the clock run on (or stop it) there; default: the last event. What is heard later is left out.
        keep: whether the result keeps all decisions.
        moved: told now and then how many events are done.
    """
    simulation = Simulation(rulebook, keep=keep)
    with no_collector():
        for number, heard in enumerate(sorted(events, key=itemgetter(0)), 1):
            if until is not None and heard.at > until:
                simulation.result.counts["after-the-end"] += 1
            else:
                simulation.hear(heard)
            if moved is not None and not number % EVERY:
                moved(number)
        if until is not None:
            simulation.advance(until)
    simulation.result.counts["events"] = sum(len(person.events) for person in simulation.result.people)
    return simulation.result


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
