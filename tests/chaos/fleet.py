"""A whole Dripline as it runs in production: three commands that a supervisor restarts, and the servers around them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from tests.chaos.company import BUNDLE, OWNER, SECRET
from tests.chaos.others import Crm, Mails
from tests.conftest import connected, new_database
from tests.servers import Redis
from workers.demo.hubspot import TOKEN
from workers.rulebook import version_of
from workers.store import rulebooks
from workers.store.database import migrate, transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.servers import Postgres

ROOT: Final = Path(__file__).parents[2]
WORKERS: Final = 2
LOOK: Final = 0.05
"""Seconds between two looks at something that is waited for."""
TAIL: Final = 4000
"""Characters of each log that a failed test shows."""


def wait_for(what: str, true: Callable[[], Any], patience: float = 90.0, told: Callable[[], object] = str) -> None:
    """Wait until something is true.

    Raises:
        TimeoutError: it did not become true; `told` adds what there was instead.
    """
    deadline = time.monotonic() + patience
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {patience:g} s in vain until {what}; {told()}")
        time.sleep(LOOK)


class Unit:
    """One of our commands under a supervisor that starts it again whenever it ends.

    Attributes:
        starts: how often it was started.
        log: what all of its processes said.
    """

    def __init__(self, name: str, arguments: Sequence[str], environ: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.starts = 0
        self.log = folder / f"{name}.log"
        self._command = [sys.executable, "-m", "workers.cli", name, *arguments]
        self._environ = environ
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self.log.touch()

    def said(self, event: str) -> int:
        """How often a line of this event stands in the log."""
        return self.log.read_text().count(f'"event": "{event}"')

    def keep(self) -> None:
        """Start it unless it runs."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                return
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    self._command, env=self._environ, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True,
                )  # fmt: skip
            self.starts += 1

    def kill(self) -> None:
        """`kill -9` of the command and all of its children at once."""
        with self._lock:
            if self._process is not None:
                family = [self._process.pid, *children(self._process.pid)]
                for pid in family:
                    kill(pid)
                self._process.wait()

    def kill_alone(self) -> None:
        """`kill -9` of the command's own process; its children have to find out."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.wait()

    def kill_child(self) -> None:
        """`kill -9` of one child; the command has to find out."""
        with self._lock:
            pids = children(self._process.pid) if self._process is not None else []
            if pids:
                kill(pids[0])


def children(pid: int) -> list[int]:
    """The direct children of a process."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def kill(pid: int) -> None:
    """`kill -9`."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


class Fleet:
    """Web, worker and clock on PostgreSQL and Redis, with a mail server and a CRM on the other side.

    Attributes:
        engine: the tests' own connections to the database.
        done: what was done to it, in order.
    """

    def __init__(self, postgres: Postgres, url: str, folder: Path, closing: ExitStack) -> None:
        self.postgres = postgres
        self.engine = closing.enter_context(connected(url))
        self.redis = Redis()
        closing.callback(self.redis.close)
        self.mails = closing.enter_context(Mails())
        self.crm = closing.enter_context(Crm(owners={OWNER: "1"}))
        self.port = free_port()
        self.done: list[str] = []
        environ = self._environ(url, folder)
        self.web = Unit("web", ["--port", str(self.port)], environ, folder)
        self.worker = Unit("worker", ["--processes", str(WORKERS)], environ, folder)
        self.clock = Unit("clock", [], environ, folder)
        self.units = (self.web, self.worker, self.clock)

    def _environ(self, url: str, folder: Path) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DRIPLINE_")}
        return {
            **inherited,
            "DRIPLINE_DATABASE_URL": url,
            "DRIPLINE_REDIS_URL": self.redis.url,
            "DRIPLINE_DATA_DIR": str(folder / "data"),
            "DRIPLINE_LOG_FORMAT": "json",
            "DRIPLINE_SECRET": "a secret of the chaos tests, made up for them",
            "DRIPLINE_LEASE": "3s",
            "DRIPLINE_RETRY_SCHEDULE": "0.2s 0.5s 1s 2s 4s 8s",
            "DRIPLINE_SITE_SECRET": SECRET,
            "DRIPLINE_STATUS_PORT": "0",
            "DRIPLINE_EMAIL": "smtp",
            "DRIPLINE_SMTP_HOST": self.mails.host,
            "DRIPLINE_SMTP_PORT": str(self.mails.port),
            "DRIPLINE_SMTP_SECURITY": "none",
            "DRIPLINE_HUBSPOT_TOKEN": TOKEN,
            "DRIPLINE_HUBSPOT_BASE_URL": self.crm.url,
        }

    def rows(self, query: str, **given: Any) -> list[Any]:
        """What the database answers."""
        with transaction(self.engine) as conn:
            return list(conn.execute(text(query), given))

    def ready(self) -> bool:
        """True once every process was seen at work."""
        return self.worker.said("worker_started") == WORKERS and self.clock.said("clock_started") > 0 and self.open()

    def open(self) -> bool:
        """True if the web process takes deliveries."""
        url = f"http://127.0.0.1:{self.port}/readyz"
        with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    def logs(self) -> str:
        """The end of what each process said."""
        return "\n".join(
            f"──── {unit.name}, started {unit.starts} times: {unit.log}\n{unit.log.read_text()[-TAIL:]}"
            for unit in self.units
        )


@contextmanager
def running(postgres: Postgres, folder: Path) -> Iterator[Fleet]:
    """A fleet with the company's rules in force; its logs are printed if the block fails."""
    with ExitStack() as closing:
        url = closing.enter_context(new_database(postgres.url()))
        fleet = Fleet(postgres, url, folder, closing)
        put_rules(fleet)
        closing.enter_context(supervised(fleet.units))
        wait_for("all processes are ready", fleet.ready, told=fleet.logs)
        try:
            yield fleet
        except BaseException:
            print(f"done to it: {fleet.done}\n{fleet.logs()}")  # noqa: T201  (pytest shows it below the failure)
            raise


def put_rules(fleet: Fleet) -> None:
    """Make the tables, and put the company's rules in force."""
    now = datetime.now(UTC)
    migrate(fleet.engine, now)
    with transaction(fleet.engine) as conn:
        rulebooks.apply(conn, version_of(BUNDLE), BUNDLE, author="chaos", message="", now=now)


@contextmanager
def supervised(units: Sequence[Unit]) -> Iterator[None]:
    """Keep the commands running as long as the block does, and kill them at its end."""
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for unit in units:
                unit.keep()
            stop.wait(LOOK)

    thread = threading.Thread(target=watch, name="supervisor")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        for unit in units:
            unit.kill()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
