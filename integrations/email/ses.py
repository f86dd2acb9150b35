"""Amazon SES: e-mail over its API (version 2), and what became of it through its notification service (SNS).

To set it up: an access key that may call `ses:SendEmail`, and its region. A configuration set with an event destination
of the kind SNS, for all event types; its topic gets an HTTPS subscription to `https://…/hooks/ses`, without raw message
delivery, which would leave out the signature. Put the topic's ARN into `DRIPLINE_SES_TOPIC_ARNS` first: a subscription
of a topic that stands there is confirmed by itself. SNS tries a delivery for a minute only, unless the subscription's
delivery policy says otherwise: give it an hour, and a dead-letter queue.

SES takes no idempotency key and cannot be asked for a mail by ours. Our key goes out as a tag and stands in every event
of the configuration set. Several mails in one call have to be one template, so each mail is a call. Credentials of a
machine's role are not looked up: hand in an access key.

Facts: docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html, and
docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final

import orjson

from integrations.amazon import (
    NOTIFICATION,
    SUBSCRIPTION,
    Certificates,
    Credentials,
    check_address,
    download,
    region_of,
    sign,
    verify,
)
from integrations.contracts import Accepted, Handshake, Ignored, Incoming, Unreadable
from integrations.exceptions import BadSignature, ConfigurationError, Malformed, Rejected, Unavailable, Unusable
from integrations.mime import build
from integrations.posting import BUSY_WAIT, document, metadata, refusal, told, utc_now, word
from integrations.reading import email_identity, kind_of, mapping, occurred_at, parse_json, plain, read_part, text
from integrations.transport import OverHttp, check_token, check_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from integrations.contracts import Mail, Request
    from integrations.exceptions import DeliveryError
    from integrations.transport import Answer

# ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────

SEND: Final = "/v2/email/outbound-emails"
LONGEST_TAG: Final = 256
"""Characters of a tag's value: letters, digits, `-`, `_`, `.` and `@`."""
ABOUT_US: Final = frozenset({
    "AccountSuspendedException", "SendingPausedException", "MailFromDomainNotVerifiedException",
    "LimitExceededException", "NotFoundException",
})  # fmt: skip
THROTTLED: Final = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException"})
NOT_VERIFIED: Final = "not verified"
"""How SES refuses a sender, or in the sandbox a recipient, that was not proved to be ours."""
QUOTA_WAIT: Final = timedelta(hours=1)
"""The daily quota counts the last 24 hours, so every hour there may be room again."""


@dataclass(frozen=True, slots=True)
class Adapter(OverHttp):
    """Amazon SES, API version 2.

    Attributes:
        access_key_id: of an access key that may call ses:SendEmail.
        secret_access_key: the other half of it.
        region: such as `eu-central-1`.
        session_token: of temporary credentials.
        configuration_set: the one that publishes events; without it nothing comes back.
        base_url: another address for tests; empty takes the region's own.
        clock: for the signature and the `Date` header.
    """

    takes_key: ClassVar[bool] = False

    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str
    session_token: str = field(default="", repr=False)
    configuration_set: str = ""
    base_url: str = ""
    clock: Callable[[], datetime] = field(default=utc_now, repr=False)
    _credentials: Credentials = field(init=False, repr=False, compare=False)
    _url: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the settings."""
        for name in ("access_key_id", "secret_access_key", "region", "session_token"):
            check_token(getattr(self, name), name)
        if not re.fullmatch(r"[a-z0-9-]+", self.region):
            raise ConfigurationError(f"is '{self.region}'; write one such as eu-central-1.", "region")
        url = (self.base_url or f"https://email.{self.region}.amazonaws.com").rstrip("/")
        check_url(url, "base_url")
        self.connect(url)
        given = Credentials(self.access_key_id, self.secret_access_key, self.region, self.session_token)
        object.__setattr__(self, "_credentials", given)
        object.__setattr__(self, "_url", url + SEND)

    def send(self, mail: Mail) -> Accepted:
        """Hand over one mail; the reference is SES's message id.

        Raises:
            Rejected: SES refused the mail, or its own headers are unusable.
            Unavailable: a limit, or a refusal that is about the account, the access key or the sender.
            Unknown: raised by the transport, or SES answered 5xx.
        """
        now = self.clock()
        body = orjson.dumps(content(mail, now, self.configuration_set))
        headers = {"content-type": "application/json"}
        signed = sign(self._credentials, "POST", self._url, service="ses", body=body, now=now, headers=headers)
        answer = self._http.send("POST", SEND, body, headers=signed)
        ref = word(document(answer).get("MessageId"))
        if answer.status == HTTPStatus.OK and ref:
            return Accepted(ref)
        raise _refusal(answer)


def content(mail: Mail, now: datetime, configuration_set: str = "") -> dict[str, Any]:
    """The mail in SES's words."""
    letter = build(mail, now)
    if letter.international:
        raise Rejected("no-smtputf8", "SES takes no addresses with characters beyond ASCII before the @.")
    said: dict[str, Any] = {
        "Destination": {"ToAddresses": [letter.to]},
        "Content": {"Raw": {"Data": base64.b64encode(letter.data).decode()}},
        "EmailTags": [
            {"Name": name, "Value": value} for name, value in metadata(mail, LONGEST_TAG, armour=True).items()
        ],
    }
    return said | ({"ConfigurationSetName": configuration_set} if configuration_set else {})


def _refusal(answer: Answer) -> DeliveryError:
    said = document(answer)
    code = answer.headers.get("x-amzn-errortype", "").partition(":")[0].rpartition("#")[2]
    sentence = word(said.get("message")) or word(said.get("Message"))
    if code in THROTTLED:
        return Unavailable(f"SES: {code}: {sentence}", QUOTA_WAIT if "quota" in sentence.lower() else BUSY_WAIT)
    about_us = {code} if NOT_VERIFIED in sentence else ABOUT_US
    return refusal("SES", answer, code, sentence, about_us=about_us)


# ── feedback ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of SES event.

    Attributes:
        type: our name.
        section: the member that tells about it, its time among it.
        people: where in the section the recipients are; empty if they are those of the mail.
    """

    type: str
    section: str
    people: str = ""


KINDS: Final[Mapping[str, Kind]] = {
    "Send": Kind("email.sent", "send"),
    "Delivery": Kind("email.delivered", "delivery", "recipients"),
    "DeliveryDelay": Kind("email.deferred", "deliveryDelay", "delayedRecipients"),
    "Bounce": Kind("email.bounced", "bounce", "bouncedRecipients"),
    "Complaint": Kind("email.complained", "complaint", "complainedRecipients"),
    "Reject": Kind("email.dropped", "reject"),
    "Rendering Failure": Kind("email.dropped", "failure"),
    "Open": Kind("email.opened", "open"),
    "Click": Kind("email.clicked", "click"),
    "Subscription": Kind("email.unsubscribed", "subscription"),
}
PROPERTIES: Final[Mapping[str, Mapping[str, str]]] = {
    "bounce": {"bounceSubType": "reason"},
    "complaint": {"complaintFeedbackType": "reason"},
    "delivery": {"smtpResponse": "response"},
    "deliveryDelay": {"delayType": "reason"},
    "reject": {"reason": "reason"},
    "failure": {"errorMessage": "reason"},
    "click": {"link": "url"},
}
"""Members of an event's section, and our names for them."""
OF_PEOPLE: Final[Mapping[str, str]] = {"status": "status", "diagnosticCode": "response"}
"""Members that are said of each recipient."""
TRIAL: Final = "Successfully validated SNS topic"
"""How the message begins that SES sends first, to see whether the topic takes it; it is no JSON."""
NO_COMPLAINT: Final = "not-spam"
"""The person has said that it was no spam after all."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """Amazon SES as a source of e-mail events, through SNS.

    Attributes:
        topic_arns: topics that may deliver; anybody's own topic has Amazon's signature too.
        tolerance: how old a message may be. SNS tries for an hour at most; give it more to put a dead-letter queue
            through again.
    """

    asks: ClassVar[bool] = True

    topic_arns: tuple[str, ...]
    tolerance: timedelta = timedelta(hours=1)
    _certificates: Certificates = field(init=False, repr=False, compare=False, default_factory=Certificates)

    def __post_init__(self) -> None:
        """Check the topics."""
        wrong = [each for each in self.topic_arns if not region_of(each)]
        if wrong or not self.topic_arns:
            says = "has to hold ARNs of topics such as arn:aws:sns:eu-central-1:123456789012:ses-events."
            raise ConfigurationError(says, "topic_arns")

    def verify(self, request: Request) -> None:
        """Check topic, age, and Amazon's signature over the message."""
        try:
            message = parse_json(request.body)
        except Malformed as error:
            raise BadSignature("the body is no message of SNS.") from error
        if not isinstance(message, dict):
            raise BadSignature("the body is no message of SNS.")
        verify(message, frozenset(self.topic_arns), self._certificates, request.received_at, self.tolerance)

    def greet(self, request: Request) -> Handshake | None:
        """A new subscription is confirmed; that one was ended is only noted."""
        message = parse_json(request.body)
        kind = message.get("Type") if isinstance(message, dict) else None
        if kind == NOTIFICATION or not isinstance(message, dict):
            return None
        if kind != SUBSCRIPTION:
            return Handshake()
        url = _subscribe_url(message)
        return Handshake(confirm=lambda: _confirm(url))

    def normalise(self, request: Request) -> Iterator[Incoming | Unreadable | Ignored]:
        """The event, once for each recipient it is about."""
        envelope = _envelope(request.body)
        if str(envelope.get("Message")).startswith(TRIAL):
            yield Ignored("test-message")
            return
        try:
            people = _people(mapping(_event(envelope), "Message"))
        except Unusable as error:
            yield Unreadable(error.reason, error.detail, request.body)
            return
        for place in range(len(people)):
            yield self.read_part(request, place)

    def read_part(self, request: Request, place: int) -> Incoming | Unreadable | Ignored:
        """The event for one of its recipients; the body is the whole message."""
        return read_part(request.body, place, lambda part, own, _: _read(part, own, place, request.received_at))


def _envelope(body: bytes) -> dict[str, Any]:
    message = parse_json(body)
    if not isinstance(message, dict):
        raise Malformed(f"the body is {kind_of(message)}, SNS sends an object.")
    return message


def _event(envelope: Mapping[str, Any]) -> Any:
    """The event that stands in a message."""
    said = envelope.get("Message")
    try:
        return parse_json(said.encode(errors="replace") if isinstance(said, str) else b"")
    except Malformed as error:
        raise Unusable("not-json", "Message holds no JSON, so it is no event of SES.") from error


def _people(event: Mapping[str, Any]) -> list[Any]:
    """Whom the event is about, as SES writes it: addresses, or objects with one."""
    kind = _kind(event)
    section, mail = _section(event, kind), mapping(event.get("mail"), "mail")
    people = section.get(kind.people) if kind.people else mail.get("destination")
    if not isinstance(people, list) or not people:
        raise Unusable("no-identity", "the event names no recipient.")
    return people


def _kind(event: Mapping[str, Any]) -> Kind:
    name = event.get("eventType") or event.get("notificationType")
    if not isinstance(name, str) or name not in KINDS:
        raise Unusable("unknown-type", "eventType is none of SES's event types known here.")
    return KINDS[name]


def _section(event: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    return mapping(event.get(kind.section) or {}, kind.section)


def _read(part: Any, own: bytes, place: int, received_at: datetime) -> Incoming | Ignored:
    envelope = mapping(part, "the message")
    event = mapping(_event(envelope), "Message")
    kind, people = _kind(event), _people(event)
    section, mail = _section(event, kind), mapping(event.get("mail"), "mail")
    if reason := _not_wanted(kind, section):
        return Ignored(reason)
    if place >= len(people):
        raise Unusable("no-identity", "the event has no recipient at this place.")
    person = people[place] if isinstance(people[place], dict) else {"emailAddress": people[place]}
    at = section.get("timestamp") or envelope.get("Timestamp")
    return Incoming(
        event_id=f"{text(envelope.get('MessageId'), 'MessageId', 200, 'no-event-id')}:{place}",
        type=kind.type,
        occurred_at=occurred_at(at, received_at, "timestamp"),
        identities=(email_identity(person.get("emailAddress"), "emailAddress"),),
        properties=_properties(kind, section, person, mail),
        payload=own,
    )


def _not_wanted(kind: Kind, section: Mapping[str, Any]) -> str:
    """Why an event is passed over on purpose; empty if it is not."""
    if kind.section == "complaint" and section.get("complaintFeedbackType") == NO_COMPLAINT:
        return "no-complaint"
    topics = section.get("newTopicPreferences")
    if kind.section == "subscription" and isinstance(topics, dict) and topics.get("unsubscribeAll") is not True:
        return "preferences"
    return ""


def _properties(
    kind: Kind, section: Mapping[str, Any], person: Mapping[str, Any], mail: Mapping[str, Any]
) -> dict[str, Any]:
    names = PROPERTIES.get(kind.section, {})
    found = {ours: plain(section[theirs], theirs) for theirs, ours in names.items() if theirs in section}
    found |= {ours: plain(person[theirs], theirs) for theirs, ours in OF_PEOPLE.items() if theirs in person}
    if kind.section == "bounce":
        found["kind"] = "hard" if section.get("bounceType") == "Permanent" else "soft"
    return found | told(_tags(mail), armour=True)


def _tags(mail: Mapping[str, Any]) -> dict[str, Any]:
    """The mail's tags; SES makes each a list."""
    tags = mail.get("tags")
    if not isinstance(tags, dict):
        return {}
    return {name: values[0] for name, values in tags.items() if isinstance(values, list) and values}


def _subscribe_url(message: Mapping[str, Any]) -> str:
    try:
        return check_address(message.get("SubscribeURL"), region_of(str(message.get("TopicArn"))))
    except BadSignature as error:
        raise Malformed(f"the subscription cannot be confirmed: {error}") from error


def _confirm(url: str) -> None:
    download(url)
