"""How long people wait for an answer about a database full of leads."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from tests.benchmarks.campaigns.journey import files
from tests.benchmarks.stack import free_port, wait_for
from tests.folders import write_files

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.stack import Stack

COMMANDS: Final = {
    "dripline --version": ("--version",),
    "dripline status": ("status",),
    "dripline campaign list": ("campaign", "list"),
    "dripline campaign show": ("campaign", "show", "c0"),
    "dripline apply --dry-run": ("apply", "--dry-run", "--leads", "0", "rules", "templates"),
    "dripline explain": ("explain", "person7@company7.test"),
}
"""The first does nothing with the database: every other one takes that long to start."""
PAGES: Final = {"the status page": "", "metrics": "metrics"}


def answers(stack: Stack, rate: int) -> dict[str, float]:
    """Seconds, the start of the program included; of the web process, as it is asked for the first time."""
    with TemporaryDirectory() as folder:
        write_files(Path(folder), files(rate + 1))
        found = {name: timed(lambda given=given: run(stack, given, folder)) for name, given in COMMANDS.items()}
    for name, path in PAGES.items():
        port = free_port()
        with stack.running("web", "--port", "0", DRIPLINE_STATUS_PORT=str(port)) as web:
            wait_for(lambda port=port: reached(port), web)
            found[name] = timed(lambda port=port, path=path: fetch(port, path))
    return found


def timed(work: Callable[[], object]) -> float:
    """Seconds that something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def run(stack: Stack, command: tuple[str, ...], folder: str) -> None:
    """A command of Dripline's, from its start to its end."""
    environ = stack.environ(PYTHONPATH=str(Path.cwd()))
    done = subprocess.run(
        [sys.executable, "-m", "workers.cli", *command], cwd=folder, env=environ, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"dripline {' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def reached(port: int) -> bool:
    """True if somebody listens there."""
    with suppress(OSError):
        return fetch(port, "metrics.txt") > 0  # a page that is not there: nothing is counted for it
    return False


def fetch(port: int, path: str) -> int:
    """The answer's status."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
