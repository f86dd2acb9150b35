"""`/unsubscribe/<token>`: what the link in every marketing mail leads to.

GET shows a page with a button and does nothing, because mail scanners follow every link. POST unsubscribes at once,
without login or a further question (RFC 8058: mail programs send it themselves, with the body
`List-Unsubscribe=One-Click`). It goes into the event log like everything else that happens to a lead.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from starlette.routing import Route

from integrations.contracts import Incoming
from integrations.contracts import Request as Received
from workers import tokens
from workers.engine.values import OWN_SOURCE
from workers.exceptions import BadToken, Overloaded, StoreUnavailable
from workers.store import leads, suppressions
from workers.store.suppressions import UNSUBSCRIBED, Suppression
from workers.tokens import Preferences, Unsubscribe
from workers.web.commit import Delivery
from workers.web.rendering import message, page

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from workers.clock import Clock
    from workers.web.commit import Committer
    from workers.web.metrics import Metrics
    from workers.web.pages import Reader

RETRY_AFTER: Final = {"retry-after": "5"}


class UnsubscribePages:
    """The page, and what its button does."""

    def __init__(self, reader: Reader, committer: Committer, metrics: Metrics, clock: Clock, secret: str) -> None:
        self._reader = reader
        self._committer = committer
        self._unsubscribed = metrics.unsubscribed
        self._clock = clock
        self._secret = secret

    def route(self) -> Route:
        """Where it is; the renderer of mails writes the same path."""
        return Route("/unsubscribe/{token}", self.answer, methods=["GET", "POST"])

    async def answer(self, request: Request) -> Response:
        """Show the button, or do what it says."""
        try:
            link = tokens.read(self._secret, request.path_params["token"], Unsubscribe)
        except BadToken:
            self._unsubscribed.labels("bad-link").inc()
            return message(404, "This link does not work", "It was cut or changed on its way to you. Use the link in "
                            "the e-mail itself, or answer that e-mail and ask us to stop.")  # fmt: skip
        if request.method != "POST":
            preferences = tokens.sign(self._secret, Preferences(link.lead_id, link.key))
            return page("unsubscribe.html", preferences=f"/preferences/{preferences}")
        try:
            again = await self._unsubscribe(link)
        except (StoreUnavailable, Overloaded):
            self._unsubscribed.labels("unavailable").inc()
            return message(503, "Please try again", "We could not note this down just now. Nothing was changed; "
                            "please press the button again in a minute.", RETRY_AFTER)  # fmt: skip
        self._unsubscribed.labels("again" if again else "done").inc()
        return message(200, "You are unsubscribed", "We will not send you any more marketing e-mail.")

    async def _unsubscribe(self, link: Unsubscribe) -> bool:
        """Put the event into the log, and the address on the list before anybody hears that all is well.

        For a lead that is not there any more there is nothing left to do.

        Returns:
            True if the same button was pressed a moment ago.
        """
        lead = await self._reader.ask(lambda conn: leads.get(conn, link.lead_id))
        if lead is None:
            return False
        now = self._clock()
        receipt = await self._committer.submit(_delivery(link, lead.email, now))
        if lead.email:
            entry = Suppression(lead.email, UNSUBSCRIBED, lead.id)
            with suppress(StoreUnavailable):  # the event is safe: it will be put there when that is processed
                await self._reader.ask(lambda conn: suppressions.add(conn, [entry], now))
        return receipt.duplicates > 0


def _delivery(link: Unsubscribe, email: str | None, now: datetime) -> Delivery:
    """The event. Pressing twice within a minute is one; who comes back later may have subscribed again in between."""
    own = [("email", email)] if email else []
    event = Incoming(
        event_id=f"unsubscribe:{link.key}:{now:%Y-%m-%dT%H:%M}",
        type="email.unsubscribed",
        occurred_at=now,
        identities=(*own, ("message", link.key)),
        properties={"message_key": link.key},
    )
    request = Received(method="POST", url="", headers={}, body=b"", received_at=now)
    return Delivery(OWN_SOURCE, request, events=[event])
