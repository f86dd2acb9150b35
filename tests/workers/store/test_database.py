from __future__ import annotations

import re
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import DataError, IntegrityError, OperationalError

from tests.conftest import NOW, connected, new_database
from workers.exceptions import ConfigurationError, NotMigrated, StoreUnavailable
from workers.store import opportunities, partitions
from workers.store.database import connect, data_fault, migrate, transaction
from workers.store.events import NewEvent, append
from workers.store.tables import OUTBOX_STATES, metadata, outbox

if TYPE_CHECKING:
    from sqlalchemy import Engine

README = Path(__file__).parents[3] / "README.md"


def of_metadata(_object: object, name: str | None, type_: str, reflected: bool, _compare_to: object) -> bool:
    """Partitions are made by `partitions.ensure`, not by the metadata."""
    return not (type_ == "table" and reflected and re.search(r"_(\d{4}_\d\d|default)$|^alembic_version$", name or ""))


def test_migrations_build_what_the_metadata_say(engine: Engine):
    with engine.connect() as conn:
        options = {"include_object": of_metadata, "compare_server_default": True, "compare_type": True}
        assert compare_metadata(MigrationContext.configure(conn, opts=options), metadata) == []


def test_constraints_name_the_states_of_the_outbox(engine: Engine):
    with engine.connect() as conn:
        rule = conn.scalar(
            text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'outbox_state' LIMIT 1")
        )
    assert tuple(re.findall(r"'(\w+)'", rule)) == OUTBOX_STATES
    assert {c.name for c in outbox.constraints} >= {"outbox_channel", "outbox_state", "outbox_lease"}


def test_several_processes_may_migrate_at_once_and_again(server_url: str):
    with new_database(server_url) as url, connected(url) as engine:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: migrate(engine, NOW), range(4)))
        migrate(engine, NOW)
        with engine.connect() as conn:
            assert conn.scalar(text("SELECT version_num FROM alembic_version")) == head()


def head() -> str | None:
    """The newest migration."""
    return ScriptDirectory(str(files("workers.store") / "migrations")).get_current_head()


def test_opportunities_of_before_there_were_owners_get_theirs_from_the_details(server_url: str):
    insert = text("""
        INSERT INTO opportunities (key, lead_id, crm, details, created_at)
        VALUES (:key, 1, 'hubspot', CAST(:details AS jsonb), :now)
    """)
    details = {"a": '{"owner": "ana@acme.test"}', "b": '{"owner": ""}', "c": '{"owner": null}', "d": "{}"}
    with new_database(server_url) as url, connected(url) as engine:
        migrate(engine, NOW, "0001")
        with engine.begin() as conn:
            conn.execute(insert, [{"key": key, "details": each, "now": NOW} for key, each in details.items()])
        migrate(engine, NOW)
        with engine.connect() as conn:
            owners = dict(conn.execute(text("SELECT key, owner FROM opportunities")).all())
            assert owners == {"a": "ana@acme.test", "b": "", "c": "", "d": ""}
            assert opportunities.recently(conn, [("ana@acme.test", 1)], NOW) == {("ana@acme.test", 1): 1}


@pytest.mark.parametrize("url", ["mysql://x/y", "not a url"])
def test_a_url_of_something_else_is_refused(url):
    with pytest.raises(ConfigurationError, match=r"postgresql://"):
        connect(url)


def test_times_come_back_in_utc_and_json_as_values(engine: Engine):
    with engine.connect() as conn:
        assert conn.execute(text("""SELECT now(), '{"a": [1, null]}'::jsonb""")).one()[1] == {"a": [1, None]}
        assert conn.scalar(text("SELECT now()")).utcoffset() == timedelta()


# ── when PostgreSQL is away ──────────────────────────────────────────────────────────────────────────────────


def test_nobody_there_is_unavailable():
    engine = connect("postgresql://postgres@/x?host=/nowhere")
    with pytest.raises(StoreUnavailable, match=r"PostgreSQL is not available: .*nowhere"), transaction(engine):
        pass


def test_a_connection_lost_in_the_middle_is_unavailable_and_the_next_one_works(engine: Engine):
    with pytest.raises(StoreUnavailable), transaction(engine) as conn:
        conn.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    with transaction(engine) as conn:
        assert conn.scalar(text("SELECT 1")) == 1


def test_connections_that_died_in_the_pool_are_replaced(database_url: str, engine: Engine):
    with transaction(engine) as conn:
        pid = conn.scalar(text("SELECT pg_backend_pid()"))
    with connected(database_url) as other, other.begin() as conn:
        conn.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    with transaction(engine) as conn:
        assert conn.scalar(text("SELECT pg_backend_pid()")) != pid


def test_a_lock_nobody_gives_back_is_unavailable(engine: Engine):
    with engine.begin() as holder:
        holder.execute(text("LOCK TABLE leads"))
        statements = text("SELECT set_config('lock_timeout', '50ms', true)"), text("SELECT * FROM leads")
        with pytest.raises(StoreUnavailable, match="lock"), transaction(engine) as conn:
            deque(map(conn.execute, statements), maxlen=0)


@pytest.mark.parametrize(
    ("statement", "error", "data"),
    [
        ("SELECT 1 / 0", DataError, True),
        ("SELECT 'x\\u0000'::jsonb::text, '\"\\u0000\"'::jsonb", DataError, True),
        ("INSERT INTO identities VALUES ('a', NULL)", IntegrityError, True),
        (
            "INSERT INTO identities SELECT string_agg(md5(n::text), ''), 1 FROM generate_series(1, 999) n",
            OperationalError,
            True,
        ),
        ("SELECT * FROM nowhere", NotMigrated, False),
    ],
)
def test_errors_of_the_data_stay_what_they_are_and_are_told_from_others(engine: Engine, statement, error, data):
    with pytest.raises(error) as raised, transaction(engine) as conn:
        conn.exec_driver_sql(statement)
    assert data_fault(raised.value) is data


# ── partitions ───────────────────────────────────────────────────────────────────────────────────────────────


def placed(engine: Engine) -> dict[str, str]:
    with engine.connect() as conn:
        return dict(conn.execute(text("SELECT event_id, tableoid::regclass::text FROM events")).all())


def store(engine: Engine, *times: datetime) -> None:
    with engine.begin() as conn:
        for at in times:
            append(conn, [NewEvent("s", f"{at:%Y-%m-%d %H:%M}", "t", at, "email:a", ("email:a",))], at)


def test_months_are_made_ahead_and_hold_their_own(engine: Engine):
    store(engine, NOW, datetime(2026, 1, 31, 23, 59, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    assert list(placed(engine).values()) == ["events_2026_01", "events_2026_01", "events_2026_02"]
    with engine.begin() as conn:
        assert partitions.ensure(conn, NOW) == []
        made = partitions.ensure(conn, datetime(2026, 11, 30, tzinfo=UTC))
    months = ["2026_11", "2026_12", "2027_01"]
    assert made == [f"events_{m}" for m in months] + [f"decisions_{m}" for m in months]


def test_rows_in_the_default_partition_move_to_their_month(engine: Engine):
    late = datetime(2027, 5, 7, tzinfo=UTC)
    store(engine, late, datetime(2031, 1, 1, tzinfo=UTC))
    assert set(placed(engine).values()) == {"events_default"}
    with engine.begin() as conn:
        partitions.ensure(conn, late)
    assert placed(engine) == {"2027-05-07 00:00": "events_2027_05", "2031-01-01 00:00": "events_default"}
    store(engine, late + timedelta(days=1))
    assert placed(engine)["2027-05-08 00:00"] == "events_2027_05"


def test_a_month_is_dropped_as_the_readme_says(engine: Engine):
    store(engine, datetime(2026, 1, 31, 23, 59, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    (statements,) = re.findall(r"```sql\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    with engine.begin() as conn:
        for statement in statements.split(";\n")[:-1]:
            conn.execute(text(statement))
        assert partitions.ensure(conn, NOW) == ["events_2026_01"]  # in its own month it is made again, and empty
    assert list(placed(engine).values()) == ["events_2026_02"]


def test_partitions_may_be_made_by_several_while_events_come(engine: Engine):
    months = [datetime(2028, m, 15, tzinfo=UTC) for m in range(1, 9)]

    def ensure(month: datetime) -> None:
        with transaction(engine) as conn:
            partitions.ensure(conn, month)

    def write(month: datetime) -> None:
        for n in range(30):
            at = month + timedelta(minutes=n)
            while True:
                try:
                    with transaction(engine) as conn:
                        append(conn, [NewEvent("s", str(at), "t", at, "email:a", ("email:a",))], at)
                    break
                except StoreUnavailable:  # its month was attached at this very moment
                    continue

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda job: job[0](job[1]), [(f, m) for m in months for f in (write, ensure)]))
    for month in months:
        ensure(month)
    assert len(placed(engine)) == 240
    assert "events_default" not in placed(engine).values()
