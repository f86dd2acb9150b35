"""Who is who: from the identities that events carry to leads.

An event belongs to the lead of its subject, the strongest identity it names. Identities nobody knew yet are attached to
that lead. Where a weaker one belongs to another lead, the two stay two, and the conflict is reported.
A `message:<key>` identity is not stored if the outbox knows whom that message went to. `dripline:<number>` is ours: it
names a lead by its number, for events of our own about leads that may have no address.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from workers.exceptions import StoreUnavailable
from workers.store.json import dumps
from workers.store.slices import slice_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from workers.store.events import Claimed

MESSAGE: Final = "message:"
EMAIL: Final = "email:"
OWN: Final = "dripline"
"""Kind of the identity by which our own events name a lead; no source can name anybody by it."""
TRIES: Final = 10
"""How often a plan is made anew because other workers were attaching the same identities."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """An event named an identity of another lead than its own."""

    event_id: int
    lead_id: int
    identity: str
    other_lead_id: int


@dataclass(slots=True)
class Assignment:
    """Which lead each event belongs to.

    Attributes:
        leads: lead id by event id.
        created: slice by id of leads that did not exist before; the caller inserts them.
        conflicts: identities that were left with another lead.
        unknown: events that name nothing but messages we never sent.
    """

    leads: dict[int, int] = field(default_factory=dict)
    created: dict[int, int] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)


_FIND: Final = text("SELECT identity, lead_id FROM identities WHERE identity = ANY(:identities)")
_FIND_MESSAGES: Final = text("SELECT key, lead_id FROM outbox WHERE key = ANY(:keys)")
_OF_LEAD: Final = text("SELECT identity FROM identities WHERE lead_id = :lead_id ORDER BY identity")
_NEW_IDS: Final = text("SELECT nextval('leads_id_seq') FROM generate_series(1, :number)")
_ATTACH: Final = text("""
    INSERT INTO identities (identity, lead_id)
    SELECT identity, lead_id FROM json_to_recordset(:rows ::json) AS (identity text, lead_id bigint)
    ORDER BY identity
    ON CONFLICT DO NOTHING
""")


def assign(conn: Connection, events: Sequence[Claimed]) -> Assignment:
    """Find or make up the lead of each event, in the order of their ids, and store what is new about identities.

    The result is the same as if all workers had done this one event after the other: if another one attached one of
    our identities meanwhile, we wait for its commit and plan again on what it left.

    Raises:
        StoreUnavailable: others kept attaching the same identities; try the batch again.
    """
    wanted = {identity for event in events for identity in event.identities}
    for _ in range(TRIES):
        plan = _Plan(_lookup(conn, wanted))
        for event in events:
            plan.take(event)
        if not plan.attached:
            return plan.result
        plan.number(_new_ids(conn, len(plan.result.created)))
        if _attach(conn, plan.attached):
            return plan.result
    raise StoreUnavailable("other workers keep attaching the same identities; try this batch again")


def of_our_own(lead_id: int) -> str:
    """The identity by which our own events name a lead."""
    return f"{OWN}:{lead_id}"


def name_leads(conn: Connection, lead_ids: Collection[int]) -> None:
    """Make sure that these leads, which this transaction holds or has made, can be named by events of our own."""
    if lead_ids:
        rows = [{"identity": of_our_own(lead), "lead_id": lead} for lead in lead_ids]
        conn.execute(_ATTACH, {"rows": dumps(rows)})


def email_of(event: Claimed) -> str | None:
    """The strongest e-mail address that an event names."""
    if event.subject.startswith(EMAIL):
        return event.subject.removeprefix(EMAIL)
    return next((each.removeprefix(EMAIL) for each in event.others or () if each.startswith(EMAIL)), None)


def of_lead(conn: Connection, lead_id: int) -> list[str]:
    """All identities of a lead."""
    return list(conn.scalars(_OF_LEAD, {"lead_id": lead_id}))


def _lookup(conn: Connection, wanted: Collection[str]) -> dict[str, int]:
    keys = [identity.removeprefix(MESSAGE) for identity in wanted if identity.startswith(MESSAGE)]
    known: dict[str, int] = dict(conn.execute(_FIND, {"identities": list(wanted)}).all()) if wanted else {}
    if keys:
        known |= {MESSAGE + key: lead for key, lead in conn.execute(_FIND_MESSAGES, {"keys": keys})}
    return known


def _new_ids(conn: Connection, number: int) -> list[int]:
    return list(conn.scalars(_NEW_IDS, {"number": number})) if number else []


def _attach(conn: Connection, attached: Mapping[str, int]) -> bool:
    """Store identities; False, with nothing stored, if another worker was first with any of them."""
    rows = [{"identity": identity, "lead_id": lead} for identity, lead in attached.items()]
    with conn.begin_nested() as savepoint:
        if conn.execute(_ATTACH, {"rows": dumps(rows)}).rowcount == len(rows):
            return True
        savepoint.rollback()
    return False


class _Plan:
    """What to store so that every event has its lead. New leads have numbers below zero until they get their ids."""

    def __init__(self, known: dict[str, int]) -> None:
        self.result = Assignment()
        self.attached: dict[str, int] = {}
        self._known = known

    def take(self, event: Claimed) -> None:
        """Add one event."""
        lead = self._lead_of(event.identities)
        if lead is None:
            self.result.unknown.append(event.id)
            return
        self.result.leads[event.id] = lead
        for identity in event.identities:
            self._connect(event, lead, identity)

    def number(self, ids: Iterable[int]) -> None:
        """Give the new leads their ids."""
        real = dict(zip(self.result.created, ids, strict=True))
        result = self.result
        result.leads = {event: real.get(lead, lead) for event, lead in result.leads.items()}
        result.created = {real[lead]: slice_ for lead, slice_ in result.created.items()}
        result.conflicts = [
            Conflict(c.event_id, real.get(c.lead_id, c.lead_id), c.identity, real.get(c.other_lead_id, c.other_lead_id))
            for c in result.conflicts
        ]
        self.attached = {identity: real.get(lead, lead) for identity, lead in self.attached.items()}

    def _lead_of(self, identities: Sequence[str]) -> int | None:
        """The lead of the strongest identity that is known, else a new one; None if they are all messages."""
        for identity in identities:
            if identity in self._known:
                return self._known[identity]
        own = next((identity for identity in identities if not identity.startswith(MESSAGE)), None)
        if own is None:
            return None
        lead = -1 - len(self.result.created)
        self.result.created[lead] = slice_of(own)
        return lead

    def _connect(self, event: Claimed, lead: int, identity: str) -> None:
        """Attach an identity that nobody has. An event's subject always is: its lead's log is found by it."""
        other = self._known.get(identity)
        if other is not None and other != lead:
            self.result.conflicts.append(Conflict(event.id, lead, identity, other))
        elif other is None and (identity == event.subject or not identity.startswith(MESSAGE)):
            self._known[identity] = self.attached[identity] = lead
