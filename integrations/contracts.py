"""The words both sides share: what a source hands in, and what an e-mail provider and a CRM take.

The callers in `workers` own these shapes; an adapter is one file that turns them into its vendor's and back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date, datetime, timedelta
    from decimal import Decimal

    from integrations.exceptions import DeliveryError


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


@dataclass(frozen=True, slots=True)
class Letter:
    """A received mail: what its mailbox knows it by, and its bytes, or the first of them."""

    handle: str
    raw: bytes


class Inbox(Protocol):
    """A mailbox that is looked into. Settings are the dataclass fields of the class; one file, found by its name."""

    def fetch(self, number: int) -> Iterable[Letter]:
        """So many mails that were not taken in yet.

        Raises:
            Unavailable: the mailbox cannot be looked into now.
        """

    def done(self, handles: Sequence[str]) -> None:
        """Mark mails as taken in; called once what they say is safe.

        Raises:
            Unavailable: that cannot be done now; they will be read again, which does no harm.
        """

    def close(self) -> None:
        """Give back connections."""


class Source(Protocol):
    """One kind of webhook sender. Settings are the dataclass fields of the class; one file, found by its name."""

    def verify(self, request: Request) -> None:
        """Check the signature over the raw body.

        Raises:
            BadSignature: it is missing, wrong, or too old.
            Unverifiable: it cannot be told now.
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


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a sender wants to hear before it delivers events: the answer to a delivery that is about the delivering.

    Attributes:
        body: what to answer, with status 200.
        content_type: of `body`.
        confirm: asks the sender back, if it wants that; takes as long as a request does, and raises `DeliveryError`
            if it came to nothing, so that the sender is told to try again.
    """

    body: bytes = b""
    content_type: str = "text/plain"
    confirm: Callable[[], None] | None = None


@runtime_checkable
class AskingSource(Source, Protocol):
    """A source that may have to ask its sender's servers (for a certificate) before it can tell who signed."""

    asks: ClassVar[bool]
    """True: `verify` may take seconds, so whoever serves others meanwhile gives it a thread of its own."""


@runtime_checkable
class GreetingSource(Source, Protocol):
    """A source whose sender wants an answer of its own to some requests (a new subscription, a question who we are)."""

    def greet(self, request: Request) -> Handshake | None:
        """The answer to a request that `verify` has let pass; None if it is an ordinary delivery.

        Raises:
            Malformed: it asks for something that we do not do.
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


PROMPT: Final = 0.02
"""Seconds between the call that hands over several mails and the instant when the last of them begins to leave."""


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


@runtime_checkable
class BatchProvider(EmailProvider, Protocol):
    """A provider that takes several mails in one call and says of each what became of it."""

    @property
    def most(self) -> int:
        """Mails in one call."""

    def send_many(self, mails: Sequence[Mail]) -> Sequence[Accepted | DeliveryError]:
        """Send at most `most` mails; what became of each, in their order. What `send` raises is a value here.

        Where they leave one after the other, those are `NotBegun` that cannot begin to within `PROMPT`.
        """


@runtime_checkable
class ForgetfulProvider(EmailProvider, Protocol):
    """A provider that takes our key and remembers it for so long: after that, the same key sends a second mail."""

    key_kept: ClassVar[timedelta]


@dataclass(frozen=True, slots=True)
class Trace:
    """What is known of a mail that may have been taken.

    Attributes:
        key: the mail's.
        name: what stands before the @ in its Message-ID.
        to: whom it went to.
        since: it cannot have left before.
    """

    key: str
    name: str
    to: str
    since: datetime


@runtime_checkable
class FindingProvider(EmailProvider, Protocol):
    """A provider that can be asked whether it has taken a mail."""

    findable_after: ClassVar[timedelta]
    """How long after a mail was taken it is sure to be found: what is not found later than that was not taken."""

    def find(self, trace: Trace) -> Accepted | None:
        """The mail's own id with the provider; None if it knows of no such mail (yet, see `findable_after`).

        Raises:
            DeliveryError: it cannot be told: no answer, or the account may not ask.
        """


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


# ── webhooks out ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Message:
    """Something that a campaign tells somebody else's program.

    Attributes:
        key: what this effect is, never the attempt.
        payload: JSON values; `text` where it is for people to read.
    """

    key: str
    payload: Mapping[str, Any]


class Hook(Protocol):
    """Something that takes a `Message`. One file, found by its name; `Adapter` is its class."""

    @property
    def takes_key(self) -> bool:
        """True if posting the same `key` again is harmless, so an unknown outcome may simply be retried."""

    def post(self, message: Message) -> Accepted:
        """Post one message.

        Raises:
            Rejected: never to be tried again.
            Unavailable: provably not taken; try later.
            Unknown: left, and no answer came that says what became of it.
        """

    def close(self) -> None:
        """Give back connections."""
