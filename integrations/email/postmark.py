"""Postmark: e-mail over its API, one by one or up to 500 in a call, and what became of it by its webhooks.

To set it up: the token of a server goes into `DRIPLINE_POSTMARK_SERVER_TOKEN`. Postmark wants marketing mail in another
stream than the usual one: make a broadcast stream, and put its id into `DRIPLINE_POSTMARK_STREAM`. For the events: the
stream's Webhooks, all kinds, to `https://user:password@…/hooks/postmark`; the same `user:password` goes into
`DRIPLINE_POSTMARK_WEBHOOK_LOGIN`. Postmark does not sign what it posts, so this login is all that tells it from a
stranger: make it long, and use https. To hear of answers, let them go to the address of the inbound stream
(`reply_to` in the front matter of mails), with the same address as its webhook; with *Include raw email content* on,
bounces that come back there are understood, too.

Postmark takes no idempotency key. Our key goes out as metadata and stands in every event, and a mail can be looked up
by it. With the header `X-PM-KeepID`, which is set here, Postmark keeps our Message-ID.

Facts: postmarkapp.com/developer/api/email-api, .../messages-api, and .../webhooks/webhooks-overview.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final

import orjson

from integrations.contracts import Accepted, Ignored, Incoming
from integrations.exceptions import DeliveryError, Rejected, Unavailable, Unknown, Unusable
from integrations.logins import LoginSource
from integrations.posting import KEY, NAME, TROUBLE_WAIT, Parts, document, metadata, parts, refusal, told, utc_now, word
from integrations.reading import (
    at_path,
    digest,
    email_identity,
    mapping,
    occurred_at,
    parse_json,
    plain,
    read_single,
    text,
)
from integrations.received import of_headers, read_by_webhook
from integrations.transport import OverHttp, check_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from email.message import Message

    from integrations.contracts import Mail, Request, Trace, Unreadable
    from integrations.transport import Answer

# ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────

SEND: Final = "/email"
SEND_MANY: Final = "/email/batch"
MESSAGES: Final = "/messages/outbound"
LONGEST_KEY: Final = 80
"""Characters of a value of metadata."""
ABOUT_US: Final = frozenset({"10", "100", "400", "401", "405", "412", "413", "1235", "1236"})
"""Codes about the token, Postmark's own maintenance, the sender's signature, the account's credit, or the stream."""
CLOSED: Final = frozenset({503})
LATE: Final = timedelta(days=1)
"""How far back to look before the time that we know of: Postmark takes days, by its own clock."""


@dataclass(frozen=True, slots=True)
class Adapter(OverHttp):
    """Postmark's Email API.

    Attributes:
        server_token: of the server, one of whose streams is sent by.
        stream: id of the message stream; one for broadcasts, if marketing mail goes out.
        base_url: another address for tests.
        clock: for checks of the mail only.
    """

    takes_key: ClassVar[bool] = False
    most: ClassVar[int] = 500
    findable_after: ClassVar[timedelta] = timedelta(hours=1)

    server_token: str = field(repr=False)
    stream: str = "outbound"
    base_url: str = "https://api.postmarkapp.com"
    clock: Callable[[], datetime] = field(default=utc_now, repr=False)

    def __post_init__(self) -> None:
        """Check the settings."""
        check_token(self.server_token, "server_token")
        self.connect(self.base_url, {"x-postmark-server-token": self.server_token})

    def send(self, mail: Mail) -> Accepted:
        """Hand over one mail; the reference is Postmark's message id.

        Raises:
            Rejected: Postmark refused the mail, or its own headers are unusable.
            Unavailable: a limit, or a refusal that is about the account, the token, the sender or the stream.
            Unknown: raised by the transport, or Postmark answered 500.
        """
        answer = self._http.send("POST", SEND, content(mail, parts(mail, self.clock()), self.stream))
        if answer.status == HTTPStatus.OK and (ref := _taken(document(answer))):
            return Accepted(ref)
        raise _refusal(answer)

    def send_many(self, mails: Sequence[Mail]) -> Sequence[Accepted | DeliveryError]:
        """See `BatchProvider.send_many`. A call that is too large as a whole is made mail by mail."""
        made = [self._content(mail) for mail in mails]
        bodies = [each for each in made if not isinstance(each, DeliveryError)]
        if len(bodies) < 2:  # noqa: PLR2004  (then it is no batch)
            return [self._one(mail) for mail in mails]
        try:
            answer = self._http.send("POST", SEND_MANY, bodies)
        except DeliveryError as error:
            return [each if isinstance(each, DeliveryError) else error for each in made]
        if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return [self._one(mail) for mail in mails]
        outcomes = iter(_outcomes(answer, len(bodies)))
        return [each if isinstance(each, DeliveryError) else next(outcomes) for each in made]

    def find(self, trace: Trace) -> Accepted | None:
        """The mail's id by our metadata.

        Raises:
            DeliveryError: no answer.
        """
        name, value = (KEY, trace.key) if len(trace.key) <= LONGEST_KEY else (NAME, trace.name)
        query = {
            "count": "50", "offset": "0", "recipient": trace.to, f"metadata_{name}": value,
            "fromdate": f"{trace.since - LATE:%Y-%m-%d}",
        }  # fmt: skip
        answer = self._http.send("GET", MESSAGES, query=query)
        messages = document(answer).get("Messages")
        if answer.status != HTTPStatus.OK or not isinstance(messages, list):
            raise _refusal(answer)
        for each in messages:
            if isinstance(each, dict) and value in told(each.get("Metadata")).values():
                return Accepted(word(each.get("MessageID")))
        return None

    def _content(self, mail: Mail) -> dict[str, Any] | DeliveryError:
        try:
            return content(mail, parts(mail, self.clock()), self.stream)
        except DeliveryError as error:
            return error

    def _one(self, mail: Mail) -> Accepted | DeliveryError:
        try:
            return self.send(mail)
        except DeliveryError as error:
            return error


def content(mail: Mail, parts_: Parts, stream: str) -> dict[str, Any]:
    """The mail in Postmark's words."""
    said: dict[str, Any] = {
        "From": str(parts_.sender),
        "To": parts_.to,
        "Subject": mail.subject,
        "TextBody": mail.text,
        "MessageStream": stream,
        "Metadata": metadata(mail, LONGEST_KEY),
        "Headers": [
            {"Name": name, "Value": value} for name, value in {**parts_.headers, "X-PM-KeepID": "true"}.items()
        ],
    }
    if mail.html is not None:
        said["HtmlBody"] = mail.html
    if parts_.reply_to:
        said["ReplyTo"] = str(parts_.reply_to)
    if parts_.files:
        said["Attachments"] = [
            {"Name": each.name, "ContentType": each.type, "Content": each.content} for each in parts_.files
        ]
    return said


def _taken(said: Mapping[str, Any]) -> str:
    """The id of a mail that Postmark has taken; empty if it has not. A mail that will be late has no code."""
    return word(said.get("MessageID")) if said.get("ErrorCode") in (0, None) else ""


def _outcomes(answer: Answer, number: int) -> Sequence[Accepted | DeliveryError]:
    """What became of the mails of one call."""
    said = answer.json()
    if answer.status != HTTPStatus.OK:
        return [_refusal(answer)] * number
    if not isinstance(said, list) or len(said) != number:
        return [Unknown("Postmark's answer to a batch does not name each of its mails")] * number
    return [_outcome(each if isinstance(each, dict) else {}) for each in said]


def _outcome(said: Mapping[str, Any]) -> Accepted | DeliveryError:
    if ref := _taken(said):
        return Accepted(ref)
    code, sentence = word(said.get("ErrorCode")), word(said.get("Message"))
    if not code or code == "0":
        return Unknown("Postmark's answer to a batch says nothing of this mail")
    if code in ABOUT_US:
        return Unavailable(f"Postmark: {code}: {sentence}", TROUBLE_WAIT)
    return Rejected(code, sentence)


def _refusal(answer: Answer) -> DeliveryError:
    said = document(answer)
    code = word(said.get("ErrorCode"))
    return refusal("Postmark", answer, code, word(said.get("Message")), about_us=ABOUT_US, not_taken=CLOSED)


# ── feedback ─────────────────────────────────────────────────────────────────────────────────────────────────

BOUNCED, COMPLAINED, UNSUBSCRIBED, RESUBSCRIBED = (
    "email.bounced", "email.complained", "email.unsubscribed", "email.resubscribed",
)  # fmt: skip
TYPES: Final[Mapping[str, tuple[str, str]]] = {
    "Delivery": ("email.delivered", "DeliveredAt"),
    "Bounce": (BOUNCED, "BouncedAt"),
    "SpamComplaint": (COMPLAINED, "BouncedAt"),
    "Open": ("email.opened", "ReceivedAt"),
    "Click": ("email.clicked", "ReceivedAt"),
    "SubscriptionChange": (UNSUBSCRIBED, "ChangedAt"),
}
"""By `RecordType`: our type, and where the time stands."""
BOUNCES: Final[Mapping[str, str]] = {
    "SpamNotification": COMPLAINED,
    "SpamComplaint": COMPLAINED,
    "Unsubscribe": UNSUBSCRIBED,
    "Subscribe": RESUBSCRIBED,
}
"""Kinds of a bounce that are none."""
HARD: Final = frozenset({"HardBounce", "BadEmailAddress"})
"""Kinds of a bounce that say that there is no such address; all others may pass."""
ANSWERS: Final = frozenset({"AutoResponder", "ChallengeVerification", "AddressChange", "OpenRelayTest"})
"""Kinds of a bounce that a program has written who got the mail."""
SUPPRESSIONS: Final[Mapping[str, str]] = {"HardBounce": BOUNCED, "SpamComplaint": COMPLAINED}
"""Why somebody is on Postmark's list, where it was not their own wish."""
RECIPIENT: Final = "Recipient"
"""Whose wish a change of the list has to be, so that mail may go again; a colleague's or Postmark's own is none."""
INBOUND: Final = "Inbound"
PROPERTIES: Final[Mapping[str, str]] = {
    "OriginalLink": "url", "Type": "reason", "SuppressionReason": "reason", "Details": "response", "Tag": "categories",
}  # fmt: skip
MAKES_ONE: Final = ("RecordType", "MessageID", "Recipient", "Email", "OriginalLink", "ClickLocation", "UserAgent")
"""What makes an event one, with its time: only bounces and complaints have an id."""


@dataclass(frozen=True, slots=True)
class Feedback(LoginSource):
    """Postmark as a source of e-mail events.

    Attributes:
        webhook_login: `user:password`, as in the address that Postmark posts to.
    """

    def normalise(self, request: Request) -> Iterator[Incoming | Unreadable | Ignored]:
        """The one event of a delivery."""
        body = parse_json(request.body)
        if isinstance(body, dict) and body.get("RecordType") in (INBOUND, None) and "FromFull" in body:
            yield read_by_webhook(_letter(body), request, orjson.dumps(body.get("Headers") or []))
        else:
            yield read_single(body, lambda part, own, _: _read(part, own, request.received_at), request.body)


def _letter(event: Mapping[str, Any]) -> Message:
    """The mail that came in: whole, where Postmark is told to hand that over, else its headers."""
    if isinstance(raw := event.get("RawEmail"), str) and raw:
        return message_from_bytes(raw.encode(errors="replace"))
    headers = event.get("Headers")
    named = [each for each in headers if isinstance(each, dict)] if isinstance(headers, list) else []
    return of_headers(
        [
            ("From", at_path(event, ("FromFull", "Email"))),
            ("Subject", event.get("Subject")),
            *[(each.get("Name"), each.get("Value")) for each in named],
        ]
    )


def _read(part: Any, own: bytes, received_at: datetime) -> Incoming | Ignored:
    event = mapping(part, "the event")
    record, kind = event.get("RecordType"), event.get("Type")
    if record == "SubscriptionChange" and event.get("SuppressSending") is False and event.get("Origin") != RECIPIENT:
        return Ignored("not-the-recipient")
    if record == "Bounce" and str(kind) in ANSWERS:
        return Ignored("auto-reply")
    if not isinstance(record, str) or record not in TYPES:
        raise Unusable("unknown-type", "RecordType is none of Postmark's known here.")
    type_, time_member = TYPES[record]
    return Incoming(
        event_id=_event_id(record, time_member, event),
        type=_type(type_, event),
        occurred_at=occurred_at(event.get(time_member), received_at, time_member),
        identities=(email_identity(event.get("Recipient") or event.get("Email"), "Recipient"),),
        properties=_properties(_type(type_, event), event),
        payload=own,
    )


def _type(usual: str, event: Mapping[str, Any]) -> str:
    """The event's type, where its record alone does not say it."""
    if usual == BOUNCED:
        return BOUNCES.get(str(event.get("Type")), usual)
    if usual != UNSUBSCRIBED:
        return usual
    if event.get("SuppressSending") is False:
        return RESUBSCRIBED
    return SUPPRESSIONS.get(str(event.get("SuppressionReason")), usual)


def _event_id(record: str, time_member: str, event: Mapping[str, Any]) -> str:
    if record in {"Bounce", "SpamComplaint"}:
        return f"{record}:{text(event.get('ID'), 'ID', 100, 'no-event-id')}"
    return digest(*(event.get(member) for member in MAKES_ONE), event.get(time_member))


def _properties(type_: str, event: Mapping[str, Any]) -> dict[str, Any]:
    found = {ours: plain(event[theirs], theirs) for theirs, ours in PROPERTIES.items() if event.get(theirs)}
    if type_ == BOUNCED:
        found["kind"] = "hard" if str(found.get("reason")) in HARD else "soft"
    if tag := found.get("categories"):
        found["categories"] = tag if isinstance(tag, list) else [tag]
    return found | told(event.get("Metadata"))
