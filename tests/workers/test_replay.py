from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from integrations import discovery
from integrations.contracts import Incoming, Unreadable
from integrations.contracts import Request as Received
from integrations.exceptions import ConfigurationError
from tests.conftest import NOW
from tests.workers.rulebooks import PRODUCT_SECRET
from workers.engine.rules import SourceSpec
from workers.exceptions import StoreUnavailable
from workers.replay import replay
from workers.store import events, quarantine, status
from workers.store.database import connect
from workers.store.events import NewEvent
from workers.store.quarantine import NewQuarantined, PoisonEvent
from workers.store.slices import SLICES
from workers.web.commit import Delivery
from workers.web.journal import StoreJournal

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from integrations.contracts import Source

GOOD = {"type": "page.viewed", "data": {"user": {"mail": "ann@acme.test"}, "url": "/"}}
MAPPING = {"identity": {"email": "data.user.mail"}, "properties": {"url": "data.url"}}
DECLARED = {"product": SourceSpec("product", "standard", MAPPING)}


def build(spec: SourceSpec) -> Source:
    values = {"DRIPLINE_PRODUCT_SECRET": PRODUCT_SECRET}
    return discovery.build("sources", spec.adapter, spec.name, values, options=spec.options)


def keep(engine: Engine, body: Any, source: str = "product", place: int | None = None) -> int:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    url = "https://x/hooks/product"
    row = NewQuarantined(source, "no-identity", "because", payload, {"webhook-id": "msg_1"}, url, place=place)
    with engine.begin() as conn:
        quarantine.add(conn, [row], NOW)
        return quarantine.waiting(conn, 99)[-1].id


def backlog(engine: Engine) -> int:
    with engine.begin() as conn:
        return status.read(conn, NOW).backlog


def test_a_delivery_goes_through_once_the_mapping_is_right(engine: Engine):
    row = keep(engine, GOOD)
    wrong = {"product": SourceSpec("product", "standard", MAPPING | {"identity": {"email": "data.email"}})}
    stayed = replay(engine, [row], wrong, build, NOW)
    assert (stayed.replayed, list(stayed.stayed)) == ([], [row])
    assert "data.email" in stayed.stayed[row]

    done = replay(engine, [row], DECLARED, build, NOW)
    assert (done.replayed, done.events, done.stayed) == ([row], 1, {})
    assert backlog(engine) == 1


def test_what_was_replayed_is_not_replayed_again(engine: Engine):
    row = keep(engine, GOOD)
    replay(engine, [row], DECLARED, build, NOW)
    again = replay(engine, [row, 4711], DECLARED, build, NOW)
    assert set(again.stayed) == {row, 4711}
    assert backlog(engine) == 1


def test_an_event_that_made_processing_fail_is_queued_again(engine: Engine):
    with engine.begin() as conn:
        events.append(conn, [NewEvent("s", "1", "page.viewed", NOW, "email:a@b.test", ("email:a@b.test",))], NOW)
        (taken,) = events.take(conn, range(SLICES), NOW, 9)
        quarantine.add_events(conn, [PoisonEvent(taken.id, "s", "engine-error", "why", NOW)], NOW)
        (row,) = quarantine.waiting(conn, 9)
    assert backlog(engine) == 0
    assert replay(engine, [row.id], {}, build, NOW).events == 1
    assert backlog(engine) == 1


PARTS = [{"type": "page.viewed", "data": {"mail": f"p{n}@acme.test"}} for n in range(3)]


@pytest.mark.parametrize(("batch", "document"), [(".", PARTS), ("events", {"events": PARTS})])
def test_parts_of_a_batch_are_put_through_as_what_they_were_in_it(engine: Engine, batch: str, document: Any):
    strict = {"product": SourceSpec("product", "standard", {"batch": batch, "identity": {"email": "data.email"}})}
    mended = {"product": SourceSpec("product", "standard", {"batch": batch, "identity": {"email": "data.mail"}})}
    PARTS[1]["data"]["email"] = "p1@acme.test"  # type: ignore[index]
    request = Received("POST", "https://x/hooks/product", {"webhook-id": "msg_1"}, json.dumps(document).encode(), NOW)
    parts = list(build(strict["product"]).normalise(request))
    delivery = Delivery("product", request)
    delivery.events = [each for each in parts if isinstance(each, Incoming)]
    delivery.unreadable = [each for each in parts if isinstance(each, Unreadable)]
    journal = StoreJournal(engine)
    journal.write([delivery])
    journal.close()
    with engine.begin() as conn:
        rows = [each.id for each in quarantine.waiting(conn, 9)]

    done = replay(engine, rows, mended, build, NOW)
    assert (done.replayed, done.events, done.stayed) == (rows, 2, {})
    with engine.begin() as conn:
        kept = conn.execute(text("SELECT event_id, subject FROM events ORDER BY event_id")).all()
    assert kept == [(f"msg_1:{n}", f"email:p{n}@acme.test") for n in range(3)]


def test_a_part_whose_source_reads_no_batches_any_more_stays(engine: Engine):
    row = keep(engine, GOOD, place=3)

    class Single:
        def normalise(self, _request: Any) -> Any:
            raise AssertionError("this is not a delivery")

    assert "part of a batch" in replay(engine, [row], DECLARED, lambda _spec: Single(), NOW).stayed[row]  # type: ignore[arg-type, return-value]


def test_what_would_be_taken_for_another_event_stays(engine: Engine):
    first, again, other = (
        keep(engine, GOOD),
        keep(engine, GOOD),
        keep(engine, GOOD | {"data": {"user": {"mail": "b@c.test"}}}),
    )
    done = replay(engine, [first, again, other], DECLARED, build, NOW)
    assert (done.replayed, done.events) == ([first, again], 1)
    assert "another event" in done.stayed[other]


def test_an_event_that_the_log_lost_stays(engine: Engine):
    with engine.begin() as conn:
        quarantine.add_events(conn, [PoisonEvent(4711, "s", "event-gone", "why", NOW)], NOW)
        (row,) = quarantine.waiting(conn, 9)
    done = replay(engine, [row.id], {}, build, NOW)
    assert (done.replayed, done.events) == ([], 0)
    assert "does not hold this event" in done.stayed[row.id]
    with engine.begin() as conn:
        assert [each.id for each in quarantine.waiting(conn, 9)] == [row.id]


def test_a_row_that_fails_in_an_unforeseen_way_keeps_no_other_from_going_through(engine: Engine):
    rows = [keep(engine, GOOD | {"id": n}) for n in range(4)]
    faults = iter([KeyError("form_id"), "no identity", "refused", None])
    with engine.begin() as conn:
        conn.execute(text("ALTER TABLE events ADD CONSTRAINT odd CHECK (type <> 'refused.by_postgresql')"))

    class Faulty:
        def normalise(self, _request: Any) -> Any:
            fault = next(faults)
            if isinstance(fault, Exception):
                raise fault
            identities = () if fault == "no identity" else (("email", "ann@acme.test"),)
            yield Incoming("1", "refused.by_postgresql" if fault == "refused" else "page.viewed", NOW, identities)

    done = replay(engine, rows, DECLARED, lambda _spec: Faulty(), NOW)  # type: ignore[arg-type, return-value]
    assert (done.replayed, done.events) == ([rows[3]], 1)
    assert done.stayed[rows[0]] == "KeyError: 'form_id'"
    assert "names no identity" in done.stayed[rows[1]]
    assert "cannot be stored" in done.stayed[rows[2]]
    assert "ann@acme.test" not in str(done.stayed)


def test_without_a_database_the_whole_replay_is_given_up(engine: Engine):
    away = connect("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(StoreUnavailable):
        replay(away, [keep(engine, GOOD)], DECLARED, build, NOW)
    away.dispose()


@pytest.mark.parametrize(
    ("source", "body", "says"),
    [("gone", GOOD, "no source gone"), ("product", b"\xff not json", "not JSON")],
)
def test_what_cannot_be_put_through_stays_with_its_reason(engine: Engine, source: str, body: Any, says: str):
    row = keep(engine, body, source)
    done = replay(engine, [row], DECLARED, build, NOW)
    assert says in done.stayed[row]
    with engine.begin() as conn:
        assert [each.id for each in quarantine.waiting(conn, 9)] == [row]


def test_a_source_that_is_not_configured_keeps_its_rows(engine: Engine):
    row = keep(engine, GOOD)

    def broken(_spec: SourceSpec) -> Source:
        raise ConfigurationError("DRIPLINE_PRODUCT_SECRET is not set")

    assert replay(engine, [row], DECLARED, broken, NOW).stayed == {row: "DRIPLINE_PRODUCT_SECRET is not set"}
