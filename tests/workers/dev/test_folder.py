from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from workers.dev.folder import MAKERS, Folder, InUse

if TYPE_CHECKING:
    from pathlib import Path

HOLDS = "import sys, pathlib; from workers.dev.folder import Folder; Folder(pathlib.Path(sys.argv[1])).lock(); print(1, flush=True); sys.stdin.read()"  # noqa: E501


def test_two_processes_do_not_work_in_one_folder_and_a_killed_one_leaves_it_free(tmp_path: Path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, tmp_path / "data"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        other.stdout.readline()
        with pytest.raises(InUse, match=f"process {other.pid}"):
            Folder(tmp_path / "data").lock()
        other.kill()
        other.wait()
        folder = Folder(tmp_path / "data")
        folder.lock()
        folder.release()


def test_a_secret_is_made_once_and_nobody_else_can_read_it(tmp_path: Path):
    folder = Folder(tmp_path)
    made = folder.secret("DRIPLINE_SECRET")
    assert len(made) >= 32
    assert Folder(tmp_path).secret("DRIPLINE_SECRET") == made
    assert folder.secret("DRIPLINE_PRODUCT_SECRET", MAKERS["standard"]).startswith("whsec_")
    assert set(folder.secrets()) == {"DRIPLINE_SECRET", "DRIPLINE_PRODUCT_SECRET"}
    assert (tmp_path / "secrets.json").stat().st_mode & 0o077 == 0


def test_the_folder_is_no_business_of_git(tmp_path: Path):
    folder = Folder(tmp_path / "data")
    folder.lock()
    assert (tmp_path / "data" / ".gitignore").read_text() == "*\n"
    folder.release()


def test_the_address_is_there_as_long_as_somebody_answers(tmp_path: Path):
    folder = Folder(tmp_path)
    assert folder.url() == ""
    folder.lock()
    folder.publish("http://127.0.0.1:8000")
    assert Folder(tmp_path).url() == "http://127.0.0.1:8000"
    folder.release()
    assert folder.url() == ""
