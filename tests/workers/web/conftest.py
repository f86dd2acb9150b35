"""Fixtures of the web application's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conftest import NOW
from tests.workers.web.support import running
from workers.clock import SteppedClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from tests.workers.web.support import Web


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(NOW)


@pytest.fixture
def web(engine: Engine, clock: SteppedClock) -> Iterator[Web]:
    with running(engine, clock, max_body=1000) as web:
        yield web
