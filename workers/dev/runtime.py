"""All of Dripline in one process: PostgreSQL of its own, web server, workers and clock in threads."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Self, cast

import dramatiq
from dramatiq.brokers.stub import StubBroker
from dramatiq.errors import QueueJoinTimeout

from integrations.discovery import variable
from workers.adapters import MAILBOX, Adapters, installed
from workers.app import App
from workers.clock import system_clock
from workers.dev.folder import LINKS, MAKERS, Folder
from workers.dev.postgres import Postgres
from workers.exceptions import ConfigurationError, NoRulebook, StoreUnavailable
from workers.hints import QUEUE, MemoryHints
from workers.log import get_logger
from workers.rulebook import compile_rulebook, shipped, version_of
from workers.services import Threads
from workers.store import rulebooks
from workers.store.database import migrate, transaction
from workers.web.server import BackgroundServer, bind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dramatiq.broker import Broker
    from sqlalchemy import Engine

    from integrations.contracts import EmailProvider
    from workers.clock import Clock
    from workers.config import Settings
    from workers.engine.rules import Rulebook, SourceSpec
    from workers.sweep import Due
    from workers.web.mailbox import Mailbox

log = get_logger(__name__)

IDLE_MS: Final = 100
AUTHOR: Final = "dripline dev"
BUSY: Final = 0.005
"""Seconds between two looks at work that nobody can take just now."""


class NotDrained(Exception):  # a caller's time-out, no trouble of the program's user
    """Work was still due when the time was up."""


class Runtime:
    """A running Dripline. A context manager: inside the block it runs, afterwards all of it is stopped.

    Args:
        settings: `data_dir`, `host` and `port` (0 takes a free one) say where; a `database_url` is used instead of a
            PostgreSQL of its own.
        bundle: rule and template files by path, put in force; by default the example that ships with the package.
        clock: what everything takes for now; with a clock that is moved by hand, call `drain` after each move.
        email: an e-mail provider instead of the one that the settings name.
        values: variables of adapters, added to those in the settings.

    Attributes:
        url: where the web server answers.
    """

    url: str

    def __init__(
        self,
        settings: Settings,
        *,
        bundle: Mapping[str, str] | None = None,
        clock: Clock = system_clock,
        email: EmailProvider | None = None,
        values: Mapping[str, str] | None = None,
    ) -> None:
        self.clock = clock
        self._given = settings
        self._bundle = dict(shipped() if bundle is None else bundle)
        self._email = email
        self._values = dict(values or {})
        self._folder = Folder(settings.data_dir)
        self._stop = threading.Event()
        self._ends: list[tuple[str, Any]] = []

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────────────

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything.

        Raises:
            DriplineError: what stands against it: the folder is in use, a setting is unusable, the rules have mistakes.
        """
        compile_rulebook(self._bundle, installed())
        self._folder.lock()
        self._later("folder", self._folder.release)
        listener = bind(self._given.host, self._given.port)
        self._later("listener", listener.close)
        self.url = f"http://{self._given.host}:{listener.getsockname()[1]}"
        self.app = App(self._settings(), self._broker(), MemoryHints(), adapters=self._adapters(), clock=self.clock)
        self._later("app", self.app.close)
        migrate(self.engine, self.clock())
        self.app.check(sends=True)
        self._apply()
        self._start_threads()
        web = BackgroundServer(self.app.web(mailbox=self._mailbox()), listener)
        web.start()
        self._later("web", web.stop)
        self._folder.publish(self.url)

    def stop(self) -> None:
        """Stop everything, the last started first; a part that does not stop does not keep the others running."""
        self._stop.set()
        while self._ends:
            name, end = self._ends.pop()
            try:
                end()
            except Exception:  # the others have to be stopped whatever this one does
                log.exception("not_stopped", part=name)

    def _later(self, name: str, end: Any) -> None:
        self._ends.append((name, end))

    # ── parts ────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def engine(self) -> Engine:
        """The store's connections."""
        return self.app.engine

    @property
    def rulebook(self) -> Rulebook:
        """The rulebook in force."""
        return self.app.library.active()

    def doors(self) -> dict[str, str]:
        """The sources of the rules, and why each of them is closed (empty if it is open)."""
        return {name: self._closed(spec) for name, spec in self.rulebook.sources.items()}

    def _closed(self, spec: SourceSpec) -> str:
        try:
            self.app.adapters.source(spec)
        except ConfigurationError as error:
            return str(error)
        return ""

    def signable(self) -> dict[str, str]:
        """Adapter by source, of those that `dripline post` can sign for."""
        return {name: spec.adapter for name, spec in self.rulebook.sources.items() if spec.adapter in MAKERS}

    def _settings(self) -> Settings:
        """The given settings, completed by what is made for this folder."""
        given = self._given
        public = given.public_url if given.public_url != type(given)().public_url else self.url
        self._made = replace(
            given,
            data_dir=self._folder.path,
            database_url=given.database_url or self._database(),
            secret=given.secret or self._folder.secret(LINKS),
            email=given.email or MAILBOX,
            public_url=public,
        )
        return self._made

    def _mailbox(self) -> Mailbox | None:
        """The mailbox, if that is where mail goes."""
        found = self.app.adapters.email() if self._made.email == MAILBOX else None
        return cast("Mailbox | None", found)  # that adapter can also list and read

    def _database(self) -> str:
        server = Postgres(self._folder.path / "postgres")
        self._later("postgres", server.stop)
        return server.start()

    def _adapters(self) -> Adapters:
        """Adapters, with secrets of this folder's own for sources that have none yet."""
        values = {**self._made.adapters, **self._values}
        for spec in compile_rulebook(self._bundle).sources.values():
            name = variable(spec.name, "secret")
            if spec.adapter in MAKERS and not values.get(name):
                self._values[name] = self._folder.secret(name, MAKERS[spec.adapter])
        return Adapters(self._made, self.clock, email=self._email, values=self._values)

    def _broker(self) -> Broker:
        self._tally = Tally()
        self._queue_broker = StubBroker(middleware=[self._tally])
        return self._queue_broker

    def _apply(self) -> None:
        """Put the bundle in force unless it is already."""
        version, now = version_of(self._bundle), self.clock()
        with transaction(self.engine) as conn:
            try:
                if rulebooks.active(conn).version == version:
                    return
            except NoRulebook:
                log.info("first_rulebook", version=version)
            rulebooks.apply(conn, version, self._bundle, author=AUTHOR, message="", now=now)

    def _start_threads(self) -> None:
        threads = Threads(self.app.broker, self.app, self._made.worker_threads, idle_ms=IDLE_MS)
        threads.__enter__()
        self._later("workers", lambda: threads.__exit__(None, None, None))
        self._drainer = self.app.sweeper()
        clock = threading.Thread(target=self._sweep, name="clock", daemon=True)
        clock.start()
        self._later("clock", clock.join)

    def _sweep(self) -> None:
        """What `dripline clock` does; nobody else works on this database, so there is nobody to elect."""
        sweeper, every = self.app.sweeper(), self._made.sweep_every.total_seconds()
        while not self._stop.wait(every):
            try:
                self.app.announce(sweeper.sweep(self.clock()))
            except StoreUnavailable as error:
                log.warning("store_unavailable", error=str(error))
            except Exception:  # whatever it is: the clock goes on, and looks again in a second
                log.exception("sweep_failed")

    # ── waiting ──────────────────────────────────────────────────────────────────────────────────────────────

    def drain(self, timeout: float = 30.0) -> None:
        """Return once nothing is due at the clock's now: no event, no wake-up, nothing in the outbox.

        Raises:
            NotDrained: that took longer than `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        last: Due | None = None
        while True:
            self._join(deadline)
            done = self._tally.done
            due = self._drainer.sweep(self.clock())
            if not due.slices and not due.channels and self._idle() and self._tally.done == done:
                return
            if time.monotonic() > deadline:
                raise NotDrained(f"after {timeout:g} s there is still work in {sorted(due.slices)} {set(due.channels)}")
            if due == last:
                time.sleep(BUSY)
            last = due
            self.app.announce(due)

    def _join(self, deadline: float) -> None:
        """Wait until no message is queued or being worked on."""
        try:
            self._queue_broker.join(QUEUE, timeout=max(1, int((deadline - time.monotonic()) * 1000)), fail_fast=False)
        except QueueJoinTimeout:
            raise NotDrained("the workers did not finish what they are at") from None

    def _idle(self) -> bool:
        return not self._queue_broker.queues[QUEUE].unfinished_tasks


class Tally(dramatiq.Middleware):
    """Counts the messages that were worked off."""

    def __init__(self) -> None:
        self.done = 0

    def after_process_message(self, *_: object, **__: object) -> None:
        """One more; called by the worker's threads, and a lost count among them would only cost another look."""
        self.done += 1
