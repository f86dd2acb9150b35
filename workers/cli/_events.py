"""Files of events: one JSON object a line, zipped or not."""

from __future__ import annotations

import gzip
import io
import os
import sys
import zlib
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from workers.simulate import Heard

SHOWN: Final = 10
"""So many lines that could not be read are shown."""
EVERY: Final = 1000
"""Lines between two movements of the progress bar."""
GZIP: Final = b"\x1f\x8b"
"""How a gzipped file begins."""


class Lines:
    """The lines of a file as events, told anew to whoever goes through them.

    Args:
        content: the whole file.

    Attributes:
        number: of lines.
        good: how many events they were.
        bad: of the others, by line, why it is none.
        moved: told now and then how far we are; reading is the first half of the way.
    """

    def __init__(self, content: bytes) -> None:
        self.number = content.count(b"\n") + (not content.endswith(b"\n"))
        self.good = 0
        self.bad: dict[int, str] = {}
        self.moved: Callable[[int], None] = lambda _: None
        self._content = content
        self._process = os.getpid()

    def __iter__(self) -> Iterator[Heard]:
        from workers.simulate import BadLine, read_line

        here = os.getpid() == self._process  # copies of this process read, too, and show nothing
        for number, line in enumerate(io.BytesIO(self._content), 1):
            if here and not number % EVERY:
                self.moved(number)
            if line.isspace():
                continue
            try:
                heard = read_line(line)
            except BadLine as error:
                self.bad[number] = str(error)
            else:
                self.good += 1
                yield heard

    def simulated(self, events: int) -> None:
        """Tell how far we are on the second half of the way."""
        self.moved(self.number + events)


def whole(path: Path) -> bytes:
    """What is in a file, unzipped."""
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(GZIP) else content
    except OSError as error:  # also what is broken in a gzipped file
        raise click.ClickException(f"{path} cannot be read: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise click.ClickException(f"{path} cannot be read: it is cut off, or broken") from error


def complain(lines: Lines) -> None:
    """Tell which lines were left out, and why."""
    for number, why in list(lines.bad.items())[:SHOWN]:
        click.echo(f"line {number}: {why}", err=True)
    if bad := len(lines.bad):
        more = f" (the first {SHOWN} are shown)" if bad > SHOWN else ""
        click.echo(f"{bad} of {bad + lines.good} lines are no events and were left out{more}.", err=True)
