"""The two rulebooks that most tests of the compiler look at."""

from __future__ import annotations

import pytest

from tests.workers.rulebook.base import BASE
from tests.workers.rulebook.full import FULL
from workers.rulebook import check, compile_rulebook


@pytest.fixture(scope="session")
def rulebook():
    return compile_rulebook(BASE)


@pytest.fixture(scope="session")
def full():
    assert check(FULL) == []
    return compile_rulebook(FULL)
