"""The web application, put together from what it is given; no global state."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from workers.clock import system_clock
from workers.web import problems
from workers.web.announce import Announcer
from workers.web.bodies import Bodies
from workers.web.commit import Committer
from workers.web.journal import StoreJournal
from workers.web.mailbox import MailboxPages
from workers.web.metrics import Metrics
from workers.web.pages import Pages, Reader
from workers.web.preferences import PreferencePages
from workers.web.receiver import PREFIX, Receiver
from workers.web.rendering import problem_response
from workers.web.sources import Doors
from workers.web.tracking import TrackingPages
from workers.web.unsubscribe import UnsubscribePages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping

    from sqlalchemy import Engine
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, ExceptionHandler, Receive, Scope, Send

    from workers.clock import Clock
    from workers.web.mailbox import Mailbox
    from workers.web.sources import ActiveSources

BODIES: Final = 32 * 1024 * 1024
"""Bytes of deliveries that may be on their way at the same time, unverified."""
LOOKERS: Final = 2
"""Threads, and so database connections, for everything but commits: pages can be slow without slowing the door."""


def create_app(
    *,
    engine: Engine,
    load_sources: Callable[[str], ActiveSources | None],
    offer: Callable[[Collection[int]], None],
    secret: str,
    clock: Clock = system_clock,
    public_url: str = "",
    max_body: int = 5_000_000,
    bodies: int = BODIES,
    lanes: int = 1,
    refresh_every: float = 2.0,
    status_port: int | None = None,
    mailbox: Mailbox | None = None,
) -> Application:
    """The ASGI application of `dripline web`.

    Args:
        engine: connections to the store; `LOOKERS` and one or two for each lane are used at most.
        load_sources: given the rulebook version in use (empty at first), the sources of the active one, or None if
            that is the same. Called again and again in a thread; it may raise, which changes nothing.
        offer: tells the workers that slices have work. Called in a thread after commits; it may raise or take its time.
        secret: signs links in mails.
        clock: when a delivery was received.
        public_url: scheme and host that the world posts to, which some senders sign; empty believes the `Host` header.
        max_body: bytes of the largest delivery.
        bodies: bytes of all deliveries that are on their way.
        lanes: commits under way at the same time.
        refresh_every: seconds between two such calls.
        status_port: the port on which those who look after Dripline see how it is doing. On every other one there are
            only webhooks, links of mails and health; None shows everything on every port.
        mailbox: the local mailbox to show, beside the status page; None shows none.
    """
    behind = Machinery(engine, load_sources, offer, lanes=lanes, refresh_every=refresh_every)
    pages = Pages(behind.reader, behind.committer, behind.doors, behind.metrics, clock, mailbox=mailbox is not None)
    public = [*pages.health_routes(), *links_of_mails(behind, clock, secret)]
    internal = [*public, *pages.status_routes(), *(MailboxPages(mailbox).routes() if mailbox else ())]
    room = Bodies(largest=max_body, together=bodies)
    return Application(
        Receiver(behind.doors, behind.committer, room, clock, public_url=public_url),
        Starlette(routes=public, exception_handlers=REFUSALS),
        Starlette(routes=internal, exception_handlers=REFUSALS, lifespan=behind.running),
        status_port,
        behind.metrics,
    )


class Machinery:
    """What works behind the pages and the receiver, for as long as the server runs; see `create_app`."""

    def __init__(
        self,
        engine: Engine,
        load_sources: Callable[[str], ActiveSources | None],
        offer: Callable[[Collection[int]], None],
        *,
        lanes: int,
        refresh_every: float,
    ) -> None:
        self.metrics = Metrics()
        self._executor = ThreadPoolExecutor(LOOKERS, thread_name_prefix="pages")
        self.reader = Reader(engine, self._executor)
        self.doors = Doors(load_sources, self.metrics, self._executor, every=refresh_every)
        self._journal = StoreJournal(engine)
        self._announcer = Announcer(offer)
        self.committer = Committer(self._journal, self._announcer.announce, lanes=lanes)

    @asynccontextmanager
    async def running(self, _: Starlette) -> AsyncIterator[None]:
        """From before the first request until after the last one."""
        await self.doors.refresh()
        await self.committer.start()
        refreshing = asyncio.create_task(self.doors.keep_fresh(), name="refresh-sources")
        yield
        refreshing.cancel()
        with suppress(asyncio.CancelledError):
            await refreshing
        await self.committer.close()
        self._announcer.close()
        self._journal.close()
        self._executor.shutdown(wait=False, cancel_futures=True)


def links_of_mails(behind: Machinery, clock: Clock, secret: str) -> list[BaseRoute]:
    """What the signed links in mails lead to."""
    reader, committer, metrics = behind.reader, behind.committer, behind.metrics
    return [
        UnsubscribePages(reader, committer, metrics, clock, secret).route(),
        *PreferencePages(reader, committer, metrics, clock, doors=behind.doors, secret=secret).routes(),
        *TrackingPages(committer, metrics, clock, secret).routes(),
    ]


class Application:
    """Sends `/hooks/` straight to the receiver, and everything else to the pages of the port that it came in by."""

    def __init__(
        self, receiver: ASGIApp, public: ASGIApp, internal: ASGIApp, status_port: int | None, metrics: Metrics
    ) -> None:
        self._receiver = receiver
        self._public = public
        self._internal = internal
        self._status_port = status_port
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await self._receiver(scope, receive, send)
        else:
            await self._pages(scope)(scope, receive, send)

    def refused(self, reason: str) -> None:
        """Count a request that the HTTP server answered by itself."""
        self._metrics.refused.labels(reason).inc()

    def _pages(self, scope: Scope) -> ASGIApp:
        """By the port of the socket, which no header can change."""
        if scope["type"] != "http" or self._status_port is None:
            return self._internal
        server = scope["server"]
        return self._internal if server and server[1] == self._status_port else self._public


async def _refuse(_: Request, error: Exception) -> Response:
    """Starlette's own refusals as problems: no such page, wrong method."""
    assert isinstance(error, HTTPException)
    return problem_response(problems.of_page(error.status_code, error.detail, error.headers or {}))


REFUSALS: Final[Mapping[Any, ExceptionHandler]] = {HTTPException: _refuse}
