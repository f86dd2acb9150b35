"""Work shared out over this process and copies of it: nothing has to be sent to them, only back.

What all of them need they work out by themselves, each its own. To have it once and share it would take longer: whoever
reads an object in Python also writes to it, and the page of memory that it lies in is copied for that.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from warnings import catch_warnings, simplefilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkProcess

T = TypeVar("T")
LEAST: Final = 20_000
"""Events from which on it is worth the beginning."""


def processes_for(events: int) -> int:
    """How many processes to share so many events out over: one for each core, or this one alone."""
    copies = sys.platform == "linux"  # elsewhere there are none, or none that are safe to use
    return len(os.sched_getaffinity(0)) if copies and events >= LEAST else 1


def shared(work: Callable[[int], Iterable[T]], processes: int) -> Iterator[T]:
    """Do a piece of work in several processes, of which this is one.

    Args:
        work: a share of it, by its number; what comes of it, bit by bit, has to be fit for `pickle`.
        processes: how many there shall be.

    Yields:
        what comes of all shares, as it is done.

    Raises:
        ChildProcessError: one of the processes was ended from outside; and whatever `work` raises.
    """
    fork, children, readers = multiprocessing.get_context("fork"), [], []
    try:
        for share in range(1, processes):
            reader, writer = fork.Pipe(duplex=False)
            child = fork.Process(target=send, args=(work, share, writer), daemon=True)
            begin(child)
            writer.close()  # so that the end of the process is the end of what it sends
            children.append(child)
            readers.append(reader)
        for done in work(0):
            yield done
            yield from received(readers, 0)
        while readers:
            yield from received(readers, None)
    finally:
        for child in children:
            child.terminate()
            child.join()


def begin(child: ForkProcess) -> None:
    """Begin a copy of this process; it takes no lock that another thread here may hold, of which Python 3.12 warns."""
    with catch_warnings():
        simplefilter("ignore", DeprecationWarning)
        child.start()


def send(work: Callable[[int], Iterable[T]], share: int, writer: Connection) -> None:
    """Do a share, and send what comes of it; at the end, or instead, why no more will come."""
    try:
        for done in work(share):
            writer.send((True, done))
    except Exception as error:  # noqa: BLE001  whatever it is, it is raised again where the result is wanted
        writer.send((False, error))
    else:
        writer.send((False, None))


def received(readers: list[Connection], timeout: float | None) -> Iterator[Any]:
    """What has come from some of them within so many seconds; those that are done are taken out."""
    for reader in cast("list[Connection]", wait(readers, timeout)):
        try:
            more, done = reader.recv()
        except EOFError:
            raise ChildProcessError("a process that simulated some of the leads was ended from outside") from None
        if more:
            yield done
        elif done is not None:
            raise done
        else:
            readers.remove(reader)
