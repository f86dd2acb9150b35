"""Fixtures of all tests: a fresh migrated database for each, made in a moment from a template, and an empty Redis."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final

import pytest
import redis
from hypothesis import settings
from sqlalchemy import make_url, text

from tests.servers import Postgres, Redis
from workers.store.database import connect, migrate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor, Future

    from sqlalchemy import Engine

NOW: Final = datetime(2026, 1, 15, 12, tzinfo=UTC)
"""When the tests play."""

settings.register_profile("untimed", deadline=None)  # how fast something is, is the benchmarks' to say
settings.load_profile("untimed")

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


@pytest.fixture(scope="session")
def databases(server_url: str, template: str) -> Iterator[Databases]:
    """Databases in store."""
    with ThreadPoolExecutor(1, thread_name_prefix="databases") as thread:
        store = Databases(server_url, template, thread)
        try:
            yield store
        finally:
            store.close()


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """A migrated, empty database of this test's own; gone afterwards, whoever is still connected."""
    database = databases.take()
    try:
        yield database.url
    finally:
        databases.give_back(database)


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


class Database:
    """A database copied from another one, until it is dropped."""

    def __init__(self, server_url: str, template: str) -> None:
        self._server_url = server_url
        self._name = f"dripline_test_{os.getpid()}_{next(_number)}"
        self.url = make_url(server_url).set(database=self._name).render_as_string(hide_password=False)
        self._run(f"CREATE DATABASE {self._name} TEMPLATE {template}")

    def drop(self) -> None:
        """Drop it, whoever is connected."""
        self._run(f"DROP DATABASE IF EXISTS {self._name} WITH (FORCE)")

    def _run(self, statement: str) -> None:
        admin = connect(self._server_url, size=1).execution_options(isolation_level="AUTOCOMMIT")
        try:
            with admin.connect() as conn:
                conn.execute(text(statement))
        finally:
            admin.dispose()


class Databases:
    """Makes the next database while a test runs, and drops those behind it: that takes longer than many a test."""

    def __init__(self, server_url: str, template: str, thread: Executor) -> None:
        self._make = partial(Database, server_url, template)
        self._thread = thread
        self._next = thread.submit(self._make)
        self._dropped: list[Future[None]] = []

    def take(self) -> Database:
        """One that nobody has used."""
        database = self._next.result()
        self._next = self._thread.submit(self._make)
        return database

    def give_back(self, database: Database) -> None:
        """Drop it some time soon."""
        self._dropped.append(self._thread.submit(database.drop))

    def close(self) -> None:
        """Drop them all, and raise if that failed."""
        self.give_back(self._next.result())
        for each in self._dropped:
            each.result()


@contextmanager
def new_database(server_url: str, template: str = "template1") -> Iterator[str]:
    """A database copied from `template`, dropped at the end."""
    database = Database(server_url, template)
    try:
        yield database.url
    finally:
        database.drop()
