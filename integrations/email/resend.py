"""Resend: e-mail over its API, and what became of it by its webhooks.

To set it up: an API key with *Sending access* goes into `DRIPLINE_RESEND_API_KEY`; the sender's domain has to be
verified (Domains). For the events: Webhooks, all events of e-mail, to `https://…/hooks/resend`; its signing secret goes
into `DRIPLINE_RESEND_SIGNING_SECRET`.

Resend takes our key as idempotency key and remembers it for 24 hours, so a mail of unknown outcome is simply sent again
within that time. The key also goes out as a tag and stands in every event. Many mails in one call would have one
idempotency key, which only the very same call could use again; so each mail is a call.

Facts: resend.com/docs/api-reference/emails/send-email, .../dashboard/emails/idempotency-keys, .../webhooks/event-types,
and .../webhooks/retries-and-replays.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parseaddr
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final

from integrations.contracts import Accepted, Ignored, Incoming
from integrations.exceptions import Unknown, Unusable
from integrations.posting import Parts, document, metadata, parts, refusal, told, utc_now, word
from integrations.reading import at_path, email_identity, mapping, occurred_at, parse_json, plain, read_single, text
from integrations.signatures import SVIX, standard_secret, verify
from integrations.transport import OverHttp, check_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from integrations.contracts import Mail, Request, Unreadable
    from integrations.exceptions import DeliveryError
    from integrations.transport import Answer

# ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────

SEND: Final = "/emails"
LONGEST_KEY: Final = 256
"""Characters of an idempotency key, and of a tag's value: letters, digits, `-` and `_`."""
ABOUT_US: Final = frozenset({
    "invalid_from_address", "invalid_access", "missing_api_key", "restricted_api_key", "invalid_api_key", "not_found",
})  # fmt: skip
OTHER_CONTENT: Final = "invalid_idempotent_request"
"""The key was used before, and the mail did not read like this one."""
QUOTAS: Final = frozenset({"daily_quota_exceeded", "monthly_quota_exceeded"})
QUOTA_WAIT: Final = timedelta(hours=1)
"""Resend does not say when a quota ends: look every hour."""
OWN_HEADERS: Final = frozenset({"message-id"})
"""Headers that Resend writes by itself."""


@dataclass(frozen=True, slots=True)
class Adapter(OverHttp):
    """Resend's API.

    Attributes:
        api_key: with sending access.
        base_url: another address for tests.
        clock: for checks of the mail only.
    """

    takes_key: ClassVar[bool] = True
    key_kept: ClassVar[timedelta] = timedelta(hours=23)

    api_key: str = field(repr=False)
    base_url: str = "https://api.resend.com"
    clock: Callable[[], datetime] = field(default=utc_now, repr=False)

    def __post_init__(self) -> None:
        """Check the settings."""
        check_token(self.api_key, "api_key")
        self.connect(self.base_url, {"authorization": f"Bearer {self.api_key}"})

    def send(self, mail: Mail) -> Accepted:
        """Hand over one mail; the reference is Resend's id.

        Raises:
            Rejected: Resend refused the mail, or its own headers are unusable.
            Unavailable: a limit, or a refusal that is about the account, the API key or the sender.
            Unknown: raised by the transport; Resend answered 5xx; or it knows the key with another content, so that an
                earlier try may have arrived.
        """
        said = content(mail, parts(mail, self.clock()))
        answer = self._http.send("POST", SEND, said, headers={"idempotency-key": idempotency_key(mail)})
        ref = word(document(answer).get("id"))
        if answer.status == HTTPStatus.OK and ref:
            return Accepted(ref)
        raise _refusal(answer)


def idempotency_key(mail: Mail) -> str:
    """The mail's key where a header can hold it, else the name of the mail, which is made of the key."""
    fits = mail.key.isascii() and mail.key.isprintable() and 0 < len(mail.key) <= LONGEST_KEY
    return mail.key if fits and mail.key == mail.key.strip() else mail.message_id.partition("@")[0]


def content(mail: Mail, parts_: Parts) -> dict[str, Any]:
    """The mail in Resend's words."""
    tags = metadata(mail, LONGEST_KEY, armour=True)
    said: dict[str, Any] = {
        "from": str(parts_.sender),
        "to": [parts_.to],
        "subject": mail.subject,
        "text": mail.text,
        "headers": {name: value for name, value in parts_.headers.items() if name.lower() not in OWN_HEADERS},
        "tags": [{"name": name, "value": value} for name, value in tags.items()],
    }
    if mail.html is not None:
        said["html"] = mail.html
    if parts_.reply_to:
        said["reply_to"] = [str(parts_.reply_to)]
    if parts_.files:
        said["attachments"] = [
            {"filename": each.name, "content": each.content, "content_type": each.type} for each in parts_.files
        ]
    return said


def _refusal(answer: Answer) -> DeliveryError:
    said = document(answer)
    name, sentence = word(said.get("name")), word(said.get("message"))
    if name == OTHER_CONTENT:
        return Unknown(f"Resend knows this key with another content, so an earlier try may have arrived: {sentence}")
    wait = QUOTA_WAIT if name in QUOTAS else None
    return refusal("Resend", answer, name, sentence, about_us=ABOUT_US, wait=wait)


# ── feedback ─────────────────────────────────────────────────────────────────────────────────────────────────

TYPES: Final[Mapping[str, str]] = {
    "email.sent": "email.sent",
    "email.delivered": "email.delivered",
    "email.delivery_delayed": "email.deferred",
    "email.bounced": "email.bounced",
    "email.complained": "email.complained",
    "email.opened": "email.opened",
    "email.clicked": "email.clicked",
    "email.failed": "email.dropped",
    "email.suppressed": "email.dropped",
}
NOT_WANTED: Final[Mapping[str, str]] = {
    "email.scheduled": "scheduled", "email.received": "inbound", "contact": "account-event", "domain": "account-event",
}  # fmt: skip
"""By type, or what stands before its dot: the reason for which it is passed over."""
PROPERTIES: Final[Mapping[str, tuple[str, ...]]] = {
    "url": ("click", "link"),
    "reason": ("bounce", "subType"),
    "response": ("bounce", "message"),
}
MORE_REASONS: Final = (("failed", "reason"), ("suppressed", "message"))


@dataclass(frozen=True, slots=True)
class Feedback:
    """Resend as a source of e-mail events.

    Attributes:
        signing_secret: `whsec_…`, as the webhook shows it.
        previous_signing_secret: still accepted while the secret is being replaced.
    """

    signing_secret: str = field(repr=False)
    previous_signing_secret: str = field(default="", repr=False)
    _secrets: tuple[bytes, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Decode the secrets."""
        secrets = [standard_secret(self.signing_secret, "signing_secret")]
        if self.previous_signing_secret:
            secrets.append(standard_secret(self.previous_signing_secret, "previous_signing_secret"))
        object.__setattr__(self, "_secrets", tuple(secrets))

    def verify(self, request: Request) -> None:
        """Check id, timestamp and signature."""
        verify(SVIX, self._secrets, request)

    def normalise(self, request: Request) -> Iterator[Incoming | Unreadable | Ignored]:
        """The one event of a delivery; it is called by the delivery's id, which stays the same in every try."""
        body, event_id = parse_json(request.body), request.headers.get(SVIX.id_header)
        yield read_single(body, lambda part, own, _: _read(part, own, event_id, request.received_at), request.body)


def _read(part: Any, own: bytes, event_id: str | None, received_at: datetime) -> Incoming | Ignored:
    event = mapping(part, "the body")
    name = event.get("type")
    if isinstance(name, str) and (reason := NOT_WANTED.get(name) or NOT_WANTED.get(name.partition(".")[0])):
        return Ignored(reason)
    if not isinstance(name, str) or name not in TYPES:
        raise Unusable("unknown-type", "type is none of Resend's event types known here.")
    data = mapping(event.get("data"), "data")
    return Incoming(
        event_id=text(event_id, "svix-id", 200, "no-event-id"),
        type=TYPES[name],
        occurred_at=occurred_at(event.get("created_at"), received_at, "created_at"),
        identities=(email_identity(_recipient(data), "data.to"),),
        properties=_properties(name, data),
        payload=own,
    )


def _recipient(data: Mapping[str, Any]) -> Any:
    """The one recipient: of several, an event does not say whom it is about."""
    to = data.get("to")
    if isinstance(to, list) and len(to) > 1:
        raise Unusable("several-recipients", "data.to names several people, and Resend does not say which it was.")
    only = to[0] if isinstance(to, list) and to else to
    return parseaddr(only)[1] if isinstance(only, str) and "<" in only else only


def _properties(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    found = {ours: plain(value, ours) for ours, path in PROPERTIES.items() if (value := at_path(data, path))}
    for path in MORE_REASONS:
        if value := at_path(data, path):
            found["reason"] = plain(value, "reason")
    if name == "email.bounced":
        found["kind"] = "hard" if at_path(data, ("bounce", "type")) == "Permanent" else "soft"
    tags = data.get("tags")
    if isinstance(tags, list):  # as they were sent; events have them as an object
        tags = {str(each.get("name")): each.get("value") for each in tags if isinstance(each, dict)}
    return found | told(tags, armour=True)
