"""Mails that leave together: each with its own outcome, and nobody late."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from integrations.contracts import Accepted, Mail
from integrations.exceptions import DeliveryError, NotBegun, Rejected, Unavailable, Unknown
from tests.conftest import NOW
from tests.workers.delivery.world import Scripted, World
from workers.delivery.compose import Composer
from workers.store import suppressions
from workers.store.suppressions import Suppression

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pytest


@dataclass
class Batching(Scripted):
    most: int = 3
    calls: list[int] = field(default_factory=list)

    def send_many(self, mails: Sequence[Mail]) -> list[Accepted | DeliveryError]:
        self.calls.append(len(mails))
        return [self._one(mail) for mail in mails]

    def _one(self, mail: Mail) -> Accepted | DeliveryError:
        try:
            return self.send(mail)
        except DeliveryError as error:
            return error


def test_mails_leave_together_and_each_has_its_own_outcome(world: World):
    world.mails(5)
    provider = Batching([Rejected("406", "inactive"), lambda: None, Unknown("no answer"), Unavailable("busy")])
    assert world.run(provider) == {"dead": 1, "sent": 2, "ambiguous": 1, "retry": 1}
    assert provider.calls == [3, 1, 1]  # the chunk has four rows, the next the fifth
    assert [row.state for row in world.rows()] == ["dead", "sent", "ambiguous", "retry", "sent"]
    assert [mail.key for mail in provider.got] == ["mail:2:welcome:1:hello", "mail:5:welcome:1:hello"]


def test_whoever_may_not_be_mailed_does_not_go_with_the_others(world: World):
    world.mails(3)
    with world.engine.begin() as conn:
        suppressions.add(conn, [Suppression("lead2@acme.test", "unsubscribed")], NOW)
    provider = Batching()
    assert world.run(provider) == {"skipped": 1, "sent": 2}
    assert [mail.to for mail in provider.got] == ["lead1@acme.test", "lead3@acme.test"]


def test_an_adapter_that_breaks_leaves_all_of_them_unclear(world: World):
    world.mails(3)
    provider = Batching([ZeroDivisionError("a bug")])
    assert world.run(provider) == {"ambiguous": 3}
    assert {row.reason for row in world.rows()} == {"adapter-error"}


def test_an_adapter_that_tells_of_fewer_leaves_all_of_them_unclear(world: World, monkeypatch: pytest.MonkeyPatch):
    world.mails(3)
    provider = Batching()
    monkeypatch.setattr(provider, "send_many", lambda mails: [Accepted("x")] * (len(mails) - 1))
    assert world.run(provider) == {"ambiguous": 3}


def test_nothing_waits_for_company_for_long(world: World, monkeypatch: pytest.MonkeyPatch):
    world.mails(4)
    passed: Any = iter(range(0, 1000, 2))
    monkeypatch.setattr("workers.delivery.together.time.monotonic", lambda: float(next(passed)))
    provider = Batching(most=500)
    assert world.run(provider) == {"sent": 4}
    assert provider.calls == [1, 1, 1, 1]


@dataclass
class Slow(Batching):
    """Sends the first mail of a call, and the others come too late."""

    meanwhile: list[Callable[[], None]] = field(default_factory=list)

    def send_many(self, mails: Sequence[Mail]) -> list[Accepted | DeliveryError]:
        self.calls.append(len(mails))
        first = self._one(mails[0])
        for happens in self.meanwhile:
            happens()
        return [first, *(NotBegun("too late") for _ in mails[1:])]


def test_those_whose_turn_does_not_come_in_time_go_next_and_are_made_once(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    world.mails(4)
    provider, made, compose = Slow(most=4), 0, Composer.compose

    def composed(*args: Any, **given: Any) -> Mail:
        nonlocal made
        made += 1
        return compose(*args, **given)

    monkeypatch.setattr(Composer, "compose", composed)
    states = world.run(provider)
    assert states == {"sent": 4}
    assert provider.calls == [4, 3, 2, 1]
    assert [row.attempts for row in world.rows()] == [1, 1, 1, 1]
    assert made == 4


def test_whoever_refuses_before_their_turn_gets_no_mail(world: World):
    world.mails(3)

    def refuse() -> None:
        with world.engine.begin() as conn:
            suppressions.add(conn, [Suppression("lead3@acme.test", "complained")], NOW)

    provider = Slow(most=3, meanwhile=[refuse])
    assert world.run(provider) == {"sent": 2, "skipped": 1}
    assert [mail.to for mail in provider.got] == ["lead1@acme.test", "lead2@acme.test"]
