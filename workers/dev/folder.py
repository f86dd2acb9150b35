"""The folder of one `dripline dev`: who works in it, and the secrets made for it."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import stat
from typing import TYPE_CHECKING, Final

from workers.exceptions import DriplineError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

IGNORE: Final = "*\n"
LINKS: Final = "DRIPLINE_SECRET"
MAKERS: Final[dict[str, Callable[[], str]]] = {
    "standard": lambda: "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),
    "typeform": lambda: secrets.token_urlsafe(24),
}
"""By source adapter: how its `secret` is made. Other adapters' keys come from their vendor only."""


class InUse(DriplineError):
    """Another process works in the folder."""


class Folder:
    """A data folder that belongs to this process while it is locked. The lock ends with the process, however it ends.

    Args:
        path: made if it is missing; its content is no business of git.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None

    def lock(self) -> None:
        """Take the folder.

        Raises:
            InUse: another process has it.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.geteuid() == 0:  # then the database runs as another account, which has to pass through here
            self.path.chmod(self.path.stat().st_mode | stat.S_IXOTH)
        if not (self.path / ".gitignore").exists():
            (self.path / ".gitignore").write_text(IGNORE)
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(lock, 32).decode() or "?"
            os.close(lock)
            raise InUse(
                f"another `dripline dev` (process {holder}) works in {self.path}; stop it, or work in another folder "
                "(--data FOLDER)."
            ) from error
        os.truncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        self._lock = lock

    def publish(self, url: str) -> None:
        """Say where the process that has the folder answers."""
        (self.path / "url").write_text(url)

    def url(self) -> str:
        """Where the process that has the folder answers; empty if it never said so, or ended in order."""
        try:
            return (self.path / "url").read_text()
        except FileNotFoundError:
            return ""

    def release(self) -> None:
        """Let others take the folder."""
        if self._lock is not None:
            (self.path / "url").unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def secret(self, name: str, make: Callable[[], str] = lambda: secrets.token_urlsafe(32)) -> str:
        """A secret of this folder's own by the name of its variable: made when first asked for, then kept."""
        kept = self.secrets()
        if name not in kept:
            kept[name] = make()
            self._keep(kept)
        return kept[name]

    def _keep(self, kept: dict[str, str]) -> None:
        """Write all of them beside, and put that in place in one go: a crash leaves the old ones or the new."""
        beside = self.path / "secrets.json.new"
        file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(file, "w", encoding="utf-8") as handle:
            json.dump(kept, handle, indent=2)
            handle.flush()
            os.fsync(file)
        beside.replace(self.path / "secrets.json")

    def secrets(self) -> dict[str, str]:
        """All secrets made for this folder so far, by variable."""
        try:
            kept: dict[str, str] = json.loads((self.path / "secrets.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return kept
