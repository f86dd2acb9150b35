"""Fixtures of the delivery's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.workers.delivery.world import World

if TYPE_CHECKING:
    from sqlalchemy import Engine


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)
