"""The words both sides share: what a source hands in, and what an e-mail provider and a CRM take.

The callers in `workers` own these shapes; an adapter is one file that turns them into its vendor's and back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date, datetime
    from decimal import Decimal


# ── webhooks in ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Request:
    """One webhook delivery exactly as it came.

    Attributes:
        url: the public URL the sender posted to, query included (some vendors sign it).
        headers: names in lower case.
        body: raw bytes; signatures are checked on these before anything is parsed.
        received_at: aware, UTC.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Incoming:
    """One event in our words.

    Attributes:
        event_id: unique within the source; the vendor's own id, or a hash of what makes the event one.
        type: dotted noun and past participle (`email.clicked`).
        occurred_at: the event's own time, aware, UTC.
        identities: (kind, value) pairs, strongest first (`("email", "ann@acme.test")`); e-mail in lower case.
        properties: what rules may ask about the event, JSON values.
        lead: what the event tells about the person, by field name, JSON values.
        payload: the vendor's original JSON of this one event, kept for replay and for people.
    """

    event_id: str
    type: str
    occurred_at: datetime
    identities: tuple[tuple[str, str], ...]
    properties: Mapping[str, Any] = field(default_factory=dict)
    lead: Mapping[str, Any] = field(default_factory=dict)
    payload: bytes = b"{}"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A part of a verified delivery that cannot be turned into an event: kept in quarantine with its reason.

    Attributes:
        reason: a constant word to count by (`no-identity`).
        detail: a sentence for a person, naming the field.
        payload: the part as it came.
        place: which part of a batch `payload` is, counted from 0: with it, `BatchSource.read_part` reads the part again
            as what it was. None if `payload` is the whole delivery.
    """

    reason: str
    detail: str
    payload: bytes
    place: int | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """A part of a verified delivery that we do not want, on purpose; counted by `reason`, answered 2xx."""

    reason: str


class Source(Protocol):
    """One kind of webhook sender. Settings are the dataclass fields of the class; one file, found by its name."""

    def verify(self, request: Request) -> None:
        """Check the signature over the raw body.

        Raises:
            BadSignature: it is missing, wrong, or too old.
        """

    def normalise(self, request: Request) -> Iterable[Incoming | Unreadable | Ignored]:
        """Turn a verified delivery into events, in the order they came.

        Raises:
            Malformed: the body as a whole is not what this source sends.
        """


@runtime_checkable
class BatchSource(Source, Protocol):
    """A source whose deliveries hold several events. A part that was set aside can be read again by itself."""

    def read_part(self, request: Request, place: int) -> Incoming | Unreadable | Ignored:
        """One part, with the event id that it would have had in its delivery.

        Args:
            request: the delivery, with this part alone as its body.
            place: where in the delivery the part stood.

        Raises:
            Malformed: the body is not JSON.
        """


# ── e-mail out ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a mail.

    Attributes:
        name: as the reader sees it, without a folder (`agenda.ics`).
        type: its media type without parameters (`text/calendar`).
    """

    name: str
    type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mail:
    """One message to one person.

    Attributes:
        key: what this effect is (never the attempt); sent as idempotency key where the provider takes one.
        message_id: our own Message-ID without angle brackets, made of the key, so that bounces and replies correlate.
        headers: extra headers (`List-Unsubscribe`); names and values hold no line breaks.
        reply_to: where answers go, `Name <name@company.example>`; empty for the sender.
        attachments: in the order in which they are shown.
    """

    key: str
    sender: str
    to: str
    subject: str
    text: str
    message_id: str
    html: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    reply_to: str = ""
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """The other side has it.

    Attributes:
        ref: the other side's own id for it, or ours where it gives none.
    """

    ref: str


class EmailProvider(Protocol):
    """Something that takes a `Mail`. One file, found by its name; `Adapter` is its class."""

    takes_key: ClassVar[bool]
    """True if sending the same `key` again is harmless, so an unknown outcome may simply be retried."""

    def send(self, mail: Mail) -> Accepted:
        """Send one message.

        Raises:
            Rejected: never to be tried again.
            Unavailable: provably not taken; try later.
            Unknown: left, and no answer came (raised by the transport).
        """

    def close(self) -> None:
        """Give back connections."""


# ── CRM ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Person:
    """Who the opportunity is about; empty strings where unknown."""

    email: str
    first_name: str = ""
    last_name: str = ""
    phone: str = ""
    title: str = ""
    company: str = ""


@dataclass(frozen=True, slots=True)
class Promotion:
    """A lead that became an opportunity, as handed to sales.

    Attributes:
        key: one per promotion, for ever the same; becomes the CRM's unique external id.
        amount: in `currency`, or None where the rules say none.
        owner: the salesperson's e-mail, or empty.
        note: the hand-off note: who, why now, and how the score came about. Plain text.
    """

    key: str
    person: Person
    name: str
    pipeline: str
    stage: str
    amount: Decimal | None
    currency: str
    close_on: date | None
    owner: str
    note: str


class Crm(Protocol):
    """Something that takes opportunities. One file, found by its name; `Adapter` is its class."""

    takes_key: ClassVar[bool]
    """True if promoting the same `key` again creates nothing new."""

    def promote(self, promotion: Promotion) -> Accepted:
        """Create the opportunity, or find the one this key already created.

        Raises:
            Rejected: never to be tried again without a change.
            Unavailable: provably not done; try later.
            Unknown: left, and no answer came (raised by the transport).
        """

    def close(self) -> None:
        """Give back connections."""
