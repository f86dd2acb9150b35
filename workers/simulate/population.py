"""Everybody in a simulation: who is who, what happened to each, and how each stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from workers.engine.values import Event, LeadState, micros

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from workers.simulate.heard import Heard

EMAIL: Final = "email:"
MESSAGE: Final = "message:"


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that was handed to the outbox."""

    at: datetime
    lead_id: int
    key: str
    campaign: str
    step: str
    template: str


@dataclass(frozen=True, slots=True)
class Promotion:
    """An opportunity that was handed to the CRM; `opportunity` carries the owner whose turn it was."""

    at: datetime
    lead_id: int
    key: str
    crm: str
    opportunity: Mapping[str, Any]


@dataclass(slots=True)
class Person:
    """One lead in memory.

    Attributes:
        identities: all that are known, the first one named first.
        met: since when it is known, before anything happens; None if an event tells of it first.
        heard: (when, event) of everything that we will hear of it, in this order.
        events: its log: what we have heard so far.
        wake_at: when the engine wants to look at it again; None for never.
    """

    id: int
    identities: list[str]
    state: LeadState = field(default_factory=LeadState)
    met: datetime | None = None
    heard: list[tuple[datetime, Event]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    wake_at: datetime | None = None

    @property
    def name(self) -> str:
        """The address, or another identity."""
        return str(self.state.fields.get("email") or self.identities[0])


class Population:
    """Leads by identity, as the store keeps them: an event belongs to the lead of the strongest identity known.

    Attributes:
        people: by lead id, in the order in which they were first heard of.
        conflicts: how many events named an identity of another lead than their own; it stays where it is.
    """

    def __init__(self) -> None:
        self.people: dict[int, Person] = {}
        self.conflicts = 0
        self._by_identity: dict[str, Person] = {}

    def __iter__(self) -> Iterator[Person]:
        return iter(self.people.values())

    def __len__(self) -> int:
        return len(self.people)

    def find(self, identity: str) -> Person | None:
        """The lead with an identity."""
        return self._by_identity.get(identity)

    def meet(self, identity: str, fields: dict[str, Any], now: datetime, number: int | None = None) -> Person:
        """Know a lead from `now` on, before anything happens to it; `number` is its id, which nobody has yet."""
        state = LeadState(fields=fields, told={name: [micros(now), 0] for name in fields})
        person = Person(number or len(self.people) + 1, [identity], state, met=now)
        self.people[person.id] = self._by_identity[identity] = person
        return person

    def lead_of(self, identities: tuple[str, ...]) -> Person | None:
        """The lead that an event is about, a new one if need be; None if it names nothing but unknown messages."""
        person = self._by_identity.get(identities[0])
        if person is not None and len(identities) == 1:
            return person
        return self._settled(person, identities)

    def _settled(self, person: Person | None, identities: tuple[str, ...]) -> Person | None:
        lasting = [identity for identity in identities if not identity.startswith(MESSAGE)]
        if person is None:
            person = next((self._by_identity[each] for each in identities if each in self._by_identity), None)
        if person is None:
            if not lasting:
                return None
            person = Person(len(self.people) + 1, [])
            self.people[person.id] = person
        for identity in lasting:
            if self._by_identity.setdefault(identity, person) is not person:
                self.conflicts += 1
            elif identity not in person.identities:
                person.identities.append(identity)
        return person


def as_event(number: int, heard: Heard) -> Event:
    """The event as the engine takes it: it tells the address that it names."""
    _, happened, kind, identities, _, properties, lead = heard
    if "email" not in lead:
        for identity in identities:
            if identity.startswith(EMAIL):
                lead = {"email": identity[len(EMAIL) :], **lead}
                break
    return Event(number, kind, happened, properties, lead)
