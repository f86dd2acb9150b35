"""Work shared out over processes that begin as copies of this one: nothing has to be sent to them, only back."""

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


def shared(work: Callable[[int], T], pieces: int, processes: int) -> Iterator[tuple[int, T]]:
    """Do numbered pieces of work in several processes.

    Args:
        work: a piece, by its number; what it returns has to be fit for `pickle`.
        pieces: how many there are.
        processes: how many to begin.

    Yields:
        the number of each piece, and what came of it, as they are done.

    Raises:
        ChildProcessError: one of the processes was ended from outside; and whatever `work` raises.
    """
    fork, children, readers = multiprocessing.get_context("fork"), [], []
    try:
        for first in range(processes):
            reader, writer = fork.Pipe(duplex=False)
            child = fork.Process(target=send, args=(work, range(first, pieces, processes), writer), daemon=True)
            begin(child)
            writer.close()  # so that the end of the process is the end of what it sends
            children.append(child)
            readers.append(reader)
        yield from received(readers)
    finally:
        for child in children:
            child.terminate()
            child.join()


def begin(child: ForkProcess) -> None:
    """Begin a copy of this process; it takes no lock that another thread here may hold, of which Python 3.12 warns."""
    with catch_warnings():
        simplefilter("ignore", DeprecationWarning)
        child.start()


def send(work: Callable[[int], T], pieces: Iterable[int], writer: Connection) -> None:
    """Do some pieces, and send what comes of them; at the end, or instead, why no more will come."""
    try:
        for piece in pieces:
            writer.send((piece, work(piece)))
    except Exception as error:  # noqa: BLE001  whatever it is, it is raised again where the result is wanted
        writer.send((None, error))
    else:
        writer.send((None, None))


def received(readers: list[Connection]) -> Iterator[tuple[int, Any]]:
    """What comes from all of them, until each has told that it is done."""
    while readers:
        for reader in cast("list[Connection]", wait(readers)):
            try:
                piece, done = reader.recv()
            except EOFError:
                raise ChildProcessError("a process that simulated some of the leads was ended from outside") from None
            if piece is not None:
                yield piece, done
            elif done is not None:
                raise done
            else:
                readers.remove(reader)
