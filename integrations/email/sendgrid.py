"""SendGrid: e-mail over its Mail Send API, and what became of it by its Event Webhook.

To set it up: an API key with the permission *Mail Send* goes into `DRIPLINE_SENDGRID_API_KEY`; the sender's domain has
to be authenticated (Settings, Sender Authentication). For the events: Settings, Mail Settings, Event
Webhooks, with the address `https://…/hooks/sendgrid` and *Signed Event Webhook* on; the key that it shows goes into
`DRIPLINE_SENDGRID_VERIFICATION_KEY`. An account in the European Union has another address: set
`DRIPLINE_SENDGRID_BASE_URL=https://api.eu.sendgrid.com`.

SendGrid takes no idempotency key; our key goes out as a custom argument and stands in every event. Whether it has taken
a mail can be asked if the account has bought the Email Activity history, and the API key may read it. Several mails in
one call have to be one content with substitutions, and get one answer for all of them, so each mail is a call.

Events are signed with ECDSA over timestamp and raw body. There is no limit to the timestamp's age: SendGrid tries a
delivery for 24 hours and does not say whether a later try is signed anew; a replay is stopped by the event ids.

Options of the source in the rule file:

- `custom_args`: custom arguments of the sent mail that become event properties (`{experiment: variant}`).
- `groups`: ids of SendGrid's unsubscribe groups, and the categories of rules/consent.yaml that they are
  (`{14: webinars}`). Leaving such a group withdraws consent to that category alone, joining it again gives it; leaving
  any other group unsubscribes from all marketing mail.

Facts: twilio.com/docs/sendgrid/api-reference/mail-send, .../email-activity, .../for-developers/tracking-events/event,
and .../getting-started-event-webhook-security-features.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final

from integrations.contracts import Accepted, Ignored, Incoming
from integrations.exceptions import BadSignature, Malformed, Unusable
from integrations.options import check_keys, table_option
from integrations.posting import KEY, NAME, Parts, Person, document, metadata, parts, refusal, utc_now, word
from integrations.reading import (
    digest,
    email_identity,
    kind_of,
    mapping,
    occurred_at,
    parse_json,
    plain,
    read_each,
    read_part,
    text,
)
from integrations.signatures import ecdsa_key, verify_ecdsa
from integrations.transport import LONGEST_WAIT, Answer, OverHttp, check_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    from integrations.contracts import Mail, Request, Trace, Unreadable
    from integrations.exceptions import DeliveryError

SEND: Final = "/v3/mail/send"
MESSAGES: Final = "/v3/messages"
LONGEST_KEY: Final = 1000
"""Characters of our key as a custom argument; all of them together may have 10,000 bytes."""
CLOSED: Final = frozenset({503})
"""Statuses of which SendGrid says that the API was not available."""


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Adapter(OverHttp):
    """SendGrid's Mail Send API.

    Attributes:
        api_key: with the permission Mail Send; and Email Activity, if unclear mails are to be looked up.
        base_url: `https://api.eu.sendgrid.com` for an account in the European Union.
        clock: for the time that a limit ends.
    """

    takes_key: ClassVar[bool] = False
    findable_after: ClassVar[timedelta] = timedelta(hours=1)

    api_key: str = field(repr=False)
    base_url: str = "https://api.sendgrid.com"
    clock: Callable[[], datetime] = field(default=utc_now, repr=False)

    def __post_init__(self) -> None:
        """Check the settings."""
        check_token(self.api_key, "api_key")
        self.connect(self.base_url, {"authorization": f"Bearer {self.api_key}"})

    def send(self, mail: Mail) -> Accepted:
        """Hand over one mail; the reference is SendGrid's `X-Message-Id`.

        Raises:
            Rejected: SendGrid refused the mail, or its own headers are unusable.
            Unavailable: a limit, or a refusal that is about the account, the API key or the sender.
            Unknown: raised by the transport, or SendGrid answered 500.
        """
        answer = self._http.send("POST", SEND, content(mail, parts(mail, self.clock())))
        if answer.status == HTTPStatus.ACCEPTED:
            return Accepted(answer.headers.get("x-message-id") or mail.message_id)
        raise self._refusal(answer)

    def find(self, trace: Trace) -> Accepted | None:
        """The mail's `msg_id` by our custom argument.

        Raises:
            DeliveryError: no answer, or the account or the API key may not search.
        """
        name, value = (KEY, trace.key) if len(trace.key) <= LONGEST_KEY else (NAME, trace.name)
        quoted = value.replace('"', '\\"')
        query = {"limit": "1", "query": f"(unique_args['{name}']=\"{quoted}\")"}
        answer = self._http.send("GET", MESSAGES, query=query)
        found = document(answer).get("messages")
        if answer.status != HTTPStatus.OK or not isinstance(found, list):
            raise self._refusal(answer)
        return Accepted(word(found[0].get("msg_id"))) if found and isinstance(found[0], dict) else None

    def _refusal(self, answer: Answer) -> DeliveryError:
        errors = document(answer).get("errors")
        first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
        where = f" ({first['field']})" if first.get("field") else ""
        told = word(first.get("message")) + where
        return refusal("SendGrid", answer, "", told, not_taken=CLOSED, wait=self._limit_ends(answer))

    def _limit_ends(self, answer: Answer) -> timedelta | None:
        """How long until the limit is lifted; SendGrid gives the time, in seconds since 1970."""
        given = answer.headers.get("x-ratelimit-reset", "")
        if not (given.isascii() and given.isdecimal()):
            return None
        return min(max(timedelta(seconds=int(given[:10]) - self.clock().timestamp()), timedelta(0)), LONGEST_WAIT)


def content(mail: Mail, parts_: Parts) -> dict[str, Any]:
    """The mail in SendGrid's words."""
    body = [{"type": "text/plain", "value": mail.text}]
    if mail.html is not None:
        body.append({"type": "text/html", "value": mail.html})
    about = {"to": [{"email": parts_.to}], "custom_args": metadata(mail, LONGEST_KEY)}
    said: dict[str, Any] = {
        "personalizations": [about],
        "from": _person(parts_.sender),
        "subject": mail.subject,
        "content": body,
        "headers": dict(parts_.headers),
    }
    if parts_.reply_to:
        said["reply_to"] = _person(parts_.reply_to)
    if parts_.files:
        said["attachments"] = [
            {"filename": each.name, "type": each.type, "content": each.content, "disposition": "attachment"}
            for each in parts_.files
        ]
    return said


def _person(person: Person) -> dict[str, str]:
    return {"email": person.address, **({"name": person.name} if person.name else {})}


# ── feedback ─────────────────────────────────────────────────────────────────────────────────────────────────
SIGNATURE: Final = "x-twilio-email-event-webhook-signature"
TIMESTAMP: Final = "x-twilio-email-event-webhook-timestamp"

TYPES: Final[Mapping[str, str]] = {
    "processed": "email.sent",
    "deferred": "email.deferred",
    "delivered": "email.delivered",
    "dropped": "email.dropped",
    "bounce": "email.bounced",
    "open": "email.opened",
    "click": "email.clicked",
    "spamreport": "email.complained",
    "unsubscribe": "email.unsubscribed",
    "group_unsubscribe": "email.unsubscribed",
    "group_resubscribe": "email.resubscribed",
}
OF_GROUPS: Final[Mapping[str, str]] = {
    "group_unsubscribe": "consent.withdrawn",
    "group_resubscribe": "consent.given",
}
"""What the events of a group are whose category the options name."""
CONSENT: Final = frozenset(OF_GROUPS.values())
ACCOUNT_EVENTS: Final = "account_status_change"
"""About our account with SendGrid, not about a person."""

PROPERTIES: Final[Mapping[str, str]] = {
    "url": "url",
    "reason": "reason",
    "status": "status",
    "response": "response",
    "attempt": "attempt",
    "asm_group_id": "group",
    KEY: "message_key",
    NAME: "message_id",
    "dripline_campaign": "campaign",
    "dripline_step": "step",
}
"""Members of an event, custom arguments among them (SendGrid merges them in flat), and our names for them."""

MAKES_ONE: Final = ("sg_message_id", "smtp-id", "email", "event", "timestamp", "url", "reason", "asm_group_id")
"""What makes an event one where SendGrid gives no id: some `dropped` events have none."""


@dataclass(frozen=True, slots=True)
class Names:
    """What SendGrid's names are in our words.

    Attributes:
        properties: members of an event, and the properties that they become.
        groups: ids of unsubscribe groups, and the categories of consent that they are.
    """

    properties: tuple[tuple[str, str], ...]
    groups: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Feedback:
    """SendGrid as a source of e-mail events.

    Attributes:
        verification_key: the public key from Settings, Mail Settings, Event Webhooks.
        previous_verification_key: still accepted while the key is being replaced.
    """

    verification_key: str
    previous_verification_key: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    _keys: tuple[EllipticCurvePublicKey, ...] = field(init=False, repr=False, compare=False)
    _names: Names = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Parse the keys once, and check the options."""
        keys = [ecdsa_key(self.verification_key, "verification_key")]
        if self.previous_verification_key:
            keys.append(ecdsa_key(self.previous_verification_key, "previous_verification_key"))
        object.__setattr__(self, "_keys", tuple(keys))
        object.__setattr__(self, "_names", self.read_options(self.options))

    @staticmethod
    def read_options(options: Mapping[str, Any]) -> Names:
        """Their names and ours, by the options."""
        known = check_keys(options, ("custom_args", "groups"), "sendgrid")
        own = table_option(known, "custom_args", "experiment: variant")
        return Names(tuple({**PROPERTIES, **own}.items()), table_option(known, "groups", "14: webinars"))

    def verify(self, request: Request) -> None:
        """Check the signature over timestamp and body, bytes as they came (the body ends in CRLF, which counts)."""
        signature, timestamp = request.headers.get(SIGNATURE), request.headers.get(TIMESTAMP)
        if not signature or not timestamp:
            raise BadSignature(
                f"the headers {SIGNATURE} and {TIMESTAMP} are needed; switch on the signed event webhook in SendGrid."
            )
        verify_ecdsa(self._keys, signature, timestamp.encode(errors="replace") + request.body)

    def normalise(self, request: Request) -> Iterator[Incoming | Unreadable | Ignored]:
        """The events of one batch."""
        batch = parse_json(request.body)
        if not isinstance(batch, list):
            raise Malformed(f"the body is {kind_of(batch)}, SendGrid sends a list of events.")
        received_at = request.received_at
        return read_each(batch, lambda part, own, _place: self._read(part, own, received_at), request.body)

    def read_part(self, request: Request, place: int) -> Incoming | Unreadable | Ignored:
        """One event of a batch, which is the body alone."""
        return read_part(request.body, place, lambda part, own, _: self._read(part, own, request.received_at))

    def _read(self, part: Any, own: bytes, received_at: datetime) -> Incoming | Ignored:
        event = mapping(part, "the event")
        name = event.get("event")
        if name == ACCOUNT_EVENTS:
            return Ignored("account-event")
        if not isinstance(name, str) or name not in TYPES:
            raise Unusable("unknown-type", "event is none of SendGrid's event types known here.")
        type_, category = TYPES[name], self._names.groups.get(str(event.get("asm_group_id")))
        if category and name in OF_GROUPS:
            type_ = OF_GROUPS[name]
        return Incoming(
            event_id=_event_id(event),
            type=type_,
            occurred_at=occurred_at(event.get("timestamp"), received_at, "timestamp"),
            identities=(email_identity(event.get("email"), "email"),),
            properties=self._read_properties(name, event) | ({"category": category} if type_ in CONSENT else {}),
            payload=own,
        )

    def _read_properties(self, name: str, event: dict[str, Any]) -> dict[str, Any]:
        found = {ours: plain(event[theirs], theirs) for theirs, ours in self._names.properties if theirs in event}
        if name == "bounce":
            # A blocked mail was refused for now (reputation, content): the address itself is good.
            found["kind"] = "soft" if event.get("type") == "blocked" else "hard"
        machine = event.get("sg_machine_open")
        if isinstance(machine, bool):  # clicks carry no such flag: whether a machine clicked is not known
            found["machine"] = machine
        if category := event.get("category"):
            found["categories"] = plain(category if isinstance(category, list) else [category], "category")
        if message_id := event.get("smtp-id"):
            found["message_id"] = text(message_id, "smtp-id", 1000).strip("<>")
        return found


def _event_id(event: dict[str, Any]) -> str:
    given = event.get("sg_event_id")
    if given:
        return text(given, "sg_event_id", reason="no-event-id")
    offset = event.get("url_offset")
    return digest(*(event.get(member) for member in MAKES_ONE), offset)
