"""How the long-running processes live and die: stop at a signal, restart what was killed, never outlive their parent.

`dripline worker` runs dramatiq's `Worker` under a supervisor of its own instead of dramatiq's command line. That one
takes all workers down when one of them is killed, leaves them running when it is killed itself, and reads queue sizes
from the environment while it is imported; here a killed child is replaced, a killed parent takes its children with it,
and everything is an argument.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from workers.exceptions import DriplineError
from workers.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

log = get_logger(__name__)

GRACE: Final = 30.0
"""Seconds that a child may take to finish what it is at."""
QUICK: Final = 10.0
"""A child that lives no longer than these seconds has a problem that a restart will not solve."""
PATIENCE: Final = 5
"""So many quick deaths in a row, and the supervisor gives up."""
LOOK: Final = 0.2
COLLECTED: Final = (20_000, 20, 100)
"""Objects made between two rounds of the garbage collector, and rounds of the young between those of the older. What
the processes make for an event is freed without it; by Python's own figures (700, 10, 10) its rounds took a quarter of
a worker's time, as measured at full load."""


class KeepsDying(DriplineError):
    """The supervised process ends again and again right after its start; its own log says why."""


def settle_down() -> None:
    """Tell the garbage collector that what is loaded by now stays, and that it need not look often.

    For a process that does one thing for its whole life. Rounds over all that is loaded hold everybody up for tens of
    milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED)


def stop_at_signals() -> threading.Event:
    """An event that SIGTERM or SIGINT sets. A second signal ends the process at once.

    A handler runs in the middle of whatever the main thread does. That may be a wait for this very event, whose lock it
    would then wait for in vain; so the handler only writes to a pipe, and a thread sets the event.
    """
    stop = threading.Event()
    reading, writing = os.pipe()
    signals = 0

    def handle(number: int, _frame: Any) -> None:
        nonlocal signals
        signals += 1
        if signals > 1:
            os._exit(128 + number)
        os.write(writing, b"!")

    def wait() -> None:
        os.read(reading, 1)
        stop.set()

    threading.Thread(target=wait, name="signals", daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
    return stop


def exit_at_signals() -> None:
    """Make SIGTERM and SIGINT end the process in order, with code 0."""

    def leave(_number: int, _frame: Any) -> None:
        sys.exit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)


def stop_with_parent(stop: threading.Event) -> None:
    """Set `stop` when standard input ends: it is a pipe that the parent holds open as long as it lives."""

    def wait() -> None:
        while os.read(0, 64):
            pass
        stop.set()

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


class Supervisor:
    """Keeps a number of equal child processes running.

    Args:
        command: what each child runs; it has to end when its standard input does (see `stop_with_parent`).
        count: how many.
    """

    def __init__(self, command: Sequence[str], count: int) -> None:
        self._command = list(command)
        self._children = [Child(self._command) for _ in range(count)]

    def run(self, stop: threading.Event) -> None:
        """Start the children, replace those that die, and end them all once `stop` is set.

        Raises:
            KeepsDying: one of them cannot be kept running.
        """
        try:
            for child in self._children:
                child.start()
            while not stop.wait(LOOK):
                for child in self._children:
                    child.look()
        finally:
            self._end()

    def pids(self) -> Iterator[int]:
        """The children's process ids."""
        return (child.process.pid for child in self._children if child.process)

    def _end(self) -> None:
        for child in self._children:
            child.terminate()
        deadline = time.monotonic() + GRACE
        for child in self._children:
            child.wait(max(0.0, deadline - time.monotonic()))


class Child:
    """One supervised process and its successors."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._started = 0.0
        self._quick_deaths = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it in a process group of its own: a Ctrl-C is the parent's to handle."""
        self._started = time.monotonic()
        self.process = subprocess.Popen(self._command, stdin=subprocess.PIPE, process_group=0)  # noqa: S603  (our own)
        log.info("child_started", pid=self.process.pid)

    def look(self) -> None:
        """Replace it if it died."""
        if self.process is None or self.process.poll() is None:
            return
        lived = time.monotonic() - self._started
        self._quick_deaths = self._quick_deaths + 1 if lived < QUICK else 0
        log.error("child_died", pid=self.process.pid, code=self.process.returncode, lived_s=round(lived, 1))
        if self._quick_deaths >= PATIENCE:
            raise KeepsDying(
                f"a process of this command ended {PATIENCE} times in a row right after its start, the last time with "
                f"code {self.process.returncode}; the lines above say why."
            )
        self._hang_up()
        self.start()

    def terminate(self) -> None:
        """Ask it to end."""
        if self.process and self.process.poll() is None:
            self.process.terminate()

    def wait(self, seconds: float) -> None:
        """Wait for its end, and kill it if that takes too long."""
        if self.process is None:
            return
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            log.warning("child_killed", pid=self.process.pid)
            self.process.kill()
            self.process.wait()
        self._hang_up()

    def _hang_up(self) -> None:
        """Close the pipe whose end tells the child that we are gone."""
        if self.process and self.process.stdin:
            self.process.stdin.close()
