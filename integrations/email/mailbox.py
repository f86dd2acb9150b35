"""A mailbox in a folder, for development: every mail is a file that any mail program opens, and nobody gets it."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from integrations.contracts import Accepted
from integrations.exceptions import ConfigurationError, Unavailable
from integrations.mime import build

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import EmailMessage

    from integrations.contracts import Mail

SUFFIX: Final = ".eml"
READABLE: Final = 80
"""Characters of the key that stand in a file's name, for people; a hash behind them makes it unique."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Stored:
    """One mail in the box, read back.

    Attributes:
        name: of its file; what `Adapter.read` takes.
        html: None if the mail has no such part.
    """

    name: str
    sender: str
    to: str
    subject: str
    date: datetime | None
    message_id: str
    text: str
    html: str | None


@dataclass(frozen=True, slots=True)
class Adapter:
    """A folder of `.eml` files, one per key.

    Attributes:
        folder: made if it is not there.
        clock: for the `Date` header.
    """

    takes_key: ClassVar[bool] = True

    folder: Path
    clock: Callable[[], datetime] = field(default=_utc_now, repr=False)

    def __post_init__(self) -> None:
        """Make the folder."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"is '{self.folder}', which cannot be made: {error}", "folder") from error

    def send(self, mail: Mail) -> Accepted:
        """Put the mail in the box, whole or not at all; a key that is there already stays as it is.

        Raises:
            Rejected: the mail's own headers are unusable.
            Unavailable: the folder cannot be written.
        """
        name = file_name(mail.key)
        letter = build(mail, self.clock())
        try:
            self._write(self.folder / name, letter.data)
        except OSError as error:
            raise Unavailable(f"the mailbox {self.folder} cannot be written: {error}") from error
        return Accepted(name)

    def list(self, limit: int = 100) -> tuple[Stored, ...]:
        """The latest mails, newest first."""
        files = [(entry.stat().st_mtime_ns, entry.name) for entry in os.scandir(self.folder) if _is_mail(entry.name)]
        newest = sorted(files, reverse=True)[:limit]
        return tuple(found for _, name in newest if (found := self.read(name)) is not None)

    def read(self, name: str) -> Stored | None:
        """One mail by the name of its file; None if there is none of that name (or it is no name)."""
        data = self.raw(name)
        if data is None:
            return None
        message: EmailMessage = message_from_bytes(data, policy=policy.default)
        date = message["date"]
        return Stored(
            name=name,
            sender=str(message["from"] or ""),
            to=str(message["to"] or ""),
            subject=str(message["subject"] or ""),
            date=date.datetime if date is not None else None,
            message_id=str(message["message-id"] or "").strip("<>"),
            text=_content(message, "plain") or "",
            html=_content(message, "html"),
        )

    def raw(self, name: str) -> bytes | None:
        """The file of one mail; None if there is none of that name (or it is no name)."""
        if not _is_mail(name) or Path(name).name != name:
            return None
        try:
            return (self.folder / name).read_bytes()
        except (OSError, ValueError):  # ValueError: a NUL character in the name
            return None

    def close(self) -> None:
        """Nothing is kept open."""

    def _write(self, path: Path, data: bytes) -> None:
        if path.exists():
            return
        handle, draft = tempfile.mkstemp(dir=self.folder, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(draft).replace(path)
        except OSError:
            Path(draft).unlink(missing_ok=True)
            raise


def file_name(key: str) -> str:
    """The file that a key's mail is in: readable, safe in any file system, different for different keys."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", key).strip("-.")[:READABLE]
    return f"{readable or 'mail'}-{blake2b(key.encode(errors='replace'), digest_size=6).hexdigest()}{SUFFIX}"


def _is_mail(name: str) -> bool:
    return name.endswith(SUFFIX) and not name.startswith(".")


def _content(message: EmailMessage, subtype: str) -> str | None:
    part = message.get_body((subtype,))
    payload = part.get_payload(decode=True) if part is not None else None
    return payload.decode(errors="replace").replace("\r\n", "\n") if isinstance(payload, bytes) else None
