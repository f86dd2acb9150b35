from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.waiting import eventually
from workers.processes import KeepsDying, Supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator

LIVES = r"import os, sys; os.write(1, b'%d\n' % os.getpid()); sys.stdin.read()"
"""One write, so that the lines of two children cannot mix, whether their output is buffered or not."""
DIES = "raise SystemExit(3)"
SUPERVISES = f"""
import sys, threading
from workers.processes import Supervisor, stop_at_signals
Supervisor([sys.executable, '-c', {LIVES!r}], 2).run(stop_at_signals())
"""


def alive(pid: int) -> bool:
    """True unless the process has ended (a zombie that nobody waits for has)."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_a_killed_child_is_replaced_and_all_end_at_the_stop():
    supervisor = Supervisor([sys.executable, "-c", LIVES], 2)
    stop = threading.Event()
    thread = threading.Thread(target=supervisor.run, args=(stop,))
    thread.start()
    eventually(lambda: len(list(supervisor.pids())) == 2)
    first = set(supervisor.pids())
    os.kill(min(first), signal.SIGKILL)
    eventually(lambda: len(set(supervisor.pids()) - first) == 1)
    last = set(supervisor.pids())
    stop.set()
    thread.join(30)
    assert not any(alive(pid) for pid in last)


def test_a_child_that_dies_right_after_its_start_again_and_again_is_given_up():
    with pytest.raises(KeepsDying, match="code 3"):
        Supervisor([sys.executable, "-c", DIES], 1).run(threading.Event())


@pytest.fixture
def family() -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A supervisor in a process of its own, and its children's ids."""
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISES], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        assert parent.stdout
        try:
            yield parent, [int(parent.stdout.readline()) for _ in range(2)]
        finally:
            parent.kill()


def test_children_end_with_a_killed_parent(family: tuple[subprocess.Popen[str], list[int]]):
    parent, children = family
    parent.kill()
    parent.wait()
    eventually(lambda: not any(alive(pid) for pid in children))


def test_a_signal_in_the_middle_of_a_wait_for_it_does_not_lock_up():
    """The main thread may hold the event's own lock when the handler runs."""
    code = """
import os, signal
from workers.processes import stop_at_signals
stop = stop_at_signals()
with stop._cond:
    os.kill(os.getpid(), signal.SIGTERM)
assert stop.wait(10)
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 0


def test_sigterm_ends_parent_and_children_with_code_0(family: tuple[subprocess.Popen[str], list[int]]):
    parent, children = family
    parent.terminate()
    assert parent.wait(30) == 0
    assert not any(alive(pid) for pid in children)
