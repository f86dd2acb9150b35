"""Mailchimp Transactional (Mandrill): e-mail over its API, and what became of it by its webhooks.

To set it up: an API key (Settings, SMTP & API Info) goes into `DRIPLINE_MANDRILL_API_KEY`; the sender's domain has to
be verified and signed (Settings, Domains). For the events: Settings, Webhooks, all of them, to `https://…/hooks/mandrill`;
the key that is shown then goes into `DRIPLINE_MANDRILL_WEBHOOK_KEYS` (of several webhooks, all keys). Mandrill signs
the address as it was entered there: where that is not `DRIPLINE_PUBLIC_URL` and `/hooks/mandrill`, put it into
`DRIPLINE_MANDRILL_WEBHOOK_URL`, to the letter. To hear of answers and bounces, let them go to an inbound domain
(`reply_to` in the front matter of mails) with a route to the same address, and add its key to the others.

Mandrill takes no idempotency key. Our key goes out as metadata and stands in every event, and a mail can be looked up
by its recipient and told by it. Several mails in a call have to be one content with merge tags, so each mail is a call.

Facts: mailchimp.com/developer/transactional/api/messages, .../docs/webhooks, and .../docs/error-glossary.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import parse_qsl

from integrations.contracts import Accepted, Ignored, Incoming, Unreadable
from integrations.exceptions import BadSignature, Malformed, Rejected, Unavailable, Unusable
from integrations.posting import (
    BUSY_WAIT,
    TROUBLE_WAIT,
    Parts,
    among,
    document,
    metadata,
    parts,
    refusal,
    told,
    utc_now,
    word,
)
from integrations.reading import (
    at_path,
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
from integrations.received import read
from integrations.transport import OverHttp, check_token, check_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from integrations.contracts import Mail, Request, Trace
    from integrations.exceptions import DeliveryError
    from integrations.transport import Answer

# ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────

SEND: Final = "/api/1.0/messages/send"
SEARCH: Final = "/api/1.0/messages/search"
LONGEST_KEY: Final = 500
"""Characters of our key; all metadata of a mail may have 1,000 bytes."""
TAKEN: Final = frozenset({"sent", "queued", "scheduled"})
ABOUT_US: Final = frozenset({"Invalid_Key", "PaymentRequired", "Unknown_Subaccount", "UserError"})
"""Names of errors about the key, the bill or the account; they come with any status, 500 among them."""
ABOUT_MAIL: Final = "ValidationError"
CLOSED: Final = "ServiceUnavailable"
NOT_FOR_US: Final = frozenset({"invalid-sender", "test-mode-limit", "unsigned"})
"""Reasons for a refusal that the next mail would meet as well."""
LOOKED_THROUGH: Final = 100
LATE: Final = timedelta(days=1)
"""How far back to look before the time that we know of: Mandrill takes days, by its own clock."""


@dataclass(frozen=True, slots=True)
class Adapter(OverHttp):
    """Mailchimp Transactional's API.

    Attributes:
        api_key: of the account.
        base_url: another address for tests.
        clock: for checks of the mail only.
    """

    takes_key: ClassVar[bool] = False
    findable_after: ClassVar[timedelta] = timedelta(hours=2)

    api_key: str = field(repr=False)
    base_url: str = "https://mandrillapp.com"
    clock: Callable[[], datetime] = field(default=utc_now, repr=False)

    def __post_init__(self) -> None:
        """Check the settings."""
        check_token(self.api_key, "api_key")
        self.connect(self.base_url)

    def send(self, mail: Mail) -> Accepted:
        """Hand over one mail; the reference is Mandrill's `_id`.

        Raises:
            Rejected: Mandrill refused the mail or its recipient, or its own headers are unusable.
            Unavailable: a limit, or a refusal that is about the account, the API key or the sender.
            Unknown: raised by the transport, or Mandrill answered 5xx without a known reason.
        """
        message = content(mail, parts(mail, self.clock()))
        answer = self._http.send("POST", SEND, {"key": self.api_key, "message": message, "async": False})
        said = answer.json()
        if answer.status == HTTPStatus.OK and isinstance(said, list) and len(said) == 1 and isinstance(said[0], dict):
            return _outcome(said[0])
        raise _refusal(answer)

    def find(self, trace: Trace) -> Accepted | None:
        """The mail's `_id`, from those to its recipient.

        Raises:
            DeliveryError: no answer, or there are more mails than one question returns.
        """
        asked = {
            "key": self.api_key, "query": f"email:{trace.to}", "date_from": f"{trace.since - LATE:%Y-%m-%d}",
            "limit": LOOKED_THROUGH,
        }  # fmt: skip
        answer = self._http.send("POST", SEARCH, asked)
        listed = answer.json()
        if answer.status != HTTPStatus.OK or not isinstance(listed, list):
            raise _refusal(answer)
        return among(listed, trace, "Mandrill", about=("metadata",), ref=("_id",), most=LOOKED_THROUGH)


def content(mail: Mail, parts_: Parts) -> dict[str, Any]:
    """The mail in Mandrill's words."""
    headers = dict(parts_.headers)
    if parts_.reply_to:
        headers["Reply-To"] = str(parts_.reply_to)
    said: dict[str, Any] = {
        "from_email": parts_.sender.address,
        "to": [{"email": parts_.to, "type": "to"}],
        "subject": mail.subject,
        "text": mail.text,
        "headers": headers,
        "metadata": metadata(mail, LONGEST_KEY),
        "merge": False,  # what looks like a merge tag in the mail is text
    }
    if parts_.sender.name:
        said["from_name"] = parts_.sender.name
    if mail.html is not None:
        said["html"] = mail.html
    if parts_.files:
        said["attachments"] = [{"name": each.name, "type": each.type, "content": each.content} for each in parts_.files]
    return said


def _outcome(said: Mapping[str, Any]) -> Accepted:
    """What became of the one recipient, who may be refused in an answer that says 200."""
    status, reason = word(said.get("status")), word(said.get("reject_reason"))
    if status in TAKEN:
        return Accepted(word(said.get("_id")))
    if reason in NOT_FOR_US:
        raise Unavailable(f"Mandrill refused the sender: {reason}", TROUBLE_WAIT)
    raise Rejected(reason or status or "rejected", f"Mandrill says that the recipient is {status}")


def _refusal(answer: Answer) -> DeliveryError:
    said = document(answer)
    name, sentence = word(said.get("name")), word(said.get("message"))
    if name in ABOUT_US or name == CLOSED:
        return Unavailable(f"Mandrill: {name}: {sentence}", BUSY_WAIT if name == CLOSED else TROUBLE_WAIT)
    if name == ABOUT_MAIL:
        return Rejected(name, sentence)
    return refusal("Mandrill", answer, name, sentence)


# ── feedback ─────────────────────────────────────────────────────────────────────────────────────────────────

SIGNATURE: Final = "x-mandrill-signature"
FIELD: Final = "mandrill_events"
MOST_FIELDS: Final = 20
TYPES: Final[Mapping[str, str]] = {
    "send": "email.sent",
    "deferral": "email.deferred",
    "delivered": "email.delivered",
    "hard_bounce": "email.bounced",
    "soft_bounce": "email.bounced",
    "reject": "email.dropped",
    "open": "email.opened",
    "click": "email.clicked",
    "spam": "email.complained",
    "unsub": "email.unsubscribed",
}
KINDS: Final[Mapping[str, str]] = {"hard_bounce": "hard", "soft_bounce": "soft"}
INBOUND: Final = "inbound"
LONGEST_MAIL: Final = 50_000_000
"""Characters of a mail that came in."""
LISTS: Final = frozenset({"whitelist", "blacklist", "allowlist", "denylist"})
"""Types of events about Mandrill's own lists."""
PROPERTIES: Final[Mapping[str, tuple[str, ...]]] = {
    "url": ("url",),
    "reason": ("msg", "bounce_description"),
    "response": ("msg", "diag"),
    "categories": ("msg", "tags"),
}


@dataclass(frozen=True, slots=True)
class Feedback:
    """Mailchimp Transactional as a source of e-mail events.

    Attributes:
        webhook_keys: of the webhooks that post here. Mandrill shows a key only after it has tried the address, so
            without one only empty deliveries pass.
        webhook_url: the address as it was entered at Mandrill; empty for the one that was posted to.
    """

    webhook_keys: tuple[str, ...] = field(default=(), repr=False)
    webhook_url: str = ""

    def __post_init__(self) -> None:
        """Check the settings."""
        for key in self.webhook_keys:
            check_token(key, "webhook_keys")
        if self.webhook_url:
            check_url(self.webhook_url, "webhook_url")

    def verify(self, request: Request) -> None:
        """Check the signature over the address and the fields of the form."""
        try:
            fields = _fields(request.body)
        except Malformed as error:
            raise BadSignature("the body is no form.") from error
        if fields == [(FIELD, "[]")]:
            return  # how Mandrill tries the address; there is nothing in it to believe
        url = self.webhook_url or request.url
        signed = url + "".join(name + value for name, value in sorted(fields))
        given = request.headers.get(SIGNATURE, "").encode(errors="replace")
        for key in self.webhook_keys:
            made = base64.b64encode(hmac.digest(key.encode(), signed.encode(errors="replace"), "sha1"))
            if hmac.compare_digest(made, given):
                return
        raise BadSignature(
            f"{SIGNATURE} does not match; check WEBHOOK_KEYS, and that WEBHOOK_URL is the address as Mandrill has it."
        )

    def normalise(self, request: Request) -> Iterator[Incoming | Unreadable | Ignored]:
        """The events of one batch."""
        written = _events(request.body)
        batch = parse_json(written)
        if not isinstance(batch, list):
            raise Malformed(f"{FIELD} is {kind_of(batch)}, Mandrill sends a list of events.")
        received_at = request.received_at
        return read_each(batch, lambda part, own, _place: _read(part, own, received_at), written)

    def read_part(self, request: Request, place: int) -> Incoming | Unreadable | Ignored:
        """One event of a batch, which is the body alone."""
        return read_part(request.body, place, lambda part, own, _: _read(part, own, request.received_at))


def _fields(body: bytes) -> list[tuple[str, str]]:
    """The fields of a form.

    Raises:
        Malformed: it is none.
    """
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise Malformed("the body is no form.") from error


def _events(body: bytes) -> bytes:
    """The JSON in a delivery; a delivery that was set aside as a whole is that JSON."""
    if body.startswith(b"["):
        return body
    return dict(_fields(body)).get(FIELD, "").encode(errors="replace")


def _read(part: Any, own: bytes, received_at: datetime) -> Incoming | Ignored:
    event = mapping(part, "the event")
    name = event.get("event")
    if name == INBOUND:
        return _letter(mapping(event.get("msg"), "msg"), own, received_at)
    if name is None and isinstance(event.get("type"), str) and event["type"] in LISTS:
        return Ignored("account-event")
    if not isinstance(name, str) or name not in TYPES:
        raise Unusable("unknown-type", "event is none of Mandrill's event types known here.")
    message = mapping(event.get("msg"), "msg")
    return Incoming(
        event_id=digest(event.get("_id"), name, event.get("ts"), event.get("url"), message.get("email")),
        type=TYPES[name],
        occurred_at=occurred_at(event.get("ts"), received_at, "ts"),
        identities=(email_identity(message.get("email"), "msg.email"),),
        properties=_properties(name, event),
        payload=own,
    )


def _letter(message: Mapping[str, Any], own: bytes, received_at: datetime) -> Incoming | Ignored:
    """A mail that came in."""
    raw = text(message.get("raw_msg"), "msg.raw_msg", LONGEST_MAIL, "no-identity").encode(errors="replace")
    made = read(raw, received_at)
    if isinstance(made, Unreadable):
        raise Unusable(made.reason, made.detail)
    return replace(made, payload=own) if isinstance(made, Incoming) else made


def _properties(name: str, event: Mapping[str, Any]) -> dict[str, Any]:
    found = {ours: plain(value, ours) for ours, path in PROPERTIES.items() if (value := at_path(event, path))}
    if name in KINDS:
        found["kind"] = KINDS[name]
    return found | told(at_path(event, ("msg", "metadata")))
