"""Sources that sign nothing: whoever posts hands over a login, and that is all that tells it from a stranger."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from integrations.options import check_keys
from integrations.signatures import login, verify_login

if TYPE_CHECKING:
    from collections.abc import Mapping

    from integrations.contracts import Request


@dataclass(frozen=True, slots=True)
class LoginSource:
    """What such sources share.

    Attributes:
        webhook_login: `user:password` or a token, as in the sender's settings.
        previous_webhook_login: still accepted while the login is being replaced.
    """

    adapter: ClassVar[str]
    """The adapter's name, for messages."""

    webhook_login: str = field(repr=False)
    previous_webhook_login: str = field(default="", repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    _logins: tuple[bytes, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the logins."""
        logins = [login(self.webhook_login, "webhook_login")]
        if self.previous_webhook_login:
            logins.append(login(self.previous_webhook_login, "previous_webhook_login"))
        object.__setattr__(self, "_logins", tuple(logins))
        self.read_options(self.options)

    @classmethod
    def read_options(cls, options: Mapping[str, Any]) -> None:
        """There are none."""
        check_keys(options, (), cls.adapter)

    def verify(self, request: Request) -> None:
        """Check the login: there is no signature."""
        verify_login(self._logins, request)
