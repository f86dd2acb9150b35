"""SparkPost: e-mail over its Transmissions API, and what became of it by its event webhooks.

To set it up: an API key with *Transmissions: Read/Write* (and *Message Events*, to look up unclear mails) goes into
`DRIPLINE_SPARKPOST_API_KEY`; the sending domain has to be verified. An account in the European Union has another
address: set `DRIPLINE_SPARKPOST_BASE_URL=https://api.eu.sparkpost.com`. For the events: Webhooks, all of them, to
`https://…/hooks/sparkpost`, with *Basic Auth* (`user:password`) or *OAuth 2.0* (a token), which goes into
`DRIPLINE_SPARKPOST_WEBHOOK_LOGIN`. SparkPost does not sign what it posts, so this login is all that tells it from a
stranger: make it long, and use https.

SparkPost takes no idempotency key. Our key goes out as metadata and stands in every event, also in its event log, in
which a mail can be looked up. Several recipients in a call share one content, so each mail is a call. What looks like a
substitution (`{{ … }}`) in a mail is text, and goes out as such.

Facts: developers.sparkpost.com/api/transmissions, .../api/events, .../api/template-language, and
support.sparkpost.com/docs/tech-resources/webhook-authentication.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final

from integrations.contracts import Accepted, Ignored, Incoming
from integrations.exceptions import Malformed, Rejected, Unavailable, Unusable
from integrations.logins import LoginSource
from integrations.posting import Parts, Person, among, document, metadata, parts, refusal, told, utc_now, word
from integrations.reading import (
    at_path,
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
from integrations.transport import OverHttp, check_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from integrations.contracts import Mail, Request, Trace, Unreadable
    from integrations.exceptions import DeliveryError
    from integrations.transport import Answer

# ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────

SEND: Final = "/api/v1/transmissions"
EVENTS: Final = "/api/v1/events/message"
LONGEST_KEY: Final = 1000
"""Characters of our key as metadata."""
ABOUT_US: Final = frozenset({"7001"})
"""Codes about the sending domain."""
LIMITS: Final = 420
"""The status where the account has sent as many as it may."""
LIMITS_WAIT: Final = timedelta(hours=1)
LOOKED_THROUGH: Final = 1000
LATE: Final = timedelta(minutes=30)
"""How far in the log a mail may stand before the time that we know of: clocks differ."""
CURLY: Final = re.compile(r"\{\{\{|\}\}\}|\{\{|\}\}")
WRITTEN: Final[Mapping[str, str]] = {
    "{{{": "{{opening_triple_curly()}}",
    "}}}": "{{closing_triple_curly()}}",
    "{{": "{{opening_double_curly()}}",
    "}}": "{{closing_double_curly()}}",
}
"""How SparkPost's template language writes its own brackets."""


@dataclass(frozen=True, slots=True)
class Adapter(OverHttp):
    """SparkPost's Transmissions API.

    Attributes:
        api_key: with Transmissions: Read/Write; and Message Events, if unclear mails are to be looked up.
        base_url: `https://api.eu.sparkpost.com` for an account in the European Union.
        clock: for checks of the mail only.
    """

    takes_key: ClassVar[bool] = False
    findable_after: ClassVar[timedelta] = timedelta(hours=1)

    api_key: str = field(repr=False)
    base_url: str = "https://api.sparkpost.com"
    clock: Callable[[], datetime] = field(default=utc_now, repr=False)

    def __post_init__(self) -> None:
        """Check the settings."""
        check_token(self.api_key, "api_key")
        self.connect(self.base_url, {"authorization": self.api_key})

    def send(self, mail: Mail) -> Accepted:
        """Hand over one mail; the reference is the transmission's id.

        Raises:
            Rejected: SparkPost refused the mail or its recipient, or its own headers are unusable.
            Unavailable: a limit, or a refusal that is about the account, the API key or the sending domain.
            Unknown: raised by the transport, or SparkPost answered 5xx.
        """
        answer = self._http.send("POST", SEND, content(mail, parts(mail, self.clock())))
        results = document(answer).get("results")
        if answer.status != HTTPStatus.OK or not isinstance(results, dict):
            raise _refusal(answer)
        if results.get("total_accepted_recipients") == 0:
            raise Rejected("recipient", "SparkPost accepted no recipient")
        if ref := word(results.get("id")):
            return Accepted(ref)
        raise _refusal(answer)

    def find(self, trace: Trace) -> Accepted | None:
        """The transmission's id, from the events about its recipient.

        Raises:
            DeliveryError: no answer, or there are more events than one question returns.
        """
        query = {
            "recipients": trace.to, "from": f"{trace.since - LATE:%Y-%m-%dT%H:%M:%SZ}", "per_page": str(LOOKED_THROUGH),
        }  # fmt: skip
        answer = self._http.send("GET", EVENTS, query=query)
        events = document(answer).get("results")
        if answer.status != HTTPStatus.OK or not isinstance(events, list):
            raise _refusal(answer)
        ref = ("transmission_id",)
        return among(events, trace, "SparkPost", about=("rcpt_meta",), ref=ref, most=LOOKED_THROUGH)


def content(mail: Mail, parts_: Parts) -> dict[str, Any]:
    """The mail in SparkPost's words."""
    said: dict[str, Any] = {
        "from": _person(parts_.sender),
        "subject": literally(mail.subject),
        "text": literally(mail.text),
        "headers": {name: literally(value) for name, value in parts_.headers.items()},
    }
    if mail.html is not None:
        said["html"] = literally(mail.html)
    if parts_.reply_to:
        said["reply_to"] = literally(str(parts_.reply_to))
    if parts_.files:
        said["attachments"] = [{"name": each.name, "type": each.type, "data": each.content} for each in parts_.files]
    recipient = {"address": {"email": parts_.to}, "metadata": metadata(mail, LONGEST_KEY)}
    return {"recipients": [recipient], "content": said}


def literally(text_: str) -> str:
    """A text that SparkPost's template language leaves as it is, whatever somebody has put into it."""
    return CURLY.sub(lambda match: WRITTEN[match[0]], text_)


def _person(person: Person) -> dict[str, str]:
    return {"email": person.address, **({"name": literally(person.name)} if person.name else {})}


def _refusal(answer: Answer) -> DeliveryError:
    errors = document(answer).get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    code = word(first.get("code"))
    said = ": ".join(each for each in (word(first.get("message")), word(first.get("description"))) if each)
    if answer.status == LIMITS:
        return Unavailable(f"SparkPost answered {LIMITS}: {said}", LIMITS_WAIT)
    return refusal("SparkPost", answer, code, said, about_us=ABOUT_US)


# ── feedback ─────────────────────────────────────────────────────────────────────────────────────────────────

GROUPS: Final = ("message_event", "track_event", "gen_event", "unsubscribe_event")
INBOUND: Final = "relay_message"
OTHERS: Final = frozenset({"ab_test_event", "ingest_event", "relay_event", "message_events"})
"""About other things than one mail to one person."""
TYPES: Final[Mapping[str, str]] = {
    "injection": "email.sent",
    "delivery": "email.delivered",
    "delay": "email.deferred",
    "bounce": "email.bounced",
    "out_of_band": "email.bounced",
    "spam_complaint": "email.complained",
    "policy_rejection": "email.dropped",
    "generation_failure": "email.dropped",
    "generation_rejection": "email.dropped",
    "open": "email.opened",
    "amp_open": "email.opened",
    "click": "email.clicked",
    "amp_click": "email.clicked",
    "list_unsubscribe": "email.unsubscribed",
    "link_unsubscribe": "email.unsubscribed",
}
TWICE: Final = frozenset({"initial_open", "amp_initial_open"})
"""The pixel at the top; the one at the end is told as an opening too."""
HARD: Final = frozenset({"10", "30", "90"})
"""Classes of bounces that say that there is no such address, or that its owner is gone."""
REFUSED: Final = frozenset({"25", "80"})
"""Classes where SparkPost did not even try."""
ANSWER: Final = "60"
"""The class of automatic replies."""
PROPERTIES: Final[Mapping[str, str]] = {
    "target_link_url": "url", "bounce_class": "reason", "raw_reason": "response", "error_code": "status",
    "num_retries": "attempt", "rcpt_tags": "categories",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Feedback(LoginSource):
    """SparkPost as a source of e-mail events.

    Attributes:
        webhook_login: `user:password`, or the token, that SparkPost hands over with each delivery.
    """

    def normalise(self, request: Request) -> Iterator[Incoming | Unreadable | Ignored]:
        """The events of one batch."""
        batch = parse_json(request.body)
        if not isinstance(batch, list):
            raise Malformed(f"the body is {kind_of(batch)}, SparkPost sends a list of events.")
        received_at = request.received_at
        return read_each(batch, lambda part, own, _place: _read(part, own, received_at), request.body)

    def read_part(self, request: Request, place: int) -> Incoming | Unreadable | Ignored:
        """One event of a batch, which is the body alone."""
        return read_part(request.body, place, lambda part, own, _: _read(part, own, request.received_at))


def _read(part: Any, own: bytes, received_at: datetime) -> Incoming | Ignored:
    groups = mapping(mapping(part, "the event").get("msys"), "msys")
    if not groups:
        return Ignored("ping")
    if INBOUND in groups:
        return Ignored("inbound")
    if OTHERS & groups.keys():
        return Ignored("account-event")
    event = mapping(next((groups[name] for name in GROUPS if name in groups), None), "msys.message_event")
    name, class_ = event.get("type"), str(event.get("bounce_class"))
    if not isinstance(name, str) or (name not in TYPES and name not in TWICE):
        raise Unusable("unknown-type", "type is none of SparkPost's event types known here.")
    if name in TWICE or (TYPES[name] == "email.bounced" and class_ == ANSWER):
        return Ignored("told-twice" if name in TWICE else "auto-reply")
    type_ = "email.dropped" if TYPES[name] == "email.bounced" and class_ in REFUSED else TYPES[name]
    return Incoming(
        event_id=text(event.get("event_id"), "event_id", 200, "no-event-id"),
        type=type_,
        occurred_at=occurred_at(event.get("timestamp"), received_at, "timestamp"),
        identities=(email_identity(event.get("raw_rcpt_to") or event.get("rcpt_to"), "rcpt_to"),),
        properties=_properties(type_, class_, event),
        payload=own,
    )


def _properties(type_: str, class_: str, event: Mapping[str, Any]) -> dict[str, Any]:
    found = {ours: plain(event[theirs], theirs) for theirs, ours in PROPERTIES.items() if event.get(theirs)}
    if type_ == "email.bounced":
        found["kind"] = "hard" if class_ in HARD else "soft"
    fetched = at_path(event, ("user_agent_parsed", "is_prefetched"))
    if isinstance(fetched, bool):  # by a mail program's proxy, before anybody has seen the mail
        found["machine"] = fetched
    return found | told(event.get("rcpt_meta"))
