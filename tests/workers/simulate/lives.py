"""One lead's life while people edit campaigns, pause them and let them go on: what the running system does, by itself.

An edit keeps the older definitions for whoever is in them, and wakes the lead, as the clock does; so does a resumption.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Final

from tests.workers.simulate.test_campaigns import RULES
from workers.engine.decide import decide
from workers.engine.rules import Controls
from workers.engine.values import Event, LeadState, Record, Send
from workers.exceptions import NeedsHistory
from workers.rulebook import compile_rulebook

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from workers.engine.decide import Outcome
    from workers.engine.rules import Campaign, Rulebook
    from workers.engine.values import Decision

LEAD: Final = 1
LEAST_WAIT: Final = timedelta(seconds=1)


@cache
def compiled(files: frozenset[tuple[str, str]]) -> Rulebook:
    return compile_rulebook(dict(files))


@dataclass(slots=True)
class Life:
    """What is known of the lead, and what was decided about it.

    Attributes:
        base: the files that are always among the rules.
        late: how much later than it is due the lead is looked at.
        mails: (instant, key, template) of what went out.
    """

    base: Mapping[str, str] = field(default_factory=lambda: RULES)
    late: timedelta = timedelta()
    state: LeadState = field(default_factory=LeadState)
    wake_at: datetime | None = None
    decisions: list[Decision] = field(default_factory=list)
    mails: list[tuple[datetime, str, str]] = field(default_factory=list)
    log: list[Event] = field(default_factory=list)
    looks: int = 0
    _rules: Rulebook | None = None
    _archive: dict[tuple[str, str], Campaign] = field(default_factory=dict)
    _paused: frozenset[str] = frozenset()

    @property
    def rules(self) -> Rulebook:
        """Those in force, with what is paused now."""
        assert self._rules is not None
        return replace(self._rules, archive=dict(self._archive), controls=Controls(paused=self._paused))

    def publish(self, files: Mapping[str, str], at: datetime) -> None:
        """Put other rules in force, and look at the lead, as the clock lets everybody be looked at."""
        self.live(at)
        if self._rules is not None:
            self._archive |= {(each.name, each.version): each for each in self._rules.campaigns.values()}
        self._rules = compiled(frozenset((self.base | files).items()))
        self.look((), at)

    def pause(self, campaign: str, at: datetime) -> None:
        """Let nothing go out; nobody is looked at because of it."""
        self.live(at)
        self._paused |= {campaign}

    def resume(self, campaign: str, at: datetime) -> None:
        """Let it go on, and look at the lead."""
        self.live(at)
        self._paused -= {campaign}
        self.look((), at)

    def forget(self, campaign: str) -> None:
        """Lose the older definitions of a campaign."""
        self._archive = {key: each for key, each in self._archive.items() if key[0] != campaign}

    def live(self, until: datetime) -> None:
        """Wake up whenever it is time, until then."""
        while self.wake_at is not None and self.wake_at + self.late <= until:
            self.look((), self.wake_at + self.late)

    def hear(self, event: Event, at: datetime) -> None:
        """Something has happened; it is heard then."""
        self.live(at)
        self.log.append(event)
        self.look((event,), at)

    def look(self, events: Sequence[Event], now: datetime) -> Outcome:
        """Decide once."""
        self.looks += 1
        try:
            outcome = decide(self.state, LEAD, events, self.rules, now)
        except NeedsHistory:
            outcome = decide(self.state, LEAD, events, self.rules, now, history=self.log)
        self.state = LeadState.load(outcome.state.dump())
        due = outcome.wake_at
        self.wake_at = None if due is None else max(due, now + LEAST_WAIT)
        self.decisions += outcome.decisions
        for decision in outcome.decisions:
            if isinstance(decision.effect, Send):
                self.mails.append((now, decision.effect.key, decision.effect.template))
            elif isinstance(decision.effect, Record):
                own = decision.effect.as_event(1_000_000 + len(self.log), now)
                self.log.append(own)
                self.look((own,), now)
        return outcome
