"""What every sender of signed webhooks shares: Standard Webhooks 1.0.0, posted over HTTP.

The header `webhook-id` is made of an effect's key and is the same for every try. A receiver has to drop an id that it
has seen, as the standard asks; then sending again after an unknown outcome does nothing twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from integrations.contracts import Accepted
from integrations.posting import utc_now, webhook_refusal
from integrations.signatures import standard_headers, standard_secret, webhook_id
from integrations.transport import OverHttp, check_url, host_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class SignedWebhook(OverHttp):
    """A receiver of signed webhooks.

    Attributes:
        url: where to post.
        secret: `whsec_…`, shared with the receiver.
        previous_secret: signed with as well while the secret is being replaced; a receiver accepts either signature.
        read_timeout: seconds, for every single read; receivers should answer within 15.
        clock: for the signed timestamp.
    """

    url: str
    secret: str = field(repr=False)
    previous_secret: str = field(default="", repr=False)
    read_timeout: float = field(default=20.0, kw_only=True)
    clock: Callable[[], datetime] = field(default=utc_now, repr=False)
    _secrets: tuple[bytes, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the settings."""
        check_url(self.url, "url")
        secrets = [standard_secret(self.secret, "secret")]
        if self.previous_secret:
            secrets.append(standard_secret(self.previous_secret, "previous_secret"))
        object.__setattr__(self, "_secrets", tuple(secrets))
        self.connect(self.url)

    def post_signed(self, key: str, body: bytes, *, repeatable: bool) -> Accepted:
        """Post an effect; the reference is the `webhook-id`.

        Args:
            key: the effect's key.
            body: JSON.
            repeatable: whether the receiver drops what it has seen; then a 5xx may simply be repeated.

        Raises:
            Rejected: 410, any other 4xx, or a redirect.
            Unavailable: no connection, 408, 425, 429, or 5xx of a receiver that drops what it has seen.
            Unknown: no answer (raised by the transport), or 5xx of any other receiver.
        """
        message_id = webhook_id(key)
        headers = standard_headers(self._secrets, message_id, body, self.clock())
        answer = self._http.send("POST", "", body, headers=headers)
        if answer.good:
            return Accepted(message_id)
        raise webhook_refusal(answer, host_of(self.url), self.clock(), repeatable=repeatable)
