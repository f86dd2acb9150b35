"""The command `dripline` itself: its help, and what it says where something is wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from workers.cli._main import SECTIONS, cli, said

if TYPE_CHECKING:
    from tests.workers.cli.conftest import Dripline

NAMES = cli.list_commands(None)  # type: ignore[arg-type, attr-defined]


def test_help_lists_every_command_with_a_sentence(dripline: Dripline):
    shown = dripline("--help")
    assert shown.code == 0
    for name in NAMES:
        assert re.search(rf"^  {name} +[A-Z]", shown.out, re.MULTILINE), name
    assert all(f"{section}:" in shown.out for section in SECTIONS)
    assert "Exit codes" in shown.out


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself(dripline: Dripline, name: str):
    assert dripline(name, "--help").out.startswith(f"Usage: dripline {name}")


def test_help_is_quick():
    """It imports click and nothing heavy: no database, no broker, no templates."""
    code = "import sys; from workers.cli import main; main(['--help'])"
    watched = f"import atexit, sys; atexit.register(lambda: print(sorted(sys.modules), file=sys.stderr)); {code}"
    done = subprocess.run([sys.executable, "-c", watched], capture_output=True, text=True, check=True)
    heavy = {"sqlalchemy", "dramatiq", "jinja2", "rich", "requests", "redis", "yaml", "orjson", "psycopg", "uvicorn"}
    assert not heavy & set(re.findall(r"'([\w.]+)'", done.stderr))


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["explian"], 2, "did you mean explain?"),
        (["check", "--fromat", "json"], 2, "--format"),
        (["outbox", "settle", "1"], 2, "--as"),
        (["quarantine", "replay"], 2, "Name ids, or a --reason."),
        (["worker", "--processes", "0"], 2, "x>=1"),
    ],
)
def test_what_is_not_understood_ends_with_2_and_a_hint(dripline: Dripline, arguments: list[str], code: int, says: str):
    done = dripline(*arguments)
    assert done.code == code
    assert says in done.err


@pytest.mark.parametrize("command", [["status"], ["migrate"], ["explain", "a@b.test"], ["outbox", "list"]])
def test_without_a_database_there_is_a_sentence_and_no_traceback(dripline: Dripline, command: list[str]):
    done = dripline(*command)
    assert done.code == 1
    assert "set DRIPLINE_DATABASE_URL, or run `dripline dev`" in done.err
    assert "Traceback" not in done.err


def test_a_database_that_does_not_answer_is_said_to_be_away(dripline: Dripline, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DRIPLINE_DATABASE_URL", "postgresql://x@127.0.0.1:1/x")
    done = dripline("status")
    assert done.code == 1
    assert done.err.startswith("Error: PostgreSQL is not available")


def test_an_unusable_setting_is_named(dripline: Dripline, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DRIPLINE_PORT", "http")
    assert "DRIPLINE_PORT is 'http'; write a whole number." in dripline("status").err


def test_a_database_without_tables_is_told_from_one_that_is_away(
    dripline: Dripline, server_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DRIPLINE_DATABASE_URL", server_url)
    done = dripline("status")
    assert (done.code, "run: dripline migrate" in done.err) == (1, True)


def test_a_pipe_that_closes_early_is_no_error():
    command = f"{sys.executable} -m workers.cli settings --json | head -c 1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr


def test_a_file_of_somebody_else_is_no_traceback():
    assert said(PermissionError(13, "Permission denied", ".dripline/lock")).startswith(".dripline/lock belongs to")
