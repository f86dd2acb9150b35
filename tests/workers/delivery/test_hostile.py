"""Never twice, and nothing lost: what servers have taken is what the outbox says, whatever they did to the answers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import text

from integrations import discovery
from tests.contract import hostile
from tests.workers.delivery.world import COMPOSER, World
from workers.delivery.deliver import Deliverer
from workers.delivery.routing import RoutedSender, Routes
from workers.delivery.senders import EmailSender
from workers.engine.rules import Route
from workers.store import evidence
from workers.store.evidence import Evidence

if TYPE_CHECKING:
    from sqlalchemy import Engine

MAILS: Final = 30
SEEDS: Final = (1, 2)
SETTINGS: Final[dict[str, dict[str, str]]] = {
    "sendgrid": {"api_key": "x"},
    "ses": {"access_key_id": "x", "secret_access_key": "x", "region": "eu-central-1"},
    "mailgun": {"api_key": "x", "domain": "mg.acme.test"},
    "postmark": {"server_token": "x"},
    "resend": {"api_key": "x"},
    "brevo": {"api_key": "x"},
    "mandrill": {"api_key": "x"},
    "sparkpost": {"api_key": "x"},
}


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


def built(name: str, **settings: str) -> EmailSender:
    values = {discovery.variable(name, field): value for field, value in settings.items()}
    adapter = discovery.build("email", name, name, values)
    return EmailSender(name, adapter, lambda _version, _template: COMPOSER)


def over_http(name: str, server: hostile.Http) -> EmailSender:
    return built(name, **SETTINGS[name], base_url=f"http://127.0.0.1:{server.port}", read_timeout="0.2")


def by_key(server: hostile.Hostile) -> Counter[str]:
    if isinstance(server, hostile.Smtp):
        return Counter({f"mail:{to[4:].partition('@')[0]}:welcome:1:hello": n for to, n in server.taken.items()})
    return server.taken


def server_of(name: str, seed: int) -> hostile.Hostile:
    return hostile.Smtp(seed=seed) if name == "smtp" else hostile.Http(seed=seed, vendor=hostile.VENDORS[name])


def provider_of(name: str, server: hostile.Hostile) -> EmailSender:
    if isinstance(server, hostile.Http):
        return over_http(name, server)
    return built("smtp", host="127.0.0.1", port=str(server.port), security="none", timeout="2", accept_timeout="0.2")


def check(world: World, taken: Counter[str]) -> dict[str, set[str]]:
    """What holds whatever happened; `taken` by key."""
    found = world.states()
    assert set(found) <= {"sent", "ambiguous", "dead"}, "something was left undone"
    assert not [key for key, times in taken.items() if times > 1], "somebody got a mail twice"
    assert found.get("sent", set()) <= taken.keys(), "the outbox says that it was sent, and it was not"
    assert not found.get("dead", set()) & taken.keys(), "the outbox says that it was not sent, and it was"
    assert taken.keys() <= found.get("sent", set()) | found.get("ambiguous", set())
    return found


def settle(world: World, taken: Counter[str]) -> None:
    """The provider's own events come in for everything that it has."""
    rows = {row.key: row for row in world.rows()}
    told = [Evidence(number, rows[key].lead_id, key=key) for number, key in enumerate(sorted(taken), 1)]
    with world.engine.begin() as conn:
        evidence.prove(conn, told, world.clock())
    assert world.states().get("sent", set()) == taken.keys()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("extension", ["", "PIPELINING"])
def test_over_smtp(world: World, seed: int, extension: str):
    world.mails(MAILS)
    with hostile.Smtp(seed=seed, extension=extension) as server:
        sender = provider_of("smtp", server)
        world.work(sender, 12)
        sender._adapter.close()
    taken = by_key(server)
    found = check(world, taken)
    assert found["ambiguous"] & taken.keys()
    settle(world, taken)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", [name for name, vendor in hostile.VENDORS.items() if not vendor.remembers])
def test_over_the_api_of_a_provider_that_takes_no_keys(world: World, name: str, seed: int):
    world.mails(MAILS)
    with hostile.Http(seed=seed, vendor=hostile.VENDORS[name]) as server:
        sender = over_http(name, server)
        world.work(sender, 24)
        sender._adapter.close()
    found = check(world, server.taken)
    can_be_asked = name not in {"sendgrid", "ses"}
    assert bool(found.get("ambiguous")) != can_be_asked
    settle(world, server.taken)


@pytest.mark.parametrize("seed", SEEDS)
def test_over_the_api_of_a_provider_that_knows_keys_again(world: World, seed: int):
    world.mails(MAILS)
    with hostile.Http(seed=seed, vendor=hostile.VENDORS["resend"]) as server:
        sender = over_http("resend", server)
        world.work(sender, 12)
        sender._adapter.close()
    assert sum(server.tries.values()) > len(server.tries)
    check(world, server.taken)
    settle(world, server.taken)


def test_a_key_that_is_forgotten_is_not_tried_again(world: World):
    world.mails(MAILS)
    with hostile.Http(seed=3, vendor=hostile.VENDORS["brevo"], moods=("take and drop", "take")) as server:
        sender = over_http("brevo", server)
        world.deliverer.run(sender)
        server.vendor = hostile.Vendor(server.vendor.keys, server.vendor.consent)  # it has forgotten all of them
        world.work(sender, 12)
        sender._adapter.close()
    found = check(world, server.taken)
    assert found["ambiguous"]
    settle(world, server.taken)


def test_every_provider_with_an_api_is_tried():
    feeding_back = {name for name in discovery.names("email") if name in discovery.names("sources")}
    assert hostile.VENDORS.keys() == SETTINGS.keys() == feeding_back


@pytest.mark.parametrize(
    ("first", "second"),
    [("smtp", "resend"), ("postmark", "smtp"), ("sendgrid", "mailgun"), ("resend", "sparkpost"), ("brevo", "mandrill")],
)
def test_nobody_gets_a_mail_from_two_providers(world: World, first: str, second: str):
    world.mails(MAILS)
    with server_of(first, 1) as one, server_of(second, 2) as two:
        senders = {first: provider_of(first, one), second: provider_of(second, two)}
        routes = Routes((Route((first, second)),), first, {"plain": "marketing"})
        another = Deliverer(world.engine, world.clock, world.deliverer._policy)
        world.work(RoutedSender(routes, senders, {}), 24, world.deliverer, another)
        for sender in senders.values():
            sender._adapter.close()
    taken = {first: by_key(one), second: by_key(two)}
    together, found = taken[first] + taken[second], world.states()
    assert taken[second], "nothing was passed on"
    assert set(found) <= {"sent", "ambiguous", "dead"}
    assert not [key for key, times in together.items() if times > 1], "somebody got a mail twice"
    assert found.get("sent", set()) <= together.keys() <= found.get("sent", set()) | found.get("ambiguous", set())
    for row in world.rows():
        assert row.state != "sent" or row.key in taken[row.provider or ""], "the row names the wrong provider"
    settle(world, together)
    with world.engine.begin() as conn:
        assert conn.scalar(text("SELECT count(*) FROM outbox WHERE state = 'sent'")) == together.total()
