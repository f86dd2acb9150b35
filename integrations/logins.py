"""Sources that sign nothing: whoever posts hands over a login, and that is all that tells it from a stranger."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from integrations.signatures import login, verify_login

if TYPE_CHECKING:
    from integrations.contracts import Request


@dataclass(frozen=True, slots=True)
class LoginSource:
    """What such sources share.

    Attributes:
        webhook_login: `user:password` or a token, as in the sender's settings.
        previous_webhook_login: still accepted while the login is being replaced.
    """

    webhook_login: str = field(repr=False)
    previous_webhook_login: str = field(default="", repr=False)
    _logins: tuple[bytes, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the logins."""
        logins = [login(self.webhook_login, "webhook_login")]
        if self.previous_webhook_login:
            logins.append(login(self.previous_webhook_login, "previous_webhook_login"))
        object.__setattr__(self, "_logins", tuple(logins))

    def verify(self, request: Request) -> None:
        """Check the login: there is no signature."""
        verify_login(self._logins, request)
