"""A signed webhook to any receiver: opportunities as JSON, signed as Standard Webhooks 1.0.0 says.

The header `webhook-id` is made of the promotion's key and is the same for every try. A receiver has to drop an id that
it has seen, as the standard asks; then sending again after an unknown outcome creates nothing twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

import orjson

from integrations.contracts import Accepted
from integrations.posting import utc_now, webhook_refusal
from integrations.signatures import standard_headers, standard_secret, webhook_id
from integrations.transport import Http, check_url, host_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from integrations.contracts import Promotion

EVENT: Final = "opportunity.created"


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
    clock: Callable[[], datetime] = field(default=utc_now, repr=False)
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
        headers = standard_headers(self._secrets, message_id, body, self.clock())
        answer = self._http.send("POST", "", body, headers=headers)
        if 200 <= answer.status < 300:  # noqa: PLR2004  (any 2xx)
            return Accepted(message_id)
        raise webhook_refusal(answer, host_of(self.url), self.clock(), repeatable=True)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


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
