"""The servers and processes that are measured: PostgreSQL with fsync, Redis, and Dripline's own commands."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from tests.benchmarks.deliveries import settings
from tests.benchmarks.rules import bundle
from tests.servers import Postgres, Redis
from workers.rulebook import version_of
from workers.store import rulebooks
from workers.store.database import connect, migrate, transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy import Engine

TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 60.0


@dataclass(frozen=True)
class Used:
    """What a process and its children used: seconds of CPU, and the largest peak of memory among them in MB."""

    cpu: float
    peak_mb: float


class Process:
    """One of our commands, running."""

    def __init__(self, arguments: list[str], environ: Mapping[str, str], folder: Path) -> None:
        self.name = arguments[-1] if len(arguments) < 3 else arguments[2]
        self.log = folder / f"{time.monotonic_ns()}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *arguments], env=dict(environ), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def used(self) -> Used:
        """Since its start."""
        return used_by(self.process.pid)

    def stop(self) -> None:
        """As an operator would."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def check(self) -> None:
        """Raise with its log if it ended."""
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.log.read_text()[-3000:]}")


class Stack:
    """Fresh servers with a fresh database, in which these rules are in force, by default those of `rules`."""

    def __init__(self, files: Mapping[str, str] | None = None) -> None:
        self.postgres = Postgres(durable=True)
        self.redis = Redis()
        self.folder = self.redis.folder
        self.engine: Engine = connect(self.postgres.url())
        now = datetime.now(UTC)
        migrate(self.engine, now)
        files = files or bundle()
        with transaction(self.engine) as conn:
            rulebooks.apply(conn, version_of(files), files, author="benchmark", message="", now=now)

    def close(self) -> None:
        """Stop the servers."""
        self.engine.dispose()
        self.redis.close()
        self.postgres.close()

    def environ(self, **more: str) -> dict[str, str]:
        """Of every process."""
        own = {
            "DRIPLINE_DATABASE_URL": self.postgres.url(),
            "DRIPLINE_REDIS_URL": self.redis.url,
            "DRIPLINE_SECRET": "a secret of the benchmarks, made up for them",
            "DRIPLINE_DATA_DIR": str(self.folder / "data"),
            "DRIPLINE_EMAIL": "mailbox",
            "DRIPLINE_STATUS_PORT": "0",
            "DRIPLINE_LOG_LEVEL": "warning",
            "BENCHMARK_DATABASE_URL": self.postgres.url(),
            "BENCHMARK_REDIS_URL": self.redis.url,
        }
        return {**os.environ, **own, **settings(), **more}

    @contextmanager
    def web(self) -> Iterator[tuple[Process, int]]:
        """`dripline web`, answering; with its port."""
        port = free_port()
        with self.running("web", "--port", str(port)) as process:
            wait_for(lambda: _ready(port), process)
            yield process, port

    @contextmanager
    def running(self, *command: str, **environ: str) -> Iterator[Process]:
        """A command of Dripline's for as long as the block runs."""
        with self.process("-m", "workers.cli", *command, **environ) as process:
            yield process

    @contextmanager
    def process(self, *arguments: str, **environ: str) -> Iterator[Process]:
        """A Python process for as long as the block runs."""
        process = Process([*arguments], self.environ(**environ), self.folder)
        try:
            yield process
            process.check()
        finally:
            process.stop()

    def scalar(self, query: str) -> Any:
        """One value from the database."""
        with self.engine.connect() as conn:
            return conn.scalar(text(query))


def used_by(pid: int) -> Used:
    """What a process and its children used."""
    with suppress(FileNotFoundError, ProcessLookupError):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        own = Used(sum(map(int, fields[11:15])) / TICKS, _peak(pid))
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        parts = [own, *(used_by(int(child)) for child in children)]
        return Used(sum(each.cpu for each in parts), max(each.peak_mb for each in parts))
    return Used(0.0, 0.0)


def _peak(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for(true: Callable[[], Any], *processes: Process, patience: float = PATIENCE, every: float = 0.02) -> None:
    """Wait until something is true, while the processes live; looks `every` so many seconds."""
    deadline = time.monotonic() + patience
    while not true():
        for process in processes:
            process.check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing came of it in {patience:g} s")
        time.sleep(every)


def _ready(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
        return bool(answer.status == 200)
    return False
