"""Connections, transactions and migrations; errors of the database become ours here, once."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import orjson
import psycopg
from alembic import command
from alembic.config import Config
from psycopg.types.json import set_json_dumps, set_json_loads
from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from workers.exceptions import ConfigurationError, DriplineError, NotMigrated, StoreUnavailable
from workers.store import partitions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import URL, Connection, Engine

MIGRATION_LOCK: Final = 0x6472_6970_0001
_MIGRATIONS: Final = "workers.store:migrations"

# Classes of SQLSTATE that mean "not now" and not "not this" (PostgreSQL manual, appendix A): 08 connection,
# 25 transaction left idle too long, 40 deadlock, 53 resources, 55 lock time-out, 57 shut down, 58 system.
_NOT_NOW: Final = frozenset({"08", "25", "40", "53", "55", "57", "58"})
# 22 data exception, 23 constraint, 54 a limit of the program (an index entry too long).
_BAD_DATA: Final = frozenset({"22", "23", "54"})
# No such table, no such column: the schema is of another version, or there is none.
_NOT_MIGRATED: Final = frozenset({"42P01", "42703"})
_NOT_OURS: Final = "the tables are not those of this version ({}); run: dripline migrate"
_OPTIONS: Final = "-c timezone=UTC -c lock_timeout=10s"
# A host that vanishes sends no goodbye: without these a thread would wait for its answer for hours.
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
_LIVENESS: Final = {
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}


def connect(url: str, *, size: int = 8) -> Engine:
    """An engine with a pool of connections; nothing is connected yet.

    A connection that died in the pool (PostgreSQL was restarted) is noticed and replaced when it is taken out.

    Args:
        url: `postgresql://user:password@host:port/database`, or with `?host=/folder` for a Unix socket.
        size: connections kept; as many again are opened under load.

    Raises:
        ConfigurationError: the text is not such a URL.
    """
    engine = create_engine(
        _parse(url),
        pool_size=size,
        max_overflow=size,
        pool_pre_ping=True,
        pool_timeout=10,
        connect_args={"connect_timeout": 5, "application_name": "dripline", "options": _OPTIONS, **_LIVENESS},
    )
    event.listen(engine, "connect", _prepare)
    return engine


def migrate(engine: Engine, now: datetime, revision: str = "head") -> None:
    """Bring the schema up to date, partitions included. Safe to call from several processes at once.

    Args:
        engine: to a database that is empty or of an earlier version.
        now: whose month has partitions afterwards.
        revision: how far to go; only tests stop early.

    Raises:
        StoreUnavailable: PostgreSQL cannot be reached.
    """
    with transaction(engine) as conn:
        conn.execute(text("SET LOCAL lock_timeout = 0"))  # whoever migrates already may take its time
        conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        config = Config()
        config.set_main_option("script_location", _MIGRATIONS)
        config.attributes["connection"] = conn
        command.upgrade(config, revision)
        conn.execute(text("SET LOCAL lock_timeout = '10s'"))
        partitions.ensure(conn, now)


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """A connection inside a transaction: committed at the end, rolled back if anything was raised.

    Raises:
        StoreUnavailable: PostgreSQL cannot be reached, went away, or had no room or lock for it now. It may have
            committed if the connection was lost at the very end; all of our writes can be made again.
        NotMigrated: its tables are not those of this version.
    """
    with available(), engine.begin() as conn:
        yield conn


@contextmanager
def available() -> Iterator[None]:
    """Turn the loss of PostgreSQL inside the block into `StoreUnavailable`; errors in the data stay what they are."""
    try:
        yield
    except PoolTimeout as error:
        raise StoreUnavailable("all connections to PostgreSQL are in use; try again, or raise the pool size") from error
    except DBAPIError as error:
        if error.connection_invalidated or _not_now(error.orig):
            raise StoreUnavailable(_sentence(error.orig)) from error
        if getattr(error.orig, "sqlstate", None) in _NOT_MIGRATED:
            raise NotMigrated(_NOT_OURS.format(_first_line(error.orig))) from error
        raise
    except psycopg.Error as error:
        if _not_now(error):
            raise StoreUnavailable(_sentence(error)) from error
        raise


def data_fault(error: Exception) -> bool:
    """True if an error inside a transaction is that of the data, so that the same with other data would go through.

    False for what we raised on purpose, for a lost connection, and for a statement that does not fit the schema.
    """
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None)
        return state is not None and state[:2] in _BAD_DATA
    return not isinstance(error, DriplineError)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError("the database URL must read postgresql://user:password@host:port/database") from error
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise ConfigurationError(f"the database must be PostgreSQL, not {parsed.drivername}: postgresql://…")
    return parsed.set(drivername="postgresql+psycopg")


def _prepare(connection: psycopg.Connection[tuple[object, ...]], _record: object) -> None:
    """JSON goes through orjson on every connection."""
    set_json_loads(orjson.loads, connection)
    set_json_dumps(orjson.dumps, connection)


def _not_now(error: BaseException | None) -> bool:
    if isinstance(error, psycopg.errors.CheckViolation) and error.diag.constraint_name is None:
        return True  # the row was on its way to the default partition when its month was attached
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | psycopg.InternalError):
        return False
    return error.sqlstate is None or error.sqlstate[:2] in _NOT_NOW


def _sentence(error: BaseException | None) -> str:
    return f"PostgreSQL is not available: {_first_line(error)}"


def _first_line(error: BaseException | None) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
