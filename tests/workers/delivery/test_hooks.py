"""Webhooks out of the outbox, to real servers on loopback that do what the test says."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.scripted import Http, nobody_listens
from tests.workers.delivery.world import World
from workers.adapters import Adapters
from workers.config import Settings
from workers.delivery.senders import HookSender
from workers.store import outbox
from workers.store.outbox import Effect

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from workers.store.outbox import Row

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
OK = {"status": 200, "body": "ok"}
LOST = {"drop": "reading"}


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


def adapters(world: World, port: int, **more: str) -> Adapters:
    url = f"http://127.0.0.1:{port}/in"
    values = {"DRIPLINE_SIGNED_URL": url, "DRIPLINE_SIGNED_SECRET": SECRET, "DRIPLINE_SLACK_SALES_URL": url, **more}
    return Adapters(Settings(), world.clock, values=values)


def deliver(world: World, found: Adapters) -> dict[str, int]:
    return dict(world.deliverer.run(HookSender(found.hook, found.takes_key)).states)


def put(world: World, hook: str, number: int = 1) -> None:
    world.put(Effect(f"hook:{number}:test:1:x", "webhook", number, {"text": "Ann & co", "n": number}, hook))


def row(world: World) -> Row:
    with world.engine.connect() as conn:
        return outbox.rows(conn, 9)[-1]


@pytest.mark.parametrize(
    ("hook", "body"), [("signed", {"text": "Ann & co", "n": 1}), ("slack-sales", {"text": "Ann &amp; co"})]
)
def test_it_goes_out_once(world: World, hook: str, body: dict[str, Any]):
    with Http(steps=[OK]) as server:
        found = adapters(world, server.port)
        put(world, hook)
        assert deliver(world, found) == {"sent": 1}
        assert deliver(world, found) == {}
        found.close()
    (request,) = server.requests
    assert (request["path"], request["json"]) == ("/in", body)
    assert (row(world).provider, row(world).state) == (hook, "sent")


def test_an_unknown_outcome_is_repeated_under_the_same_id_where_the_receiver_drops_what_it_has_seen(world: World):
    with Http(steps=[LOST, OK]) as server:
        found = adapters(world, server.port)
        put(world, "signed")
        assert deliver(world, found) == {"retry": 1}
        world.step(minutes=1)
        assert deliver(world, found) == {"sent": 1}
        found.close()
    first, second = server.requests
    assert first["headers"]["webhook-id"] == second["headers"]["webhook-id"]


@pytest.mark.parametrize(("hook", "more"), [("slack-sales", {}), ("signed", {"DRIPLINE_SIGNED_TAKES_KEY": "no"})])
def test_elsewhere_it_is_left_to_a_person(world: World, hook: str, more: dict[str, str]):
    with Http(steps=[LOST, OK]) as server:
        found = adapters(world, server.port, **more)
        put(world, hook)
        assert deliver(world, found) == {"ambiguous": 1}
        world.step(minutes=90)
        assert deliver(world, found) == {}
        found.close()
    assert len(server.requests) == 1


@pytest.mark.parametrize(("hook", "state"), [("signed", "retry"), ("slack-sales", "ambiguous"), ("slack", "ambiguous")])
def test_the_same_holds_for_what_a_silent_worker_has_left(world: World, hook: str, state: str):
    found = adapters(world, nobody_listens())
    put(world, hook)
    with world.engine.begin() as conn:
        outbox.claim(conn, "webhook", world.clock(), limit=1, lease=timedelta(seconds=1))
    world.step(minutes=1)
    with world.engine.begin() as conn:
        assert outbox.expire(conn, world.clock(), found.takes_key) == {state: 1}
    found.close()


@pytest.mark.parametrize(
    ("hook", "says"),
    [("slack", "DRIPLINE_SLACK_URL is not set"), ("nobody", "there is no outgoing webhook adapter 'nobody'")],
)
def test_what_nobody_has_set_up_waits_for_that_and_says_so(world: World, hook: str, says: str):
    found = adapters(world, nobody_listens())
    put(world, hook)
    assert deliver(world, found) == {"retry": 1}
    assert says in (row(world).last_error or "")


def test_one_receiver_that_is_away_does_not_hold_up_another(world: World):
    with Http(steps=[OK]) as server:
        found = adapters(world, server.port, DRIPLINE_SIGNED_URL=f"http://127.0.0.1:{nobody_listens()}")
        for number in range(4):
            put(world, "signed", number)
        put(world, "slack-sales", 9)
        assert deliver(world, found) | {"untried": 0} == {"retry": 3, "sent": 1, "untried": 0}
        found.close()
