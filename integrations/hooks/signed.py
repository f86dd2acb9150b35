"""A signed webhook to any receiver: JSON, signed as Standard Webhooks 1.0.0 says.

The header `webhook-id` is made of the effect's key and is the same for every try. A receiver has to drop an id that it
has seen, as the standard asks; then sending again after an unknown outcome does nothing twice. For one that does not,
set `takes_key` to false: what is unclear is then left to a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from integrations.webhooks import SignedWebhook

if TYPE_CHECKING:
    from integrations.contracts import Accepted, Message


@dataclass(frozen=True, slots=True)
class Adapter(SignedWebhook):
    """A receiver of signed webhooks.

    Attributes:
        takes_key: whether the receiver drops a `webhook-id` that it has seen.
    """

    takes_key: bool = True

    def post(self, message: Message) -> Accepted:
        """Post it; see `post_signed`."""
        return self.post_signed(message.key, orjson.dumps(message.payload), repeatable=self.takes_key)
