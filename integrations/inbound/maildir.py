"""A Maildir: a folder with `new`, `cur` and `tmp`, as mail servers on the same machine fill it.

Mail in `new` is read; what was taken in is moved to `cur` and marked as seen, where mail programs find it.
Format: https://cr.yp.to/proto/maildir.html
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003  (settings are read by their types)
from typing import TYPE_CHECKING, Final

from integrations.contracts import Letter
from integrations.exceptions import ConfigurationError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SEEN: Final = ":2,S"


@dataclass(frozen=True)
class Adapter:
    """A Maildir.

    Attributes:
        path: its folder.
        most: bytes of a mail that are read.

    Raises:
        ConfigurationError: it is none.
    """

    path: Path
    most: int = 10_000_000

    def __post_init__(self) -> None:
        """See that it is a Maildir."""
        if not (self.path / "new").is_dir() or not (self.path / "cur").is_dir():
            raise ConfigurationError(f"{self.path} is no Maildir: it has no folders `new` and `cur`", "path")

    def fetch(self, number: int) -> Iterator[Letter]:
        """Mails that were not taken in yet, the oldest first, each cut after `most` bytes."""
        try:
            names = sorted(each.name for each in (self.path / "new").iterdir())[:number]
        except OSError as error:
            raise Unavailable(f"the Maildir cannot be read: {error}") from error
        for name in names:
            with (self.path / "new" / name).open("rb") as file:
                yield Letter(name, file.read(self.most))

    def done(self, handles: Sequence[str]) -> None:
        """Mark mails as seen. One that is gone already was taken by a mail program, and that is as good."""
        for name in handles:
            target = self.path / "cur" / (name.partition(":")[0] + SEEN)
            try:
                (self.path / "new" / name).rename(target)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise Unavailable(f"the Maildir cannot be written to: {error}") from error

    def close(self) -> None:
        """Nothing is held open."""
