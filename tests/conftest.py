"""Fixtures of all tests: a fresh migrated database for each, made in a moment from a template, and an empty Redis."""

from __future__ import annotations

import os
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Final

import pytest
import redis
from sqlalchemy import make_url, text

from tests.servers import Postgres, Redis
from workers.store.database import connect, migrate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

NOW: Final = datetime(2026, 1, 15, 12, tzinfo=UTC)
"""When the tests play."""

_number = count(1)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A PostgreSQL server on which databases may be made: the given one, or our own."""
    given = os.environ.get("DRIPLINE_TEST_DATABASE_URL")
    if given:
        yield given
        return
    server = Postgres()
    try:
        yield server.url()
    finally:
        server.close()


@pytest.fixture(scope="session")
def template(server_url: str) -> Iterator[str]:
    """The name of a migrated, empty database to copy."""
    with new_database(server_url) as url:
        with connected(url) as engine:
            migrate(engine, NOW)
        yield str(make_url(url).database)


@pytest.fixture
def database_url(server_url: str, template: str) -> Iterator[str]:
    """A migrated, empty database of this test's own; gone afterwards, whoever is still connected."""
    with new_database(server_url, template) as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Connections to this test's database."""
    with connected(database_url) as engine:
        yield engine


@pytest.fixture(scope="session")
def redis_server_url() -> Iterator[str]:
    """A Redis server: the given one, or our own."""
    given = os.environ.get("DRIPLINE_TEST_REDIS_URL")
    if given:
        yield given
        return
    server = Redis()
    try:
        yield server.url
    finally:
        server.close()


@pytest.fixture
def redis_url(redis_server_url: str) -> str:
    """An empty Redis."""
    with redis.Redis.from_url(redis_server_url) as client:
        client.flushdb()
    return redis_server_url


@contextmanager
def connected(url: str) -> Iterator[Engine]:
    """An engine whose connections are closed at the end."""
    engine = connect(url)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def new_database(server_url: str, template: str = "template1") -> Iterator[str]:
    """A database copied from `template`, dropped at the end."""
    name = f"dripline_test_{os.getpid()}_{next(_number)}"
    admin = connect(server_url, size=1).execution_options(isolation_level="AUTOCOMMIT")
    try:
        with admin.connect() as conn:
            conn.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as conn:
            conn.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        admin.dispose()
