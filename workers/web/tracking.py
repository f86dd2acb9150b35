"""`/c/<token>` and `/o/<token>`: the links and the picture in a mail, which tell that it was read.

A link leads on to where it did in the mail and nowhere else: the address is part of what is signed. Whoever follows
one is served at once, whether the visit can be noted down or not. Machines are told apart (`machines`).
"""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from integrations.contracts import Incoming
from integrations.contracts import Request as Received
from workers import tokens
from workers.engine.values import OWN_SOURCE
from workers.exceptions import BadToken, Overloaded, StoreUnavailable
from workers.tokens import Click, Open
from workers.web.commit import Delivery
from workers.web.machines import Bursts, machine_sign
from workers.web.rendering import page

if TYPE_CHECKING:
    from starlette.requests import Request

    from workers.clock import Clock
    from workers.web.commit import Committer
    from workers.web.metrics import Metrics

PIXEL: Final = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A transparent GIF of one by one pixel."""
PRIVATE: Final = {"cache-control": "no-store, private", "referrer-policy": "no-referrer", "x-robots-tag": "noindex"}
PATIENCE: Final = 2.0
"""Seconds that a visitor waits for the visit to be noted down."""
MINUTE: Final = 60


class TrackingPages:
    """The link and the picture."""

    def __init__(self, committer: Committer, metrics: Metrics, clock: Clock, secret: str) -> None:
        self._committer = committer
        self._tracked = metrics.tracked
        self._clock = clock
        self._secret = secret
        self._bursts = Bursts()

    def routes(self) -> list[Route]:
        """Where they are; the renderer of mails writes the same paths."""
        return [Route("/c/{token}", self.click), Route("/o/{token}", self.open)]

    async def click(self, request: Request) -> Response:
        """Lead on to where the link leads."""
        try:
            link = tokens.read(self._secret, request.path_params["token"], Click)
        except BadToken:
            self._tracked.labels("click", "bad-link").inc()
            return page("message.html", 404, title="This link does not work", text="It was cut or changed on its way "
                        "to you. Use the link in the e-mail itself.")  # fmt: skip
        sign = self._sign(request, link, picture=False)
        if not sign and self._bursts.many(link.key, link.url):
            sign = "all-at-once"
        await self._note("click", link, sign, {"url": link.url})
        return RedirectResponse(link.url, 302, headers=PRIVATE)

    async def open(self, request: Request) -> Response:
        """Serve the picture; a token that is not ours gets it, too, and counts for nothing."""
        try:
            link = tokens.read(self._secret, request.path_params["token"].removesuffix(".gif"), Open)
        except BadToken:
            self._tracked.labels("open", "bad-link").inc()
        else:
            await self._note("open", link, self._sign(request, link, picture=True), {})
        return Response(PIXEL, media_type="image/gif", headers=PRIVATE)

    def _sign(self, request: Request, link: Click | Open, *, picture: bool) -> str:
        age = (self._clock() - datetime.fromtimestamp(link.made, UTC)).total_seconds()
        return machine_sign(request.method, request.headers, age, picture=picture)

    async def _note(self, kind: str, link: Click | Open, sign: str, properties: dict[str, str]) -> None:
        """Put the visit into the event log, if that can be done in a moment."""
        try:
            delivery = noted(kind, link, sign, properties, self._clock())
            await asyncio.wait_for(self._committer.submit(delivery), PATIENCE)
        except (StoreUnavailable, Overloaded, TimeoutError):
            self._tracked.labels(kind, "lost").inc()
        else:
            self._tracked.labels(kind, "machine" if sign else "human").inc()


def noted(kind: str, link: Click | Open, sign: str, properties: dict[str, str], now: datetime) -> Delivery:
    """The event. The same link followed twice within a minute, by the same kind of visitor, is one."""
    what = blake2b("\n".join([kind, bool(sign) * "machine", *properties.values()]).encode(), digest_size=8).hexdigest()
    told: dict[str, object] = {**properties, "message_key": link.key, "machine": bool(sign)}
    if sign:
        told["machine_sign"] = sign
    event = Incoming(
        event_id=f"{kind}:{link.key}:{what}:{int(now.timestamp()) // MINUTE}",
        type=f"email.{kind}ed",
        occurred_at=now,
        identities=(("message", link.key),),
        properties=told,
    )
    return Delivery(OWN_SOURCE, Received(method="GET", url="", headers={}, body=b"", received_at=now), events=[event])
