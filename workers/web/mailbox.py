"""`/mailbox`: in development, the mails that would have been sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from workers.web.rendering import SECURITY, page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from starlette.requests import Request

SHOWN: Final = 200
"""The latest mails; the folder has all of them."""
MAIL_SECURITY: Final = SECURITY | {
    "content-security-policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "x-frame-options": "SAMEORIGIN",
}
"""Of a mail's own HTML: an origin of its own, no script, no form, nothing loaded from anywhere."""


class Letter(Protocol):
    """A mail in the box."""

    @property
    def name(self) -> str: ...
    @property
    def sender(self) -> str: ...
    @property
    def to(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def date(self) -> datetime | None: ...
    @property
    def text(self) -> str: ...
    @property
    def html(self) -> str | None: ...


class Mailbox(Protocol):
    """Where the mails are; `integrations.email.mailbox` is one."""

    def list(self, limit: int) -> Sequence[Letter]:
        """The latest mails, newest first."""

    def read(self, name: str) -> Letter | None:
        """One mail; None if there is none of that name."""


class MailboxPages:
    """The list, one mail, and the HTML of one mail."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route("/mailbox", self.list),
            Route("/mailbox/{name}", self.show),
            Route("/mailbox/{name}/html", self.html),
        ]

    async def list(self, _: Request) -> Response:
        """The latest mails."""
        return page("mailbox.html", mails=await asyncio.to_thread(self._mailbox.list, SHOWN))

    async def show(self, request: Request) -> Response:
        """One mail: its text, and its HTML in a frame."""
        return page("mail.html", mail=await self._letter(request))

    async def html(self, request: Request) -> Response:
        """The HTML part by itself, for the frame."""
        letter = await self._letter(request)
        return HTMLResponse(letter.html or "", headers=MAIL_SECURITY)

    async def _letter(self, request: Request) -> Letter:
        letter = await asyncio.to_thread(self._mailbox.read, request.path_params["name"])
        if letter is None:
            raise HTTPException(404, "The mailbox holds no such mail.")
        return letter
