from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from integrations.contracts import Incoming
from tests.conftest import NOW
from workers.store import events
from workers.store.events import NewEvent, append
from workers.store.slices import SLICES, slice_of

if TYPE_CHECKING:
    from sqlalchemy import Engine


def event(n: int = 1, subject: str = "email:ann@acme.test", **changes) -> NewEvent:
    given = {"source": "typeform", "event_id": f"e{n}", "type": "form.submitted", "occurred_at": NOW} | changes
    return NewEvent(subject=subject, identities=changes.pop("identities", (subject,)), **given)


def count(engine: Engine, table: str) -> int:
    with engine.connect() as conn:
        return conn.scalar(text(f"SELECT count(*) FROM {table}"))


def test_an_event_is_stored_whole_and_queued(engine: Engine):
    one = event(properties={"form": "demo"}, lead={"company": "Ünit"}, payload=b'\x00\xff{"not": "utf-8"}')
    two = event(2, subject="email:ben@acme.test", payload=b"second")
    with engine.begin() as conn:
        result = append(conn, [one, two], NOW)
        rows = conn.execute(text("SELECT * FROM events ORDER BY id")).mappings().all()
    assert (result.accepted, result.duplicates) == (2, 0)
    assert result.slices == {slice_of(one.subject), slice_of(two.subject)}
    assert [row["payload"] for row in rows] == [one.payload, two.payload]
    assert rows[0]["properties"] == {"form": "demo"}
    assert rows[0]["lead"] == {"company": "Ünit"}
    assert rows[0]["identities"] == ["email:ann@acme.test"]
    assert count(engine, "inbox") == 2


def test_duplicates_are_known_within_a_batch_and_across_batches(engine: Engine):
    with engine.begin() as conn:
        assert append(conn, [event(1), event(2), event(1)], NOW).new == (True, True, False)
        again = append(conn, [event(3), event(2)], NOW + timedelta(days=60))
        other_source = append(conn, [event(3, source="sendgrid")], NOW)
    assert again.new == (True, False)
    assert again.slices == {slice_of(event().subject)}
    assert other_source.accepted == 1
    assert count(engine, "events") == count(engine, "inbox") == 4


def test_ids_follow_the_order_of_the_batch(engine: Engine):
    with engine.begin() as conn:
        append(conn, [event(n) for n in range(300)], NOW)
        assert conn.scalars(text("SELECT event_id FROM events ORDER BY id")).all() == [f"e{n}" for n in range(300)]


def test_nothing_to_append_is_nothing(engine: Engine):
    with engine.begin() as conn:
        assert append(conn, [], NOW) == events.Appended((), frozenset())


def test_autocommit_makes_one_statement_one_transaction(engine: Engine):
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        append(conn, [event()], NOW)
        assert count(engine, "events") == 1


def test_the_same_events_from_many_threads_are_stored_once_and_nobody_deadlocks(engine: Engine):
    batch = [event(n, subject=f"email:p{n % 40}@acme.test") for n in range(200)]

    def send(turn: int) -> int:
        order = batch[turn * 25 :] + batch[: turn * 25]
        with engine.begin() as conn:
            return append(conn, order if turn % 2 else order[::-1], NOW).accepted

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(send, range(8))) == 200
    assert count(engine, "events") == count(engine, "inbox") == 200


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("a\0b", "a\ufffdb"),
        ("literal \\u0000 stays", "literal \\u0000 stays"),
        ("half \ud83d", "half \ufffd"),
        (2**70, float(2**70)),
        (float("nan"), None),
        ({"k\0": [1, "\0"]}, {"k\ufffd": [1, "\ufffd"]}),
    ],
)
def test_what_postgresql_cannot_hold_is_replaced_and_hurts_nobody(engine: Engine, value, stored):
    with engine.begin() as conn:
        append(conn, [event(1, properties={"value": value}), event(2)], NOW)
        assert conn.scalar(text("SELECT properties FROM events ORDER BY id LIMIT 1")) == {"value": stored}


def test_an_endless_identity_still_fits_an_index(engine: Engine):
    incoming = Incoming("e1", "page.viewed", NOW, (("cookie", "x" * 100_000), ("email", "ann@acme.test")))
    new = events.from_incoming("web", incoming)
    assert len(new.subject) < 200
    assert new.subject == events.identity("cookie", "x" * 100_000) != events.identity("cookie", "x" * 100_001)
    with engine.begin() as conn:
        assert append(conn, [new], NOW).accepted == 1


def test_an_event_without_identity_is_refused():
    with pytest.raises(ValueError, match="e1 of source web names no identity"):
        events.from_incoming("web", Incoming("e1", "page.viewed", NOW, ()))


def test_slices_are_spread_and_within_range():
    spread = {slice_of(f"email:p{n}@acme.test") for n in range(1000)}
    assert spread == set(range(SLICES))
