"""What may have been taken: keys that are forgotten, and providers that can be asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from integrations.contracts import Accepted, Trace
from integrations.exceptions import DeliveryError, Rejected, Unavailable, Unknown
from tests.conftest import NOW
from tests.workers.delivery.world import COMPOSER, Killed, Scripted, World
from workers.delivery.lookup import HELD, LONGEST, SOONEST
from workers.delivery.senders import EmailSender
from workers.store import clearing, evidence, outbox, unclear

if TYPE_CHECKING:
    from sqlalchemy import Engine


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


# ── keys that are forgotten ──────────────────────────────────────────────────────────────────────────────────


@dataclass
class Forgetful(Scripted):
    takes_key: bool = True
    key_kept: timedelta = timedelta(minutes=30)


def test_an_unknown_outcome_is_tried_again_while_the_key_is_remembered(world: World):
    world.mails(1)
    assert world.run(Forgetful([Unknown("no answer")])) == {"retry": 1}
    world.step(minutes=29)
    assert world.run(Forgetful()) == {"sent": 1}


@pytest.mark.parametrize("later", [[], [Unavailable("busy")]])
def test_and_not_any_more_once_it_is_forgotten(world: World, later: list[Exception]):
    world.mails(1)
    provider = Forgetful([Unknown("no answer"), *later])
    world.run(provider)
    for _ in later:
        world.step(seconds=5)
        assert world.run(provider) == {"retry": 1}
    world.step(minutes=31)
    assert world.run(provider) == {"ambiguous": 1}
    assert (provider.got, world.row().reason) == ([], "key-forgotten")
    world.step(days=1)
    assert world.run(provider) == {}


def test_what_provably_was_not_taken_is_tried_however_long_that_takes(world: World):
    world.mails(1)
    provider = Forgetful([Unavailable("closed", timedelta(hours=5))])
    assert world.run(provider) == {"retry": 1}
    world.step(hours=6)
    assert world.run(provider) == {"sent": 1}


def test_another_provider_does_not_know_the_key(world: World):
    world.mails(1)
    world.run(Forgetful([Unknown("no answer")]))
    world.step(seconds=5)
    other = Scripted(takes_key=True)
    sender = EmailSender("other", other, lambda _version, _template: COMPOSER)
    assert dict(world.deliverer.run(sender).states) == {"ambiguous": 1}
    assert other.got == []


def test_a_worker_killed_long_ago_leaves_no_row_to_be_sent_twice(world: World):
    world.mails(1)

    def die() -> None:
        raise Killed

    provider = Forgetful([die])
    with pytest.raises(Killed):
        world.run(provider)
    world.step(hours=2)
    with world.engine.begin() as conn:
        assert outbox.expire(conn, world.clock(), lambda _provider: True) == {"retry": 1}
    assert world.run(provider) == {"ambiguous": 1}
    assert provider.got == []


def test_a_person_may_have_it_sent_again_all_the_same(world: World):
    world.mails(1)
    provider = Forgetful([Unknown("no answer")])
    world.run(provider)
    world.step(hours=1)
    world.run(provider)
    with world.engine.begin() as conn:
        assert clearing.again(conn, [world.row().id], world.clock())
    assert world.run(provider) == {"sent": 1}


def test_a_try_that_came_to_nothing_does_not_make_an_earlier_one_certain(world: World):
    world.mails(1)
    provider = Scripted([Unknown("no answer"), Unavailable("busy"), Unavailable("busy")], takes_key=True)
    for _ in range(3):
        world.run(provider)
        world.step(hours=1)
    assert (world.row().state, world.row().reason) == ("ambiguous", "exhausted")


def test_nor_does_a_refusal(world: World):
    world.mails(1)
    provider = Scripted([Unknown("no answer"), Rejected("406", "inactive")], takes_key=True)
    world.run(provider)
    world.step(hours=1)
    assert world.run(provider) == {"ambiguous": 1}
    assert world.row().reason == "406"


# ── providers that can be asked ──────────────────────────────────────────────────────────────────────────────


@dataclass
class Finder(Scripted):
    """Can be asked; says what `found` holds, the last of it for ever."""

    found: list[Accepted | DeliveryError | None] = field(default_factory=lambda: [None])
    asked: list[Trace] = field(default_factory=list)
    findable_after: timedelta = timedelta(hours=1)

    def find(self, trace: Trace) -> Accepted | None:
        self.asked.append(trace)
        said = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if isinstance(said, DeliveryError):
            raise said
        return said


def lost(world: World, *found: Accepted | DeliveryError | None) -> Finder:
    """A mail that was sent by a provider whose answer was lost."""
    world.mails(1)
    provider = Finder([Unknown("no answer")], found=list(found))
    assert world.run(provider) == {"ambiguous": 1}
    return provider


def due(world: World) -> bool:
    with world.engine.begin() as conn:
        return "email" in outbox.due_channels(conn, world.clock())


def test_what_the_provider_has_was_sent(world: World):
    provider = lost(world, Accepted("theirs"))
    assert not due(world), "it is not there yet"
    assert world.run(provider) == {}
    world.step(minutes=1)
    assert due(world)
    assert world.run(provider) == {"sent": 1}
    row = world.row()
    assert (row.state, row.reason, row.provider_ref) == ("sent", unclear.FOUND, "theirs")
    assert provider.asked == [Trace("mail:1:welcome:1:hello", str(row.message_name), "lead1@acme.test", NOW)]
    assert not due(world)


def test_what_it_never_had_is_sent_again_but_not_before_that_is_certain(world: World):
    provider = lost(world, None)
    for _ in range(11):
        world.step(minutes=5)
        world.run(provider)
        assert world.row().state == "ambiguous"
    world.step(minutes=30)
    assert world.run(provider) == {"retry": 1, "sent": 1}
    assert len(provider.got) == 1


def test_whoever_cannot_tell_is_asked_ever_more_rarely_and_in_the_end_not_at_all(world: World):
    provider = lost(world, Unavailable("the account may not search"))
    for _ in range(2000):
        world.step(minutes=5)
        world.run(provider)
    assert world.row().state == "ambiguous"
    assert 5 < len(provider.asked) < 30
    assert not due(world)
    assert world.clock() - NOW > LONGEST > SOONEST


def test_an_event_settles_it_meanwhile(world: World):
    provider = lost(world, None)
    key = world.row().key
    with world.engine.begin() as conn:
        assert evidence.prove(conn, [evidence.Evidence(7, 1, key=key)], world.clock()).rows == 1
    world.step(days=1)
    assert world.run(provider) == {}
    assert (world.row().state, provider.asked) == ("sent", [])


def test_an_event_that_comes_while_the_provider_is_asked_counts(world: World):
    provider = lost(world, None)
    world.step(hours=2)
    ask = provider.find

    def find(trace: Trace) -> Accepted | None:
        with world.engine.begin() as conn:
            evidence.prove(conn, [evidence.Evidence(7, 1, key=trace.key)], world.clock())
        return ask(trace)

    provider.find = find  # type: ignore[method-assign]
    assert world.run(provider) == {}
    assert (world.row().state, world.row().reason, provider.got) == ("sent", "evidence", [])


def test_a_search_by_an_address_that_has_changed_tells_nothing(world: World):
    provider = lost(world, None)
    with world.engine.begin() as conn:
        conn.execute(text("UPDATE leads SET email = 'new@acme.test'"))
    world.step(days=1)
    assert world.run(provider) == {}
    assert (world.row().state, provider.asked, provider.got) == ("ambiguous", [], [])
    assert not due(world)


def test_a_row_of_another_provider_is_left_to_events_and_people(world: World):
    lost(world, Accepted("theirs"))
    world.step(hours=2)
    other = Finder(found=[None])
    assert dict(world.deliverer.run(EmailSender("other", other, lambda *_: COMPOSER)).states) == {}
    assert (world.row().state, other.asked) == ("ambiguous", [])
    assert not due(world)


def test_nobody_is_asked_who_cannot_be(world: World):
    world.mails(1)
    provider = Scripted([Unknown("no answer")])
    world.run(provider)
    world.step(hours=2)
    assert world.run(provider) == {}
    assert not due(world), "the workers would be woken for ever"


def test_two_do_not_ask_at_the_same_time(world: World):
    lost(world, None)
    world.step(hours=2)
    now = world.clock()
    with world.engine.begin() as conn:
        assert len(unclear.ask(conn, "email", ["scripted"], now, again=now + HELD)) == 1
        assert unclear.ask(conn, "email", ["scripted"], now, again=now + HELD) == []


def test_a_worker_killed_while_asking_is_followed_by_another(world: World):
    provider = lost(world, None, Accepted("theirs"))
    world.step(minutes=5)

    def die(_trace: Trace) -> Accepted | None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provider, "find", die)
        with pytest.raises(Killed):
            world.run(provider)
    provider.found = [Accepted("theirs")]
    world.step(minutes=11)
    assert world.run(provider) == {"sent": 1}
