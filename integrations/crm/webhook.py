"""A signed webhook to any receiver: opportunities as JSON, signed as Standard Webhooks 1.0.0 says.

The header `webhook-id` is made of the promotion's key and is the same for every try. A receiver has to drop an id that
it has seen, as the standard asks; then sending again after an unknown outcome creates nothing twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, ClassVar, Final

import orjson

from integrations.contracts import Accepted
from integrations.exceptions import Rejected, Unavailable
from integrations.signatures import STANDARD_WEBHOOKS, sign, standard_secret
from integrations.transport import Answer, Http, check_url, host_of, retry_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from integrations.contracts import Promotion

EVENT: Final = "opportunity.created"
LATER: Final = frozenset({408, 425, 429})
"""Refusals that are about the moment; with every 5xx."""
SAYING: Final = 200
"""Characters of the receiver's own words that are kept."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Adapter:
    """A receiver of signed webhooks.

    Attributes:
        url: where to post.
        secret: `whsec_…`, shared with the receiver.
        previous_secret: signed with as well while the secret is being replaced; a receiver accepts either signature.
        connect_timeout, read_timeout: seconds; receivers should answer within 15.
        clock: for the signed timestamp.
    """

    takes_key: ClassVar[bool] = True

    url: str
    secret: str = field(repr=False)
    previous_secret: str = field(default="", repr=False)
    connect_timeout: float = 5.0
    read_timeout: float = 20.0
    clock: Callable[[], datetime] = field(default=_utc_now, repr=False)
    _secrets: tuple[bytes, ...] = field(init=False, repr=False, compare=False)
    _http: Http = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the settings."""
        check_url(self.url, "url")
        secrets = [standard_secret(self.secret, "secret")]
        if self.previous_secret:
            secrets.append(standard_secret(self.previous_secret, "previous_secret"))
        object.__setattr__(self, "_secrets", tuple(secrets))
        http = Http(self.url, connect_timeout=self.connect_timeout, read_timeout=self.read_timeout)
        object.__setattr__(self, "_http", http)

    def promote(self, promotion: Promotion) -> Accepted:
        """Post the promotion; the reference is the `webhook-id`.

        Raises:
            Rejected: 410, any other 4xx, or a redirect.
            Unavailable: no connection, 408, 425, 429, or 5xx, which the standard asks us to repeat.
            Unknown: raised by the transport.
        """
        message_id = webhook_id(promotion.key)
        body = orjson.dumps({"type": EVENT, "data": payload(promotion)})
        answer = self._http.send("POST", "", body, headers=self._signed(message_id, body))
        if 200 <= answer.status < 300:  # noqa: PLR2004  (any 2xx)
            return Accepted(message_id)
        raise _refusal(answer, host_of(self.url), self.clock())

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _signed(self, message_id: str, body: bytes) -> dict[str, str]:
        scheme = STANDARD_WEBHOOKS
        now = str(int(self.clock().timestamp()))
        signatures = (sign(scheme, each, body, message_id=message_id, timestamp=now) for each in self._secrets)
        return {
            "content-type": "application/json",
            scheme.id_header: message_id,
            scheme.timestamp_header: now,
            scheme.signature_header: scheme.separator.join(signatures),
        }


def webhook_id(key: str) -> str:
    """The `webhook-id` of a promotion: made of its key alone."""
    return "msg_" + blake2b(key.encode(), digest_size=16).hexdigest()


def payload(promotion: Promotion) -> dict[str, Any]:
    """What the receiver gets; money as text, dates as ISO 8601, unknown as empty text or null."""
    person = promotion.person
    return {
        "key": promotion.key,
        "person": {
            "email": person.email,
            "first_name": person.first_name,
            "last_name": person.last_name,
            "phone": person.phone,
            "title": person.title,
            "company": person.company,
        },
        "name": promotion.name,
        "pipeline": promotion.pipeline,
        "stage": promotion.stage,
        "amount": None if promotion.amount is None else f"{promotion.amount:f}",
        "currency": promotion.currency,
        "close_on": None if promotion.close_on is None else promotion.close_on.isoformat(),
        "owner": promotion.owner,
        "note": promotion.note,
    }


def _refusal(answer: Answer, host: str, now: datetime) -> Rejected | Unavailable:
    said = answer.body[:SAYING].decode(errors="replace")
    if answer.status in LATER or answer.status >= 500:  # noqa: PLR2004  (any 5xx)
        return Unavailable(f"{host} answered {answer.status}: {said}", retry_after(answer, now))
    if 300 <= answer.status < 400:  # noqa: PLR2004  (any 3xx)
        said = f"redirects are not followed; set URL to {answer.headers.get('location', 'the new address')}"
    return Rejected(str(answer.status), said)
