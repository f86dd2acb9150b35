from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from integrations import discovery
from integrations.contracts import Incoming
from integrations.exceptions import ConfigurationError, Malformed
from tests.conftest import NOW
from tests.workers.rulebooks import PRODUCT_SECRET
from workers.engine.rules import SourceSpec
from workers.replay import replay
from workers.store import events, quarantine, status
from workers.store.events import NewEvent
from workers.store.quarantine import NewQuarantined, PoisonEvent

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from integrations.contracts import Source

GOOD = {"type": "page.viewed", "data": {"user": {"mail": "ann@acme.test"}, "url": "/"}}
MAPPING = {"identity": {"email": "data.user.mail"}, "properties": {"url": "data.url"}}
DECLARED = {"product": SourceSpec("product", "standard", MAPPING)}


def build(spec: SourceSpec) -> Source:
    values = {"DRIPLINE_PRODUCT_SECRET": PRODUCT_SECRET}
    return discovery.build("sources", spec.adapter, spec.name, values, options=spec.options)


def keep(engine: Engine, body: Any, source: str = "product", reason: str = "no-identity") -> int:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    row = NewQuarantined(source, reason, "because", payload, {"webhook-id": "msg_1"}, "https://x/hooks/product")
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
        (taken,) = [row for slice_ in range(32) for row in events.take(conn, slice_, NOW, 9)]
        quarantine.add_events(conn, [PoisonEvent(taken.id, "s", "engine-error", "why", NOW)], NOW)
        (row,) = quarantine.waiting(conn, 9)
    assert backlog(engine) == 0
    assert replay(engine, [row.id], {}, build, NOW).events == 1
    assert backlog(engine) == 1


def test_a_part_of_a_batch_is_put_through_alone(engine: Engine):
    part = {"email": "ann@acme.test", "event": "open", "timestamp": int(NOW.timestamp()), "sg_event_id": "e1"}
    row = keep(engine, part, "mail")

    class Batches:
        def normalise(self, request: Any) -> Any:
            content = json.loads(request.body)
            if not isinstance(content, list):
                raise Malformed("a list is needed")
            return [Incoming(each["sg_event_id"], "email.opened", NOW, (("email", each["email"]),)) for each in content]

    done = replay(engine, [row], {"mail": SourceSpec("mail", "x", {})}, lambda _spec: Batches(), NOW)  # type: ignore[arg-type, return-value]
    assert done.events == 1


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
