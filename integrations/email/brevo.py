"""Brevo: e-mail over its transactional API, and what became of it by its webhooks.

To set it up: an API key (SMTP & API, API keys) goes into `DRIPLINE_BREVO_API_KEY`; the sender has to be known to Brevo
(Senders, domains). For the events: Transactional, Settings, Webhook, all events, to `https://…/hooks/brevo`, with an
authentication: a token, or `user:password`, which goes into `DRIPLINE_BREVO_WEBHOOK_LOGIN`. Brevo does not sign what it
posts, so this login is all that tells it from a stranger: make it long, and use https.

Brevo takes our key as idempotency key, and remembers it for 30 minutes (earlier it said 15): within that time a mail of
unknown outcome is simply sent again. The key also goes out in the header `X-Mailin-custom` and stands in every event.
Many mails in a call are refused or taken together and have one idempotency key, so each mail is a call.

Facts: developers.brevo.com/reference/send-transac-email, .../docs/heterogenous-versions-batch-emails,
.../docs/transactional-webhooks, and .../docs/secured-webhooks.
"""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

import orjson

from integrations.contracts import Accepted, Ignored, Incoming
from integrations.exceptions import Rejected, Unknown, Unusable
from integrations.logins import LoginSource
from integrations.posting import Parts, Person, document, metadata, parts, refusal, told, utc_now, word
from integrations.reading import (
    digest,
    email_identity,
    mapping,
    occurred_at,
    parse_json,
    plain,
    read_each,
    read_part,
    read_single,
)
from integrations.transport import OverHttp, check_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from integrations.contracts import Mail, Request, Unreadable
    from integrations.exceptions import DeliveryError
    from integrations.transport import Answer

# ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────

SEND: Final = "/v3/smtp/email"
CONSENT: Final = frozenset({201, 202})
NAMESPACE: Final = uuid.UUID("6b1f5f0e-1d0b-5a52-9d5e-0c1f6b7a2e11")
"""What idempotency keys, which have to be UUIDs, are made in."""
LONGEST_KEY: Final = 1000
ABOUT_US: Final = frozenset({"unauthorized", "not_enough_credits", "permission_denied", "account_under_validation"})
ALREADY: Final = "idempoten"
"""What stands in Brevo's words about a key that was used; an earlier try may have arrived then."""
OWN_HEADERS: Final = frozenset({"message-id"})
"""Headers that Brevo writes by itself."""
WORD: Final = 45
"""Bytes of one encoded word."""


@dataclass(frozen=True, slots=True)
class Adapter(OverHttp):
    """Brevo's transactional e-mail API.

    Attributes:
        api_key: of the account.
        base_url: another address for tests.
        clock: for checks of the mail only.
    """

    takes_key: ClassVar[bool] = True
    key_kept: ClassVar[timedelta] = timedelta(minutes=14)

    api_key: str = field(repr=False)
    base_url: str = "https://api.brevo.com"
    clock: Callable[[], datetime] = field(default=utc_now, repr=False)

    def __post_init__(self) -> None:
        """Check the settings."""
        check_token(self.api_key, "api_key")
        self.connect(self.base_url, {"api-key": self.api_key})

    def send(self, mail: Mail) -> Accepted:
        """Hand over one mail; the reference is Brevo's message id.

        Raises:
            Rejected: Brevo refused the mail, or its own headers are unusable.
            Unavailable: a limit, or a refusal that is about the account, the API key or the sender.
            Unknown: raised by the transport; Brevo answered 5xx; or it says that the key was used.
        """
        answer = self._http.send("POST", SEND, content(mail, parts(mail, self.clock())))
        ref = word(document(answer).get("messageId")).strip("<>")
        if answer.status in CONSENT and ref:
            return Accepted(ref)
        raise _refusal(answer)


def content(mail: Mail, parts_: Parts) -> dict[str, Any]:
    """The mail in Brevo's words.

    Raises:
        Rejected: `bad-header`: a header has characters beyond ASCII, which Brevo would send as they are.
    """
    headers = {name: value for name, value in parts_.headers.items() if name.lower() not in OWN_HEADERS}
    if not all(value.isascii() for value in headers.values()):
        raise Rejected("bad-header", "Brevo writes headers with characters beyond ASCII so that they are unreadable.")
    headers["X-Mailin-custom"] = json.dumps(metadata(mail, LONGEST_KEY))
    headers["idempotencyKey"] = str(uuid.uuid5(NAMESPACE, mail.key))
    said: dict[str, Any] = {
        "sender": _person(parts_.sender),
        "to": [{"email": parts_.to}],
        "subject": mail.subject,
        "textContent": mail.text,
        "headers": headers,
    }
    if mail.html is not None:
        said["htmlContent"] = mail.html
    if parts_.reply_to:
        said["replyTo"] = _person(parts_.reply_to)
    if parts_.files:
        said["attachment"] = [{"name": each.name, "content": each.content} for each in parts_.files]
    return said


def _person(person: Person) -> dict[str, str]:
    return {"email": person.address, **({"name": _name(person.name)} if person.name else {})}


def _name(name: str) -> str:
    """A name as encoded words, if it has characters beyond ASCII: with a comma in it, Brevo would drop it."""
    if name.isascii():
        return name
    words, rest = [], ""
    for character in name:
        if len((rest + character).encode()) > WORD:
            words.append(rest)
            rest = ""
        rest += character
    return " ".join(
        f"=?utf-8?b?{base64.b64encode(each.encode(errors='replace')).decode()}?=" for each in [*words, rest]
    )


def _refusal(answer: Answer) -> DeliveryError:
    said = document(answer)
    code, sentence = word(said.get("code")), word(said.get("message"))
    if ALREADY in f"{code} {sentence}".lower():
        return Unknown(f"Brevo knows this key, so an earlier try may have arrived: {sentence}")
    return refusal("Brevo", answer, code, sentence, about_us=ABOUT_US)


# ── feedback ─────────────────────────────────────────────────────────────────────────────────────────────────

TYPES: Final[Mapping[str, str]] = {
    "request": "email.sent",
    "delivered": "email.delivered",
    "deferred": "email.deferred",
    "hard_bounce": "email.bounced",
    "soft_bounce": "email.bounced",
    "blocked": "email.dropped",
    "invalid_email": "email.dropped",
    "error": "email.dropped",
    "spam": "email.complained",
    "complaint": "email.complained",
    "opened": "email.opened",
    "proxy_open": "email.opened",
    "click": "email.clicked",
    "unsubscribed": "email.unsubscribed",
    "unsubscribe": "email.unsubscribed",
}
TWICE: Final = frozenset({"unique_opened", "unique_proxy_open", "first_opening"})
"""The first opening, which is told as an opening too."""
NOT_WANTED: Final[Mapping[str, str]] = {"reply": "inbound", "inbound_email_processed": "inbound"}
MACHINE: Final[Mapping[str, bool]] = {"opened": False, "proxy_open": True}
"""Openings that Brevo tells apart."""
KINDS: Final[Mapping[str, str]] = {"hard_bounce": "hard", "soft_bounce": "soft"}
PROPERTIES: Final[Mapping[str, str]] = {"link": "url", "reason": "reason", "tags": "categories"}
MAKES_ONE: Final = ("event", "message-id", "email", "ts_epoch", "ts_event", "link", "reason")
"""What makes an event one: `id` is the webhook's."""


@dataclass(frozen=True, slots=True)
class Feedback(LoginSource):
    """Brevo as a source of e-mail events.

    Attributes:
        webhook_login: the token, or `user:password`, that Brevo hands over with each delivery.
    """

    def normalise(self, request: Request) -> Iterator[Incoming | Unreadable | Ignored]:
        """The event of a delivery, or the events of a batched one."""
        body, received_at = parse_json(request.body), request.received_at
        if isinstance(body, list):
            yield from read_each(body, lambda part, own, _: _read(part, own, received_at), request.body)
        else:
            yield read_single(body, lambda part, own, _: _read(part, own, received_at), request.body)

    def read_part(self, request: Request, place: int) -> Incoming | Unreadable | Ignored:
        """One event of a batch, which is the body alone."""
        return read_part(request.body, place, lambda part, own, _: _read(part, own, request.received_at))


def _read(part: Any, own: bytes, received_at: datetime) -> Incoming | Ignored:
    event = mapping(part, "the event")
    name = event.get("event")
    if isinstance(name, str) and name in TWICE:
        return Ignored("told-twice")
    if isinstance(name, str) and name in NOT_WANTED:
        return Ignored(NOT_WANTED[name])
    if not isinstance(name, str) or name not in TYPES:
        raise Unusable("unknown-type", "event is none of Brevo's event types known here.")
    # ts and date are in the account's time zone; ts_epoch is not, and counts milliseconds.
    at = event.get("ts_epoch") or event.get("ts_event") or event.get("ts")
    return Incoming(
        event_id=digest(*(event.get(member) for member in MAKES_ONE)),
        type=TYPES[name],
        occurred_at=occurred_at(at, received_at, "ts_epoch"),
        identities=(email_identity(event.get("email"), "email"),),
        properties=_properties(name, event),
        payload=own,
    )


def _properties(name: str, event: Mapping[str, Any]) -> dict[str, Any]:
    found = {ours: plain(event[theirs], theirs) for theirs, ours in PROPERTIES.items() if event.get(theirs)}
    if isinstance(reason := found.get("reason"), str):
        found["reason"] = reason.strip()
    if name in KINDS:
        found["kind"] = KINDS[name]
    if name in MACHINE:
        found["machine"] = MACHINE[name]
    return found | told(_custom(event.get("X-Mailin-custom")))


def _custom(value: Any) -> Any:
    """The metadata that we sent, which comes back as text."""
    try:
        return orjson.loads(value) if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        return None
