"""Access tokens of OAuth 2.0 (RFC 6749): by a refresh token that a person has once consented to, or by a client's own.

Facts: developers.google.com/gmail/imap/xoauth2-protocol, and
learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from integrations.exceptions import DeliveryError, Unavailable
from integrations.transport import Http, check_url

if TYPE_CHECKING:
    from collections.abc import Mapping

MARGIN: Final = 60.0
"""Seconds before its end in which a token is not used any more."""
USUAL: Final = 3600.0
"""Seconds that a token lives whose server does not say how long."""
LONGEST_WORD: Final = 200


@dataclass(frozen=True, slots=True)
class Grant:
    """What tokens are asked for with.

    Attributes:
        url: the token endpoint; `field` is the setting that it came from.
        client_secret: empty for a client that has none.
        refresh_token: empty to ask in the client's own name (`client_credentials`).
        scope: empty for what was consented to.
    """

    url: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    scope: str = ""

    def form(self) -> Mapping[str, str]:
        """The request, as a form."""
        kind = {"grant_type": "refresh_token", "refresh_token": self.refresh_token}
        asked = kind if self.refresh_token else {"grant_type": "client_credentials"}
        more = {"client_id": self.client_id, "client_secret": self.client_secret, "scope": self.scope}
        return asked | {name: value for name, value in more.items() if value}


class Tokens:
    """Access tokens, kept as long as they live. Threads may share it; one of them asks, the others wait for it.

    Args:
        field_name: the setting of the endpoint, for messages.

    Raises:
        ConfigurationError: the endpoint is no URL.
    """

    def __init__(self, grant: Grant, field_name: str, *, timeout: float = 20.0) -> None:
        check_url(grant.url, field_name)
        self._grant = grant
        self._http = Http(grant.url, read_timeout=timeout, total_timeout=timeout)
        self._lock = Lock()
        self._token = ""
        self._until = 0.0

    def get(self) -> str:
        """A token that is good now.

        Raises:
            Unavailable: none can be had. Nothing has been sent yet, so it is never anything else.
        """
        with self._lock:
            if not self._token or time.monotonic() > self._until - MARGIN:
                self._token, lives = self._ask()
                self._until = time.monotonic() + lives
            return self._token

    def drop(self, token: str) -> None:
        """Forget a token that was refused; the next `get` asks for another one."""
        with self._lock:
            if self._token == token:
                self._token = ""

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _ask(self) -> tuple[str, float]:
        body = urlencode(self._grant.form()).encode()
        kind = {"content-type": "application/x-www-form-urlencoded"}
        try:
            answer = self._http.send("POST", "", body, headers=kind)
        except DeliveryError as error:
            raise Unavailable(f"no access token: {error}") from error
        found = answer.json()
        said = found if isinstance(found, dict) else {}
        token, lives = said.get("access_token"), said.get("expires_in")
        if answer.status == HTTPStatus.OK and isinstance(token, str) and token.isascii() and token.isprintable():
            return token, float(lives) if isinstance(lives, int | float) else USUAL
        why = f"{said.get('error', '')} {said.get('error_description', '')}".strip()[:LONGEST_WORD]
        raise Unavailable(f"no access token: the endpoint answered {answer.status} {why}")
