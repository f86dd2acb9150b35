"""Pages for those who look after Dripline: how things stand, health, metrics, and in development the mailbox.

Everything is plain HTML that works without scripts, escaped by Jinja2, under a policy that lets no script run.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar

from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.core import GaugeMetricFamily
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from workers.exceptions import NoRulebook, StoreUnavailable
from workers.log import get_logger
from workers.store import rulebooks, status
from workers.store.database import transaction
from workers.web import problems
from workers.web.rendering import SECURITY, page, problem_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Executor

    from sqlalchemy import Connection, Engine
    from starlette.requests import Request

    from workers.clock import Clock
    from workers.store.status import Status
    from workers.web.commit import Committer
    from workers.web.metrics import Metrics
    from workers.web.sources import Doors

log = get_logger(__name__)

T = TypeVar("T")
PATIENCE: Final = 3.0
"""Seconds that the database may take before a page says that it is away."""
FRESH: Final = 2.0
"""Seconds for which a count of everything is shown again instead of being made again."""


class Reader:
    """Asks the store in a few threads of its own, so that pages neither block the event loop nor crowd out commits."""

    def __init__(self, engine: Engine, executor: Executor) -> None:
        self._engine = engine
        self._executor = executor

    async def ask(self, query: Callable[[Connection], T]) -> T:
        """The answer to one transaction.

        Raises:
            StoreUnavailable: the database is away, takes too long, or was not migrated.
        """
        work = asyncio.get_running_loop().run_in_executor(self._executor, self._run, query)
        try:
            return await asyncio.wait_for(work, PATIENCE)
        except TimeoutError:
            raise StoreUnavailable("PostgreSQL does not answer in time") from None

    def _run(self, query: Callable[[Connection], T]) -> T:
        with transaction(self._engine) as conn:
            return query(conn)


class Pages:
    """The operators' pages."""

    def __init__(
        self,
        reader: Reader,
        committer: Committer,
        doors: Doors,
        metrics: Metrics,
        clock: Clock,
        *,
        mailbox: bool,
    ) -> None:
        self._reader = reader
        self._committer = committer
        self._doors = doors
        self._metrics = metrics
        self._clock = clock
        self._mailbox = mailbox
        self._status: Status | None = None
        self._status_at = 0.0

    def health_routes(self) -> list[Route]:
        """Those for load balancers, which tell nothing but yes or no."""
        return [Route("/healthz", self.health), Route("/readyz", self.ready)]

    def status_routes(self) -> list[Route]:
        """Those with figures, which are nobody else's business."""
        return [Route("/", self.overview), Route("/metrics", self.metrics)]

    async def overview(self, _: Request) -> Response:
        """How things stand, for people."""
        try:
            found = await self._read_status()
        except StoreUnavailable as error:
            return page("message.html", HTTPStatus.SERVICE_UNAVAILABLE, title="The database is away", text=str(error))
        stages = [(stage or "(none)", number) for stage, number in found.leads.items()]
        return page(
            "overview.html", status=found, stages=stages, sources=self._doors.names(), closed=self._doors.closed,
            mailbox=self._mailbox,
        )  # fmt: skip

    async def health(self, _: Request) -> Response:
        """The process lives; whether it can work just now is `/readyz`."""
        if self._committer.alive:
            return PlainTextResponse("ok\n", headers=SECURITY)
        return problem_response(problems.unavailable("broken", "This process cannot commit any more: restart it", 1))

    async def ready(self, _: Request) -> Response:
        """Deliveries can be taken: the database answers, its tables are there, and a rulebook is active."""
        try:
            active = await self._reader.ask(rulebooks.active)
        except NoRulebook as error:
            return problem_response(problems.not_ready(str(error)))
        except StoreUnavailable as error:  # its own words name the host
            log.warning("not_ready", error=str(error))
            return problem_response(
                problems.not_ready("the database is away, or needs `dripline migrate`; see the log")
            )
        if not self._doors.version:
            return problem_response(problems.not_ready("the sources of the rulebook are not loaded; see the log"))
        return JSONResponse({"ready": True, "rulebook": active.version}, headers=SECURITY)

    async def metrics(self, _: Request) -> Response:
        """Counters of this process, and what waits in the store. Without the store, the counters alone."""
        try:
            found = [*_gauges(await self._read_status())]
        except StoreUnavailable:
            found = []
        families = [_gauge("dripline_store_up", "1 if the database answers.", bool(found)), *found]
        return Response(self._metrics.text(families), headers=SECURITY | {"content-type": CONTENT_TYPE_LATEST})

    async def _read_status(self) -> Status:
        """Counted anew if the last count is older than a moment: some of it grows with the tables."""
        now = time.monotonic()
        if self._status is None or now - self._status_at > FRESH:
            at = self._clock()
            self._status = await self._reader.ask(lambda conn: status.read(conn, at))
            self._status_at = now
        return self._status


def _gauges(found: Status) -> Iterator[GaugeMetricFamily]:
    oldest = found.oldest.total_seconds() if found.oldest else 0.0
    yield _gauge("dripline_backlog", "Events not processed yet.", found.backlog)
    yield _gauge("dripline_backlog_failing", "Events not processed yet that failed before.", found.failing)
    yield _gauge("dripline_backlog_held", "Events that wait for a lead whose wake-up fails.", found.held)
    yield _gauge("dripline_backlog_age_seconds", "How long the oldest of them has waited.", oldest)
    yield _gauge("dripline_wakeups_overdue", "Leads whose wake-up is due.", found.overdue)
    yield _gauge("dripline_wakeups_stuck", "Leads whose wake-up keeps failing.", found.stuck)
    yield _gauge("dripline_leads_outdated", "Leads still to be looked at anew by changed rules.", found.outdated)
    yield _gauge("dripline_campaigns_paused", "Campaigns in which nothing goes on.", len(found.paused))
    yield _labelled(
        "dripline_provider_paused", "Processes that leave a provider alone, because it does not answer.", ["provider"],
        {(each.provider,): len(each.processes) for each in found.alone},
    )  # fmt: skip
    yield _gauge("dripline_opportunities", "Promotions so far.", found.opportunities[0])
    yield _gauge("dripline_opportunities_accepted", "Promotions that the CRM has.", found.opportunities[1])
    yield _gauge("dripline_candidates", "Leads that lack something for promotion.", sum(found.candidates.values()))
    yield _labelled(
        "dripline_candidates_lacking", "Of them, those who lack this.", ["what"],
        {(k,): n for k, n in found.missing.items()},
    )  # fmt: skip
    yield _labelled("dripline_leads", "Leads by stage.", ["stage"], {(k,): n for k, n in found.leads.items()})
    yield _labelled("dripline_outbox", "Effects by state.", ["channel", "state", "reason"], found.outbox)
    yield _labelled(
        "dripline_quarantine", "Waiting for a person.", ["reason"], {(k,): n for k, n in found.quarantine.items()}
    )
    yield _labelled(
        "dripline_quarantine_closed", "Given up by a person.", ["reason"], {(k,): n for k, n in found.closed.items()}
    )
    yield _labelled(
        "dripline_suppressions", "May not be mailed.", ["reason"], {(k,): n for k, n in found.suppressions.items()}
    )
    yield _labelled(
        "dripline_skipped", "Reached us in the last thirty days and counts for nothing.", ["reason"], by_reason(found)
    )


def by_reason(found: Status) -> dict[tuple[str], int]:
    """What was left aside, by reason alone: what it is about can be anything that somebody sends."""
    numbers: Counter[tuple[str]] = Counter()
    for (reason, _), number in found.skipped.items():
        numbers[reason,] += number
    return dict(numbers)


def _gauge(name: str, says: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, says, value=value)


def _labelled(name: str, says: str, labels: list[str], values: Mapping[Any, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, says, labels=labels)
    for words, number in values.items():
        family.add_metric(words, number)
    return family
