"""What the production processes do: `dripline web`, `dripline worker` and `dripline clock`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import dramatiq
import redis

from workers.actors import declare
from workers.exceptions import ConfigurationError, NoRulebook, NotMigrated, StoreUnavailable
from workers.log import get_logger
from workers.outage import Outage
from workers.processes import exit_at_signals, settle_down
from workers.sweep import leadership
from workers.web.server import bind, serve

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from dramatiq.broker import Broker

    from workers.app import App
    from workers.sweep import Due, Leadership, Sweeper

log = get_logger(__name__)

"""PostgreSQL's SQLSTATE for a table that is not there."""
IDLE_MS: Final = 200
"""Longest pause of a worker between two looks into an empty queue, in milliseconds."""
ALIVE: Final = "dripline:alive"
"""Key that is written to see whether Redis can be written to."""
STOP_MS: Final = 25_000
"""How long a worker waits for what it is at when it stops; container platforms kill after 30 seconds."""


def run_web(app: App) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: a setting is missing, or an address cannot be had.
    """
    app.check()
    exit_at_signals()  # before uvicorn listens for them, and after: it raises them again once it has stopped
    given = app.settings
    with bind(given.host, given.port) as listener, bind(given.status_host, given.status_port) as status:
        port, status_port = listener.getsockname()[1], status.getsockname()[1]
        if port == status_port:  # on another address; requests are told apart by the port that they come in by
            raise ConfigurationError(f"DRIPLINE_PORT and DRIPLINE_STATUS_PORT are both {port}; choose two ports.")
        try:
            log.info("web_started", host=given.host, port=port, status_host=given.status_host, status_port=status_port)
            serve(app.web(status_port=status_port), listener, status, connections=given.max_connections)
        finally:
            log.info("web_stopped")


def run_worker(app: App, stop: threading.Event) -> None:
    """Process and deliver until `stop` is set; what is under way is finished.

    Raises:
        ConfigurationError: a setting is missing.
    """
    app.check(sends=True)
    settle_down()
    with Threads(app.broker, app, app.settings.worker_threads):
        log.info("worker_started", threads=app.settings.worker_threads)
        Fallback(app).run(stop)
        log.info("worker_stopping", patience_s=STOP_MS // 1000)
    log.info("worker_stopped")


def run_clock(app: App, stop: threading.Event) -> None:
    """Find due work again and again until `stop` is set; of several clocks one leads and the others wait."""
    sweeper, every = app.sweeper(), app.settings.sweep_every.total_seconds()
    with leadership(app.engine) as candidate:
        log.info("clock_started")
        while not stop.wait(every):
            due = _lead(app, candidate, sweeper)
            if due is not None:
                app.announce(due)
    log.info("clock_stopped")


def _lead(app: App, candidate: Leadership, sweeper: Sweeper) -> Due | None:
    """What is due, if this clock leads."""
    try:
        due = sweeper.sweep(app.clock()) if candidate.held() else None
    except NotMigrated as error:
        log.warning("database_not_migrated", error=str(error))
    except StoreUnavailable as error:
        app.store.failed(error)
    except Exception:  # whatever it is: the clock goes on, and looks again in a second
        log.exception("sweep_failed")
    else:
        app.store.answered()
        return due
    return None


class Threads:
    """dramatiq's worker threads on a broker, for as long as the block runs.

    Args:
        broker: the actors are declared on it.
        idle_ms: the longest pause between two looks into an empty queue.
    """

    def __init__(self, broker: Broker, app: App, threads: int, *, idle_ms: int = IDLE_MS) -> None:
        declare(broker, app, threads)
        self._worker = dramatiq.Worker(broker, worker_threads=threads, worker_timeout=idle_ms)
        # A message that waits in this process cannot be done by another one.
        self._worker.queue_prefetch = threads
        self._worker.delay_prefetch = 1

    def __enter__(self) -> None:
        self._worker.start()

    def __exit__(self, *_: object) -> None:
        self._worker.stop(timeout=STOP_MS)


class Fallback:
    """Keeps the work going while Redis is away: the worker then looks for due work itself, as the clock does."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._sweeper = app.sweeper()
        self._redis = Outage(log, "working_without_redis", "working_with_redis")

    def run(self, stop: threading.Event) -> None:
        """Watch Redis and PostgreSQL until `stop` is set."""
        while not stop.wait(self._app.settings.sweep_every.total_seconds()):
            self._app.look_at_store()
            if self._redis_answers():
                self._redis.answered()
            else:
                self.work()

    def work(self) -> None:
        """Do what is due, in this thread; what fails stays due, and keeps nothing else from being done."""
        found: list[Due] = []
        self._try(lambda: found.append(self._sweeper.sweep(self._app.clock())))
        for due in found:
            for slice_ in due.slices:
                self._try(partial(self._app.process, [slice_]))
            for channel in due.channels:
                self._try(partial(self._app.deliver, channel))

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except StoreUnavailable as error:
            self._app.store.failed(error)
        except NoRulebook as error:
            log.warning("no_rulebook", error=str(error))
        except Exception:  # whatever it is: it keeps nothing else from being done
            log.exception("work_failed")

    def _redis_answers(self) -> bool:
        """True if Redis takes messages: a full one and a replica answer PING, and refuse every write."""
        client: redis.Redis | None = getattr(self._app.broker, "client", None)
        try:
            return client is None or bool(client.set(ALIVE, 1, ex=60))
        except redis.RedisError as error:
            self._redis.failed(error)
            return False
