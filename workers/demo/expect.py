"""What the rules say should go out: the recorded post through the pure engine, in memory, without store or network.

Everything that the running system adds (HTTP, signatures, PostgreSQL, batches, threads, SMTP, the CRM) is left out,
so whatever differs in the end is its doing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from integrations.contracts import Incoming, Request
from integrations.discovery import build
from integrations.exceptions import Malformed
from integrations.hooks.slack import text_of
from workers.demo.hooks import hook_name
from workers.engine.decide import Outcome, decide
from workers.engine.values import Event, Hook, LeadState, Notify, Promote, Record, Send
from workers.exceptions import NeedsHistory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from integrations.contracts import Source
    from workers.demo.hooks import HookName
    from workers.demo.timeline import Beat
    from workers.demo.wire import Delivery
    from workers.engine.rules import Rulebook
    from workers.engine.values import Decision

OWN_IDS: Final = 1 << 40
"""Numbers of events of our own begin here: the recording has none so high."""
MailName = tuple[str, str, str, str]
"""Address, campaign, run, step: what makes a mail one."""
NoticeName = tuple[str, str]
"""Address and subject of a message to a colleague."""
DealName = tuple[str, str, str]
"""Address, name and amount of an opportunity."""


@dataclass(slots=True)
class GoneOut:
    """What left the house, counted, so that a thing done twice shows."""

    mails: Counter[MailName] = field(default_factory=Counter)
    deals: Counter[DealName] = field(default_factory=Counter)
    notices: Counter[NoticeName] = field(default_factory=Counter)
    hooks: Counter[HookName] = field(default_factory=Counter)


@dataclass(slots=True)
class Known:
    """One lead in memory."""

    id: int
    email: str
    state: LeadState = field(default_factory=LeadState)
    wake_at: datetime | None = None
    events: dict[int, Event] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)


class Mirror:
    """The demo without the system around it.

    Args:
        rulebook: the rules.
        settings: environment variables of the sources.
        number: the number that the system has given to the lead of an address, because what is left to chance hangs
            on it; None for one that it does not have. Without this, leads are numbered as they come.
    """

    def __init__(
        self, rulebook: Rulebook, settings: Mapping[str, str], number: Callable[[str], int | None] = lambda _: None
    ) -> None:
        self.gone_out = GoneOut()
        self.leads: dict[str, Known] = {}
        self.counts: Counter[str] = Counter()
        self._rulebook = rulebook
        self._number = number
        self._sources = sources(rulebook, settings)
        self._seen: set[tuple[str, str]] = set()

    def play(self, beats: Iterable[Beat]) -> None:
        """Go through the recorded days, in the steps in which the system went."""
        for beat in beats:
            self.wake(beat.at)
            for wave in beat.waves:
                self.take(wave, beat.at)

    def wake(self, now: datetime) -> None:
        """Look at everybody for whom something falls due."""
        for lead in self.leads.values():
            self.settle(lead, [], now)

    def take(self, wave: Iterable[Delivery], now: datetime) -> None:
        """Read a wave of deliveries, and decide for everybody who occurs in it."""
        news: dict[str, list[Event]] = {}
        for delivery in wave:
            for incoming in self.read(delivery, now):
                self.counts["accepted"] += 1
                news.setdefault(address(incoming), []).append(self.as_event(incoming, now))
        for email, events in news.items():
            if (lead := self.leads.get(email)) is None:
                lead = self.leads[email] = Known(self._number(email) or len(self.leads) + 1, email)
            lead.events.update((event.id, event) for event in events)
            self.settle(lead, events, now)

    def read(self, delivery: Delivery, now: datetime) -> Iterable[Incoming]:
        """The new events of one delivery."""
        request = Request("POST", f"/hooks/{delivery.source}", {"webhook-id": delivery.id}, delivery.body.encode(), now)
        try:
            parts = list(self._sources[delivery.source].normalise(request))
        except Malformed:
            self.counts["malformed"] += 1
            return
        for part in parts:
            if not isinstance(part, Incoming):
                self.counts[type(part).__name__.lower()] += 1
            elif (delivery.source, part.event_id) in self._seen:
                self.counts["duplicates"] += 1
            else:
                self._seen.add((delivery.source, part.event_id))
                yield part

    def as_event(self, incoming: Incoming, now: datetime) -> Event:
        """An event as the engine takes it; what happened later than we heard of it happened when we heard of it."""
        told = {"email": address(incoming), **incoming.lead}
        number = self.counts["accepted"]
        return Event(number, incoming.type, min(incoming.occurred_at, now), incoming.properties, told)

    def settle(self, lead: Known, events: list[Event], now: datetime) -> None:
        """Decide for one lead until nothing more is due."""
        while events or (lead.wake_at is not None and lead.wake_at <= now):
            outcome = self.decide(lead, events, now)
            lead.state, lead.wake_at = outcome.state, outcome.wake_at
            lead.decisions.extend(outcome.decisions)
            for decision in outcome.decisions:
                self.note(lead, decision)
            events = self.own_events(outcome.decisions, now)
            lead.events.update((event.id, event) for event in events)

    def own_events(self, decisions: Iterable[Decision], now: datetime) -> list[Event]:
        """What campaigns have told the log, which is heard at once."""
        records = [each.effect for each in decisions if isinstance(each.effect, Record)]
        self.counts["own"] += len(records)
        first = OWN_IDS + self.counts["own"] - len(records)
        return [record.as_event(first + number, now) for number, record in enumerate(records)]

    def decide(self, lead: Known, events: list[Event], now: datetime) -> Outcome:
        """The engine's answer; if it has to count the lead anew, from all of the lead's events."""
        try:
            return decide(lead.state, lead.id, events, self._rulebook, now)
        except NeedsHistory:
            history = [*lead.events.values()]
            return decide(lead.state, lead.id, events, self._rulebook, now, history=history)

    def mail_keys(self) -> Iterator[str]:
        """The keys of all mails that should go out."""
        decided = (decision.effect for lead in self.leads.values() for decision in lead.decisions)
        return (effect.key for effect in decided if isinstance(effect, Send))

    def note(self, lead: Known, decision: Decision) -> None:
        """Write down what has to leave the house."""
        if isinstance(decision.effect, Send):
            self.gone_out.mails[mail_name(lead.email, decision.effect.key)] += 1
        if isinstance(decision.effect, Promote):
            self.gone_out.deals[deal_name(lead.email, decision.effect.opportunity)] += 1
        if isinstance(decision.effect, Notify):
            self.gone_out.notices[decision.effect.to, decision.effect.subject] += 1
        if isinstance(decision.effect, Hook):
            effect = decision.effect
            read = {"text": text_of(effect.payload)} if "text" in effect.payload else effect.payload
            self.gone_out.hooks[hook_name(effect.hook, read)] += 1


def sources(rulebook: Rulebook, settings: Mapping[str, str]) -> dict[str, Source]:
    """The adapters of the rulebook's sources, ready to read."""
    return {
        spec.name: build("sources", spec.adapter, spec.name, settings, options=spec.options)
        for spec in rulebook.sources.values()
    }


def address(incoming: Incoming) -> str:
    """The e-mail address that an event names; everybody in the recording has one."""
    return dict(incoming.identities)["email"]


def mail_name(email: str, key: str) -> MailName:
    """What makes a mail one, whatever number the lead has: `mail:{lead}:{campaign}:{run}:{step}`."""
    _, _, campaign, run, step = key.split(":", 4)
    return email, campaign, run, step


def deal_name(email: str, opportunity: Mapping[str, Any]) -> DealName:
    """What makes an opportunity one."""
    return email, str(opportunity["name"]), str(opportunity["amount"])


def differences(expected: GoneOut, arrived: GoneOut) -> list[str]:
    """Every mail and opportunity that is missing, was not to be, or came more than once; empty if all is right."""
    return [
        *compare("mail", expected.mails, arrived.mails),
        *compare("opportunity", expected.deals, arrived.deals),
        *compare("notice", expected.notices, arrived.notices),
        *compare("webhook", expected.hooks, arrived.hooks),
    ]


def compare(what: str, expected: Counter[Any], arrived: Counter[Any]) -> Iterable[str]:
    """One sentence for each difference."""
    for name in sorted(expected.keys() | arrived.keys()):
        if expected[name] != arrived[name]:
            words = " ".join(map(str, name))
            yield f"{what} {words}: the rules say {expected[name]}, {arrived[name]} arrived"


def lead_differences(expected: Mapping[str, Known], stored: Mapping[str | None, LeadState]) -> list[str]:
    """Every lead whose stage, scores (to the last bit) or suppression are not what the same events make in memory."""
    told = []
    for email, lead in sorted(expected.items()):
        other = stored.get(email, LeadState())
        for name in ("stage", "scores", "bands", "suppressed"):
            right, found = getattr(lead.state, name), getattr(other, name)
            if right != found:
                told.append(f"lead {email}: {name} should be {right or 'empty'}, the store has {found or 'none'}")
    return told
