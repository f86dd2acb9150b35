"""The composition root: settings, store, rulebook, adapters and broker tied together, once per process."""

from __future__ import annotations

from os import getpid
from socket import gethostname
from typing import TYPE_CHECKING, Final

import redis
from dramatiq.brokers.redis import RedisBroker
from redis.backoff import NoBackoff
from redis.retry import Retry

from integrations import discovery
from workers.adapters import Adapters
from workers.clock import system_clock
from workers.delivery.attempts import Policy
from workers.delivery.compose import Links
from workers.delivery.deliver import Deliverer
from workers.delivery.limits import RedisLimiter
from workers.delivery.routing import RoutedSender
from workers.delivery.senders import CrmSender, EmailSender, HookSender
from workers.exceptions import (
    ConfigurationError,
    DriplineError,
    NoRulebook,
    StoreUnavailable,
)
from workers.hints import Announcer, RedisHints
from workers.library import Library
from workers.log import get_logger
from workers.outage import Outage
from workers.pipeline import process_slice, process_together
from workers.store.database import connect, transaction
from workers.sweep import Sweeper
from workers.web.app import create_app
from workers.web.sources import ActiveSources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dramatiq.broker import Broker

    from workers.clock import Clock
    from workers.config import Settings
    from workers.delivery.limits import Limiter
    from workers.delivery.routing import Routes
    from workers.delivery.senders import Sender
    from workers.engine.rules import Rulebook
    from workers.hints import Hints
    from workers.pipeline import Processed
    from workers.sweep import Due
    from workers.web.app import Application
    from workers.web.mailbox import Mailbox

log = get_logger(__name__)

SHORTEST_SECRET: Final = 32
BATCHES: Final = 20
"""Batches of a slice that one message works off before other slices get the thread."""


class App:
    """Everything that a process works with. Building it connects to nothing.

    Args:
        settings: as read from the environment.
        broker: carries messages to the actors (`workers.actors`).
        hints: which messages are queued already.
        adapters: whom we talk to; by default, those of the settings.
        limiter: keeps rate limits; by default, this process alone does.

    Attributes:
        store: whether PostgreSQL answers, as far as this process has seen.
    """

    def __init__(
        self,
        settings: Settings,
        broker: Broker,
        hints: Hints,
        *,
        adapters: Adapters | None = None,
        limiter: Limiter | None = None,
        clock: Clock = system_clock,
    ) -> None:
        if not settings.database_url:
            raise ConfigurationError(
                "DRIPLINE_DATABASE_URL is not set; write postgresql://user:password@host:5432/database. "
                "(`dripline dev` needs none.)"
            )
        self.settings = settings
        self.clock = clock
        self.broker = broker
        self.announcer = Announcer(hints, broker)
        self.adapters = adapters or Adapters(settings, clock)
        self.engine = connect(settings.database_url, size=settings.pool_size)
        self.store = Outage(log, "store_unavailable", "store_back")
        self.library = Library(self.engine, Links(settings.public_url, settings.secret, clock))
        policy = Policy(settings.retry_schedule, settings.lease, settings.delivery_chunk)
        process = f"{gethostname()}:{getpid()}"
        self.deliverer = Deliverer(self.engine, clock, policy, limiter, process)

    def close(self) -> None:
        """Give back every connection."""
        self.adapters.close()
        self.broker.close()
        self.engine.dispose()

    def check(self, *, sends: bool = False) -> None:
        """Make sure that what a process needs is configured, before it begins.

        Args:
            sends: the process sends mail.

        Raises:
            ConfigurationError: the secret is missing or could be guessed, or the e-mail provider cannot be built.
        """
        length = len(self.settings.secret)
        if length < SHORTEST_SECRET:
            raise ConfigurationError(
                f"DRIPLINE_SECRET has {length} characters; it has to have {SHORTEST_SECRET} or more. "
                'Make one with: python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
            )
        if sends:
            self.adapters.email()
        try:
            rulebook = self.library.active()
        except DriplineError:  # without a rulebook nobody knows what it needs
            return
        self._warn_of_strays(rulebook)
        if sends:
            self._warn_of_missing(rulebook)
            self._warn_of_closed_routes()

    def _warn_of_strays(self, rulebook: Rulebook) -> None:
        """Say which variables nobody uses: most likely they are misspelt."""
        known = [name for kind in discovery.KINDS for name in discovery.names(kind)]
        for name, near in self.settings.strays([*known, *rulebook.sources]).items():
            log.warning("variable_not_used", name=name, meant=near)

    def _warn_of_closed_routes(self) -> None:
        """Say which providers mail is led to that lack something; those behind them in line send instead."""
        for name in self.routes().providers:
            try:
                self.adapters.email(name)
            except ConfigurationError as error:
                log.warning("provider_not_configured", provider=name, error=str(error))

    def _warn_of_missing(self, rulebook: Rulebook) -> None:
        """Say that promotions will wait in the outbox, if the CRM that they go to is not configured."""
        if rulebook.promotion is None:
            return
        try:
            self.adapters.crm(rulebook.promotion.crm)
        except ConfigurationError as error:
            log.warning("crm_not_configured", crm=rulebook.promotion.crm, error=str(error))

    def look_at_store(self) -> None:
        """See whether PostgreSQL answers, so that the log tells when it goes and when it is back."""
        try:
            with transaction(self.engine):
                self.store.answered()
        except StoreUnavailable as error:
            self.store.failed(error)

    # ── work ─────────────────────────────────────────────────────────────────────────────────────────────────

    def process(self, slices: Sequence[int]) -> None:
        """Work off what is due in a slice, or a little in each of several, and announce what came of it and is left.

        Raises:
            StoreUnavailable: PostgreSQL is away; the work stays where it is.
            NoRulebook: none was ever applied.
        """
        done = self._process(slices)
        self.announcer.channels(done.channels)
        self.announcer.slices(done.more, together=1)
        self.announcer.slices(done.overdue - done.more)
        if done.events or done.woken or done.failed:
            log.info(
                "slices_processed", slices=len(slices), events=done.events, woken=done.woken, recounted=done.recounted,
                decisions=done.decisions, outbox=done.outbox, failed=done.failed, held=done.held,
                quarantined=done.quarantined,
            )  # fmt: skip

    def _process(self, slices: Sequence[int]) -> Processed:
        books, batch = self.library.rulebooks, self.settings.batch
        if len(slices) == 1:
            return process_slice(self.engine, slices[0], books, self.clock, batch=batch, batches=BATCHES)
        return process_together(self.engine, slices, books, self.clock, batch=batch)

    def deliver(self, channel: str) -> None:
        """Send what is due on a channel.

        Raises:
            StoreUnavailable: PostgreSQL is away.
            NoRulebook: none was ever applied.
        """

        def announce() -> None:
            self.announcer.channels([channel])

        if self.deliverer.run(self.sender(channel), self.library.active().sending, announce).more:
            announce()

    def sender(self, channel: str) -> Sender:
        """What delivers a channel's rows."""
        if channel == "email":
            return self._email_sender()
        if channel == "webhook":
            return HookSender(self.adapters.hook, self.adapters.takes_key)
        return CrmSender(self.adapters.crm, self.adapters.takes_key, self.library.pinned)

    def _email_sender(self) -> Sender:
        """What delivers mails: by the provider of the settings, or by those to whom the rules lead them."""
        composers = self.library.composers()
        names = self.routes().providers
        if names == [self.adapters.email_name]:
            return EmailSender(names[0], self.adapters.email(), composers)
        senders, missing = {}, {}
        for name in names:
            try:
                senders[name] = EmailSender(name, self.adapters.email(name), composers)
            except ConfigurationError as error:
                missing[name] = str(error)
        return RoutedSender(self.routes(), senders, missing)

    def routes(self) -> Routes:
        """Who sends which mail, by the rules in force."""
        rulebook = self.library.active()
        return self.adapters.routes(rulebook.sending.routes, rulebook.categories)

    def sweeper(self) -> Sweeper:
        """Finds what is due; one for each loop that sweeps."""
        return Sweeper(self.engine, self.adapters.takes_key, self.settings.ambiguous_after, self.library.rulebooks)

    def announce(self, due: Due) -> None:
        """Tell the workers where work waits."""
        self.announcer.slices(due.slices)
        self.announcer.channels(due.channels)

    # ── the web process ──────────────────────────────────────────────────────────────────────────────────────

    def web(self, *, status_port: int | None = None, mailbox: Mailbox | None = None) -> Application:
        """The web application; see `create_app` for the port of the status page, and for the mailbox to show."""
        return create_app(
            engine=self.engine,
            load_sources=self.load_sources,
            offer=self.announcer.slices,
            secret=self.settings.secret,
            clock=self.clock,
            public_url=self.settings.public_url,
            max_body=self.settings.max_body,
            status_port=status_port,
            mailbox=mailbox,
        )

    def load_sources(self, version: str) -> ActiveSources | None:
        """The sources of the rulebook in force; None if that is `version`. One that is not configured stays closed."""
        try:
            rulebook = self.library.active()
        except NoRulebook:
            return ActiveSources("", {}) if version else None
        except StoreUnavailable as error:
            self.store.failed(error)
            raise
        self.store.answered()
        if rulebook.version == version:
            return None
        opened, closed = {}, {}
        for name, spec in rulebook.sources.items():
            try:
                opened[name] = self.adapters.source(spec)
            except ConfigurationError as error:
                closed[name] = str(error)
                log.warning("source_closed", source=name, error=closed[name])
        return ActiveSources(rulebook.version, opened, closed, rulebook.consent)


def build(settings: Settings) -> App:
    """The app of a production process, on Redis.

    Raises:
        ConfigurationError: the database's or Redis's URL cannot be used.
    """
    client = redis_client(settings.redis_url)
    broker = RedisBroker(client=client, middleware=[])  # type: ignore[no-untyped-call]  # dramatiq is typed in parts
    return App(settings, broker, RedisHints(client), limiter=RedisLimiter(client, settings.senders))


def redis_client(url: str) -> redis.Redis:
    """A client that gives up quickly: whoever asks has PostgreSQL to fall back on.

    Raises:
        ConfigurationError: the URL cannot be read.
    """
    try:
        return redis.Redis.from_url(
            url, socket_connect_timeout=1.0, socket_timeout=5.0, retry=Retry(NoBackoff(), 0), health_check_interval=30
        )
    except ValueError as error:
        raise ConfigurationError(f"DRIPLINE_REDIS_URL cannot be read: {error}") from error
