from __future__ import annotations

import io
import logging
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pytest

from workers.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


class Dripline(Protocol):
    def __call__(self, *arguments: str) -> Result: ...


@pytest.fixture
def dripline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dripline]:
    """Runs a command as from a shell in an empty folder, with a bare environment."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    def run(*arguments: str) -> Result:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main(list(arguments))
        code = ended.value.code
        return Result(code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())

    yield run
    root.handlers[:], root.level = before


@pytest.fixture
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database that the commands find in their environment."""
    monkeypatch.setenv("DRIPLINE_DATABASE_URL", database_url)
    return database_url
