"""Mailgun: e-mail over its Messages API, and what became of it by its webhooks.

To set it up: the sending domain and an API key (of the account, or a sending key of the domain) go into
`DRIPLINE_MAILGUN_DOMAIN` and `DRIPLINE_MAILGUN_API_KEY`; for a domain in the European Union also set
`DRIPLINE_MAILGUN_BASE_URL=https://api.eu.mailgun.net`. For the events: Send, Webhooks, one for each kind, all to
`https://…/hooks/mailgun`; the *HTTP webhook signing key*, which is not the API key, goes into
`DRIPLINE_MAILGUN_SIGNING_KEY`. To hear of answers, let them go to an address of the domain (`reply_to` in the front
matter of mails), and make a route for it (Receiving, Routes) with the action
`forward("https://…/hooks/mailgun")`; its posts are signed with the same key.

Mailgun takes no idempotency key. Our key goes out as a user variable and stands in every event; whether Mailgun has
taken a mail is asked from its event log. Several mails in one call get one answer for all of them, so each is a call.

What Mailgun signs is a time and a token, not the event beside them: who got hold of one such pair could put another
event to it. So a pair counts for `tolerance` only, which covers Mailgun's own tries, and this process takes none for a
second event. Use https.

A failure that Mailgun calls temporary is a delay, not a bounce: it tries again by itself, and says in the end whether
that was of any use.

Facts: documentation.mailgun.com/docs/mailgun/api-reference, .../user-manual/webhooks/securing-webhooks, and
.../user-manual/events/event-structure.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, Final

from urllib3.filepost import encode_multipart_formdata

from integrations.contracts import Accepted, Ignored, Incoming
from integrations.exceptions import BadSignature, ConfigurationError, Malformed, Rejected, Unavailable, Unusable
from integrations.forms import fields, is_form
from integrations.mime import build
from integrations.posting import TROUBLE_WAIT, among, document, metadata, refusal, told, utc_now, word
from integrations.reading import (
    at_path,
    email_identity,
    kind_of,
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
    from collections.abc import Callable, Iterator, Mapping

    from integrations.contracts import Mail, Request, Trace, Unreadable
    from integrations.exceptions import DeliveryError
    from integrations.transport import Answer

# ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────

LONGEST_KEY: Final = 1000
"""Characters of our key; variables, options and headers may have 16 kB in all."""
WRONG_PLACE: Final = b"Mailgun Magnificent API"
"""What every address of the API answers that leads nowhere, with status 200."""
LOOKED_THROUGH: Final = 300
"""Events about one recipient that one question returns."""
LATE: Final = timedelta(minutes=30)
"""How far in the log a mail may stand before the time that we know of it: clocks differ."""


@dataclass(frozen=True, slots=True)
class Adapter(OverHttp):
    """Mailgun's Messages API.

    Attributes:
        api_key: of the account, or a sending key of the domain (which cannot look up unclear mails).
        domain: the sending domain.
        base_url: `https://api.eu.mailgun.net` for a domain in the European Union.
        clock: for the `Date` header.
    """

    takes_key: ClassVar[bool] = False
    findable_after: ClassVar[timedelta] = timedelta(hours=1)

    api_key: str = field(repr=False)
    domain: str
    base_url: str = "https://api.mailgun.net"
    clock: Callable[[], datetime] = field(default=utc_now, repr=False)

    def __post_init__(self) -> None:
        """Check the settings."""
        check_token(self.api_key, "api_key")
        if not re.fullmatch(r"[A-Za-z0-9.-]+", self.domain):
            raise ConfigurationError(
                f"is '{self.domain}'; write the sending domain, such as mg.acme.example.", "domain"
            )
        login = base64.b64encode(f"api:{self.api_key}".encode()).decode()
        self.connect(self.base_url, {"authorization": f"Basic {login}"})

    def send(self, mail: Mail) -> Accepted:
        """Hand over one mail as a finished message; the reference is its Message-ID.

        Raises:
            Rejected: Mailgun refused the mail, or its own headers are unusable.
            Unavailable: a limit, or a refusal that is about the account, the API key or the domain.
            Unknown: raised by the transport, or Mailgun answered 5xx.
        """
        letter = build(mail, self.clock())
        if letter.international:
            raise Rejected("no-smtputf8", "Mailgun takes no addresses with characters beyond ASCII before the @.")
        fields: list[tuple[str, Any]] = [("to", letter.to)]
        fields += [(f"v:{name}", value) for name, value in metadata(mail, LONGEST_KEY).items()]
        fields.append(("message", ("message.eml", letter.data, "message/rfc822")))
        body, content_type = encode_multipart_formdata(fields)
        answer = self._http.send(
            "POST", f"/v3/{self.domain}/messages.mime", body, headers={"content-type": content_type}
        )
        ref = word(document(answer).get("id")).strip("<>")
        if answer.status == HTTPStatus.OK and ref:
            return Accepted(ref)
        raise _refusal(answer)

    def find(self, trace: Trace) -> Accepted | None:
        """The mail's Message-ID, from the events about its recipient.

        Raises:
            DeliveryError: no answer, or there are more events than can be looked through.
        """
        begin = str(int((trace.since - LATE).timestamp()))
        query = {"recipient": trace.to, "begin": begin, "ascending": "yes", "limit": str(LOOKED_THROUGH)}
        answer = self._http.send("GET", f"/v3/{self.domain}/events", query=query)
        events = document(answer).get("items")
        if answer.status != HTTPStatus.OK or not isinstance(events, list):
            raise _refusal(answer)
        ref = ("message", "headers", "message-id")
        return among(events, trace, "Mailgun", about=("user-variables",), ref=ref, most=LOOKED_THROUGH)


def _refusal(answer: Answer) -> DeliveryError:
    if answer.body.startswith(WRONG_PLACE):
        return Unavailable("this is no address of Mailgun's API; check BASE_URL and DOMAIN", TROUBLE_WAIT)
    return refusal("Mailgun", answer, "", word(document(answer).get("message")))


# ── feedback ─────────────────────────────────────────────────────────────────────────────────────────────────

HEADERS: Final = "message-headers"
"""The field of a routed mail that holds all its headers."""
REMEMBERED: Final = 100_000
"""Tokens that a process remembers."""
TYPES: Final[Mapping[str, str]] = {
    "accepted": "email.sent",
    "delivered": "email.delivered",
    "opened": "email.opened",
    "clicked": "email.clicked",
    "complained": "email.complained",
    "unsubscribed": "email.unsubscribed",
    "rejected": "email.dropped",
}
FAILED: Final = "failed"
INBOUND: Final = "stored"
"""A mail that came in by a route."""
SUPPRESSED: Final = "suppress-"
"""How the reason begins where Mailgun did not even try, because of its own list."""
BOUNCE: Final = "bounce"
"""The reason where the recipient's server said that there is no such address."""
PROPERTIES: Final[Mapping[str, tuple[str, ...]]] = {
    "url": ("url",),
    "reason": ("reason",),
    "status": ("delivery-status", "enhanced-code"),
    "response": ("delivery-status", "message"),
    "attempt": ("delivery-status", "attempt-no"),
    "message_id": ("message", "headers", "message-id"),
    "categories": ("tags",),
}
"""Our names, and where Mailgun has it."""


class Seen:
    """Tokens and the ids of the events that came with them; the oldest are forgotten. Threads may share it."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, str] = OrderedDict()
        self._lock = Lock()

    def first(self, token: str, event_id: str) -> bool:
        """True if the token is new, or came with the same event before (a repeated delivery)."""
        with self._lock:
            known = self._seen.setdefault(token[:100], event_id)
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
        return known == event_id


@dataclass(frozen=True, slots=True)
class Feedback:
    """Mailgun as a source of e-mail events.

    Attributes:
        signing_key: the HTTP webhook signing key, which is not the API key.
        previous_signing_key: still accepted while the key is being replaced.
        tolerance: how long a signature counts. Mailgun tries a delivery for eight hours, and does not say whether it
            signs a later try anew.
    """

    signing_key: str = field(repr=False)
    previous_signing_key: str = field(default="", repr=False)
    tolerance: timedelta = timedelta(hours=9)
    _keys: tuple[bytes, ...] = field(init=False, repr=False, compare=False)
    _seen: Seen = field(init=False, repr=False, compare=False, default_factory=Seen)

    def __post_init__(self) -> None:
        """Check the settings."""
        for name in ("signing_key", "previous_signing_key"):
            check_token(getattr(self, name), name)
        keys = (self.signing_key, self.previous_signing_key)
        object.__setattr__(self, "_keys", tuple(key.encode() for key in keys if key))

    def verify(self, request: Request) -> None:
        """Check the signature over time and token, and that the token is not used for a second event."""
        try:
            body = _routed(request) if is_form(request) else parse_json(request.body)
        except Malformed as error:
            raise BadSignature("the body is no event of Mailgun's.") from error
        timestamp, token, signature = (_signed(body, name) for name in ("timestamp", "token", "signature"))
        _check_age(timestamp, request.received_at, self.tolerance)
        signed = (timestamp + token).encode(errors="replace")
        given = signature.encode(errors="replace")
        if not any(hmac.compare_digest(hmac.digest(key, signed, "sha256").hex().encode(), given) for key in self._keys):
            raise BadSignature("the signature does not match; check the HTTP webhook signing key.")
        if not self._seen.first(token, repr(at_path(body, ("event-data", "id")))[:300]):
            raise BadSignature("the token was used for another event already.")

    def normalise(self, request: Request) -> Iterator[Incoming | Unreadable | Ignored]:
        """The one event of a delivery."""
        if is_form(request):
            yield _letter(request)
            return
        body = parse_json(request.body)
        yield read_single(body, lambda part, own, _: _read(part, own, request.received_at), request.body)


def _routed(request: Request) -> dict[str, Any]:
    """What is signed of a mail that a route has posted, as it stands in an event."""
    given = fields(request)
    signature = {name: given.get(name, b"").decode(errors="replace") for name in ("timestamp", "token", "signature")}
    return {"signature": signature, "event-data": {"id": hashlib.blake2b(request.body, digest_size=16).hexdigest()}}


def _letter(request: Request) -> Incoming | Unreadable | Ignored:
    """A mail that a route has posted: whole, where the route's address ends with `mime`, else its headers."""
    given = fields(request)
    if raw := given.get("body-mime"):
        return read_by_webhook(message_from_bytes(raw), request, b"{}")
    headers = parse_json(given.get(HEADERS, b""))
    if not isinstance(headers, list):
        raise Malformed(f"{HEADERS} is {kind_of(headers)}, Mailgun sends a list.")
    pairs = [(each[0], each[1]) for each in headers if isinstance(each, list) and len(each) > 1]
    return read_by_webhook(of_headers(pairs), request, given[HEADERS])


def _signed(body: Any, name: str) -> str:
    value = at_path(body, ("signature", name))
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value:
        raise BadSignature(f"signature.{name} is missing.")
    return value


def _check_age(timestamp: str, received_at: datetime, tolerance: timedelta) -> None:
    if not re.fullmatch(r"[0-9]{1,11}", timestamp):
        raise BadSignature("signature.timestamp is no number of seconds.")
    if abs(received_at - datetime.fromtimestamp(int(timestamp), UTC)) > tolerance:
        raise BadSignature(f"signature.timestamp is more than {tolerance.total_seconds():.0f} seconds off.")


def _read(part: Any, own: bytes, received_at: datetime) -> Incoming | Ignored:
    event = mapping(mapping(part, "the body").get("event-data"), "event-data")
    name, at = event.get("event"), occurred_at(event.get("timestamp"), received_at, "timestamp")
    if name == INBOUND:
        return Ignored("inbound")
    if not isinstance(name, str) or (name not in TYPES and name != FAILED):
        raise Unusable("unknown-type", "event is none of Mailgun's event types known here.")
    found = {ours: plain(value, ours) for ours, path in PROPERTIES.items() if (value := at_path(event, path))}
    type_ = _failure(event, found) if name == FAILED else TYPES[name]
    if isinstance(bot := at_path(event, ("client-info", "bot")), str):
        found["machine"] = bool(bot)
    given = text(event.get("id"), "id", 200, "no-event-id")
    return Incoming(
        event_id=f"{at:%Y-%m-%d}:{given}",  # Mailgun promises an id to be unique within a day
        type=type_,
        occurred_at=at,
        identities=(email_identity(event.get("recipient"), "recipient"),),
        properties=found | told(event.get("user-variables")),
        payload=own,
    )


def _failure(event: Mapping[str, Any], found: dict[str, Any]) -> str:
    """What kind of failure it is; that of a bounce is put into `found`."""
    reason = event.get("reason")
    if event.get("severity") != "permanent":
        return "email.deferred"
    if isinstance(reason, str) and reason.startswith(SUPPRESSED):
        return "email.dropped"
    found["kind"] = "hard" if reason == BOUNCE else "soft"
    return "email.bounced"
