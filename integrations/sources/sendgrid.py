"""SendGrid Event Webhook: what became of e-mail, in batches.

Signed with ECDSA over timestamp and raw body. There is no limit to the timestamp's age: SendGrid tries a delivery for
24 hours and does not say whether a later try is signed anew; a replay is stopped by the event ids.

Options in the rule file:

- `custom_args`: custom arguments of the sent mail that become event properties (`{experiment: variant}`).

Facts: twilio.com/docs/sendgrid/for-developers/tracking-events/event, and
.../getting-started-event-webhook-security-features.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from integrations.contracts import Ignored, Incoming
from integrations.exceptions import BadSignature, Malformed, Unusable
from integrations.options import check_keys, table_option
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

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    from integrations.contracts import Request, Unreadable

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
ACCOUNT_EVENTS: Final = "account_status_change"
"""About our account with SendGrid, not about a person."""

PROPERTIES: Final[Mapping[str, str]] = {
    "url": "url",
    "reason": "reason",
    "status": "status",
    "response": "response",
    "attempt": "attempt",
    "asm_group_id": "group",
    "dripline_key": "message_key",
    "dripline_campaign": "campaign",
    "dripline_step": "step",
}
"""Members of an event, custom arguments among them (SendGrid merges them in flat), and our names for them."""

MAKES_ONE: Final = ("sg_message_id", "smtp-id", "email", "event", "timestamp", "url", "reason", "asm_group_id")
"""What makes an event one where SendGrid gives no id: some `dropped` events have none."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """SendGrid as a source of e-mail events.

    Attributes:
        verification_key: the public key from Settings, Mail Settings, Event Webhooks.
        previous_verification_key: still accepted while the key is being replaced.
    """

    verification_key: str
    previous_verification_key: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    _keys: tuple[EllipticCurvePublicKey, ...] = field(init=False, repr=False, compare=False)
    _properties: tuple[tuple[str, str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Parse the keys once, and check the options."""
        keys = [ecdsa_key(self.verification_key, "verification_key")]
        if self.previous_verification_key:
            keys.append(ecdsa_key(self.previous_verification_key, "previous_verification_key"))
        object.__setattr__(self, "_keys", tuple(keys))
        object.__setattr__(self, "_properties", self.read_options(self.options))

    @staticmethod
    def read_options(options: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        """Their names of members and ours, by the options."""
        own = table_option(check_keys(options, ("custom_args",), "sendgrid"), "custom_args", "experiment: variant")
        return tuple({**PROPERTIES, **own}.items())

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
        return Incoming(
            event_id=_event_id(event),
            type=TYPES[name],
            occurred_at=occurred_at(event.get("timestamp"), received_at, "timestamp"),
            identities=(email_identity(event.get("email"), "email"),),
            properties=self._read_properties(name, event),
            payload=own,
        )

    def _read_properties(self, name: str, event: dict[str, Any]) -> dict[str, Any]:
        found = {ours: plain(event[theirs], theirs) for theirs, ours in self._properties if theirs in event}
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
