"""A signed webhook to any receiver: opportunities as JSON, signed as Standard Webhooks 1.0.0 says.

The header `webhook-id` is made of the promotion's key and is the same for every try. A receiver has to drop an id that
it has seen, as the standard asks; then sending again after an unknown outcome creates nothing twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import orjson

from integrations.webhooks import SignedWebhook

if TYPE_CHECKING:
    from integrations.contracts import Accepted, Promotion

EVENT: Final = "opportunity.created"


@dataclass(frozen=True, slots=True)
class Adapter(SignedWebhook):
    """A receiver of signed webhooks that promises, as the standard asks, to drop an id that it has seen."""

    takes_key: ClassVar[bool] = True

    def promote(self, promotion: Promotion) -> Accepted:
        """Post the promotion; see `post_signed`."""
        body = orjson.dumps({"type": EVENT, "data": payload(promotion)})
        return self.post_signed(promotion.key, body, repeatable=True)


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
