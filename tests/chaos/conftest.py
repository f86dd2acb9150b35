from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="package")
def own_postgres() -> Iterator[Postgres]:
    server = Postgres(durable=True)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def postgres(own_postgres: Postgres) -> Postgres:
    """PostgreSQL with fsync, running, of these tests' own: they crash it."""
    if own_postgres.process is None:
        own_postgres.start()
    return own_postgres
