from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from workers.dev import postgres
from workers.dev.postgres import NOT_RUNNING, Postgres, ServerFailed
from workers.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = os.geteuid() == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every account may pass through, with a short path."""
    made = Path(tempfile.mkdtemp(prefix="dripline-pg-"))
    made.chmod(0o711)
    yield made
    Postgres(made / "data").stop()
    shutil.rmtree(made)


def one(url: str, query: str) -> object:
    with psycopg.connect(url) as conn:
        row = conn.execute(query.encode()).fetchone()
        assert row
        return row[0]


def server_pid(data: Path) -> int:
    return int((data / "postmaster.pid").read_text().splitlines()[0])


def test_it_starts_is_found_running_and_keeps_its_data(folder: Path):
    server = Postgres(folder / "data")
    assert server.running_url() is None
    url = server.start()
    with psycopg.connect(url) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 7 AS n")
    assert Postgres(folder / "data").start() == url == server.running_url()
    server.stop()
    assert server.running_url() is None
    assert one(server.start(), "SELECT n FROM kept") == 7
    assert one(url, "SELECT current_setting('fsync')") == "on"
    assert one(url, "SELECT current_setting('listen_addresses')") == ""


def test_it_starts_again_after_the_server_was_killed(folder: Path):
    server = Postgres(folder / "data")
    url = server.start()
    with psycopg.connect(url) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 7 AS n")
    os.kill(server_pid(folder / "data"), signal.SIGKILL)
    assert one(server.start(), "SELECT n FROM kept") == 7


def test_an_installation_that_was_interrupted_is_made_anew(folder: Path):
    server = Postgres(folder / "data")
    server.start()
    server.stop()
    shutil.rmtree(folder / "data")
    (folder / "data").mkdir()
    (folder / "data" / "half-made").mkdir()
    (folder / "data" / "half-made" / "PG_VERSION").write_text("18")
    assert one(server.start(), "SELECT 1") == 1


def test_a_path_that_is_too_long_for_a_socket_gets_its_socket_elsewhere(folder: Path):
    deep = folder / ("x" * 90)
    deep.mkdir(mode=0o711)
    server = Postgres(deep / "data")
    try:
        url = server.start()
        assert str(deep) not in url
        assert one(url, "SELECT 1") == 1
    finally:
        server.stop()
        shutil.rmtree(postgres._socket_folder((deep / "data").resolve()))


def test_a_path_with_blanks_and_quotes_is_a_path(folder: Path):
    odd = folder / "my 'own' data"
    odd.mkdir(mode=0o711)
    server = Postgres(odd / "data")
    assert one(server.start(), "SELECT 1") == 1
    server.stop()


def test_a_server_that_cannot_start_says_why(folder: Path):
    server = Postgres(folder / "data")
    server.start()
    server.stop()
    with (folder / "data" / "postgresql.conf").open("a") as conf:
        conf.write("shared_buffers = nonsense\n")
    with pytest.raises(ServerFailed, match="shared_buffers"):
        server.start()


@pytest.mark.skipif(not ROOT, reason="only root starts servers for somebody else; the test below is the other side")
def test_under_root_it_runs_as_another_account_and_opens_up_nobodys_folders(tmp_path: Path):
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    server = Postgres(private / "data")
    try:
        url = server.start()
        pid = server_pid((private / "data").resolve())
        assert Path(f"/proc/{pid}").stat().st_uid in {
            pwd.getpwnam(name).pw_uid for name in ("postgres", "nobody") if _known(name)
        }
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        assert one(url, "SELECT 1") == 1
    finally:
        server.stop()
        shutil.rmtree((private / "data").resolve())


@pytest.mark.skipif(not ROOT, reason="only root keeps data elsewhere")
def test_data_kept_elsewhere_go_once_nobody_links_to_them(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(postgres, "SHARED", folder / "shared")
    places = []
    for name in ("first", "second", "third"):
        (tmp_path / name).mkdir(mode=0o700)
        places.append(Postgres(tmp_path / name / "data")._data())
        if name == "first":
            shutil.rmtree(tmp_path / name)
    assert [place.exists() for place in places] == [False, True, True]


def _known(name: str) -> bool:
    return any(entry.pw_name == name for entry in pwd.getpwall())


@pytest.mark.skipif(not ROOT, reason="only root can hide the binaries from others")
def test_under_root_binaries_that_others_cannot_reach_are_copied_to_where_they_can(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(postgres, "SHARED", folder / "shared")
    original = postgres._can_run
    monkeypatch.setattr(
        postgres, "_can_run", lambda tools, account: "shared" in str(tools) and original(tools, account)
    )
    server = Postgres(folder / "data")
    assert one(server.start(), "SELECT 1") == 1
    server.stop()


def test_data_of_somebody_else_are_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch):
    (folder / "data").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: (folder / "data").stat().st_uid + 1)
    with pytest.raises(ConfigurationError, match="belongs to user"):
        Postgres(folder / "data").start()


def test_the_exit_code_for_not_running_is_the_one_of_pg_ctl(folder: Path):
    server = Postgres(folder / "data")
    server.start()
    server.stop()
    account = postgres._account_of(folder / "data")
    tools = postgres._binaries(account)
    done = postgres._call([tools / "pg_ctl", "-D", folder / "data", "status"], account, folder / "data")
    assert done.returncode == NOT_RUNNING
