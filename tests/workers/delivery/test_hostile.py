"""Never twice, and nothing lost: what servers have taken is what the outbox says, whatever they did to the answers."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

from integrations import discovery
from tests.contract import hostile
from tests.workers.delivery.world import COMPOSER, World
from workers.delivery.senders import EmailSender
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


def work(world: World, sender: EmailSender, hours: int) -> None:
    """Workers on the outbox, two at a time, on a fast clock: so many hours, and until nothing is left to be tried."""
    for number in range(1000):
        if number >= hours * 2 and not {"pending", "sending", "retry"} & states(world).keys():
            return
        threads = [threading.Thread(target=world.deliverer.run, args=(sender,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        world.step(minutes=30)
    raise AssertionError(f"it never ends: {states(world)}")


def states(world: World) -> dict[str, set[str]]:
    """Keys by state."""
    found: dict[str, set[str]] = {}
    for row in world.rows():
        found.setdefault(row.state, set()).add(row.key)
    return found


def check(world: World, taken: Counter[str]) -> dict[str, set[str]]:
    """What holds whatever happened; `taken` by key."""
    found = states(world)
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
    assert states(world).get("sent", set()) == taken.keys()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("extension", ["", "PIPELINING"])
def test_over_smtp(world: World, seed: int, extension: str):
    world.mails(MAILS)
    with hostile.Smtp(seed=seed, extension=extension) as server:
        sender = built(
            "smtp", host="127.0.0.1", port=str(server.port), security="none", timeout="2", accept_timeout="0.2"
        )
        work(world, sender, 12)
        sender._adapter.close()
    taken = Counter({f"mail:{to[4:].partition('@')[0]}:welcome:1:hello": n for to, n in server.taken.items()})
    found = check(world, taken)
    assert found["ambiguous"] & taken.keys()
    settle(world, taken)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", [name for name, vendor in hostile.VENDORS.items() if not vendor.remembers])
def test_over_the_api_of_a_provider_that_takes_no_keys(world: World, name: str, seed: int):
    world.mails(MAILS)
    with hostile.Http(seed=seed, vendor=hostile.VENDORS[name]) as server:
        sender = over_http(name, server)
        work(world, sender, 24)
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
        work(world, sender, 12)
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
        work(world, sender, 12)
        sender._adapter.close()
    found = check(world, server.taken)
    assert found["ambiguous"]
    settle(world, server.taken)


def test_every_provider_with_an_api_is_tried():
    feeding_back = {name for name in discovery.names("email") if name in discovery.names("sources")}
    assert hostile.VENDORS.keys() == SETTINGS.keys() == feeding_back
