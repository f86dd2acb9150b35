"""Rate limits as the delivery keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.conftest import NOW
from tests.workers.delivery.world import COMPOSER, Scripted, World
from workers.delivery import deliver, people
from workers.delivery.senders import EmailSender
from workers.engine.rules import RateLimit, Sending
from workers.store import suppressions
from workers.store.outbox import Effect
from workers.store.suppressions import Suppression

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from integrations.contracts import Accepted, Mail


def test_what_is_too_much_waits_for_its_turn_and_no_try_is_counted(world: World):
    world.mails(4)
    provider = Scripted()
    sender = EmailSender("scripted", provider, lambda _version, _template: COMPOSER)
    slow = Sending((RateLimit("domain", "acme.test", 1, 60_000_000),))
    assert dict(world.deliverer.run(sender, slow).states) == {"sent": 1, "untried": 3}
    waiting = [row for row in world.rows() if row.state == "pending"]
    assert [row.due_at - NOW for row in waiting] == [timedelta(minutes=n) for n in (1, 2, 3)]
    assert [row.attempts for row in waiting] == [0, 0, 0]
    world.step(minutes=1)
    assert dict(world.deliverer.run(sender, slow).states) == {"sent": 1}


def test_a_limit_on_one_domain_holds_nobody_else_up(world: World):
    world.mails(3)
    world.lead(9, email="ben@other.test")
    world.put(Effect("mail:9:welcome:1:hello", "email", 9, {"template": "plain"}))
    sender = EmailSender("scripted", Scripted(), lambda _version, _template: COMPOSER)
    slow = Sending((RateLimit("domain", "acme.test", 1, 60_000_000),))
    assert dict(world.deliverer.run(sender, slow).states) == {"sent": 2, "untried": 2}


QUICK = Sending((RateLimit("domain", "acme.test", 10, 1_000_000),))


@dataclass
class Several(Scripted):
    """Takes several in a call."""

    most: int = 10
    calls: list[int] = field(default_factory=list)

    def send_many(self, mails: Sequence[Mail]) -> list[Accepted]:
        self.calls.append(len(mails))
        return [self.send(mail) for mail in mails]


def test_nobody_waits_for_the_turn_of_another(world: World, monkeypatch: pytest.MonkeyPatch):
    """Mails that could leave together leave before the one that has to wait for a moment."""
    world.mails(3)
    provider = Several()
    sent: list[int] = []

    def nap(lasts: float) -> None:
        sent.append(len(provider.got))
        world.step(seconds=lasts)

    monkeypatch.setattr(deliver.time, "sleep", nap)
    sender = EmailSender("scripted", provider, lambda _version, _template: COMPOSER)
    assert dict(world.deliverer.run(sender, QUICK).states) == {"sent": 3}
    assert sent == [1, 2]
    assert provider.calls == [1, 1, 1]


def test_whoever_refuses_while_a_mail_waits_for_its_turn_gets_none(world: World, monkeypatch: pytest.MonkeyPatch):
    world.mails(2)

    def nap(lasts: float) -> None:
        world.step(seconds=lasts)
        with world.engine.begin() as conn:
            suppressions.add(conn, [Suppression("lead2@acme.test", "complained")], NOW)

    monkeypatch.setattr(deliver.time, "sleep", nap)
    monkeypatch.setattr(people, "FRESH", 0.0)
    provider = Scripted()
    sender = EmailSender("scripted", provider, lambda _version, _template: COMPOSER)
    assert dict(world.deliverer.run(sender, QUICK).states) == {"sent": 1, "skipped": 1}
    assert [mail.to for mail in provider.got] == ["lead1@acme.test"]


def test_mails_behind_a_whole_chunk_that_waits_for_its_domain_go_all_the_same(world: World):
    world.mails(9)
    world.lead(19, email="ben@other.test")
    world.put(Effect("mail:19:welcome:1:hello", "email", 19, {"template": "plain"}))
    sender = EmailSender("scripted", Scripted(), lambda _version, _template: COMPOSER)
    slow = Sending((RateLimit("domain", "acme.test", 1, 60_000_000),))
    assert dict(world.deliverer.run(sender, slow).states) == {"sent": 2, "untried": 8}
    assert [row.claims for row in world.rows()] == [1] * 10


def test_mails_that_wait_for_their_provider_stay_where_they_are(world: World):
    world.mails(9)
    sender = EmailSender("scripted", Scripted(), lambda _version, _template: COMPOSER)
    slow = Sending((RateLimit("provider", "scripted", 1, 60_000_000),))
    assert dict(world.deliverer.run(sender, slow).states) == {"sent": 1, "untried": 3 + 1}
    assert dict(world.deliverer.run(sender, slow).states) == {"untried": 1}
    assert sorted(row.claims for row in world.rows()) == [0] * 3 + [1] * 6
