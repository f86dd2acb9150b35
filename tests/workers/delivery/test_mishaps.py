"""Crashes, threads, and a PostgreSQL that is away: nothing is sent twice, and what was sent is recorded."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from workers.delivery import deliver, people
from workers.delivery.attempts import Policy
from workers.delivery.deliver import Deliverer
from workers.delivery.senders import EmailSender
from workers.exceptions import StoreUnavailable
from workers.store import consents, outbox
from workers.store.database import transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection, Engine

    from workers.delivery.compose import Composer

from tests.workers.delivery.world import COMPOSER, POLICY, SCHEDULE, Killed, Scripted, World


@pytest.mark.parametrize(("takes_key", "state"), [(True, "retry"), (False, "ambiguous")])
def test_a_worker_killed_while_sending_leaves_no_row_to_be_sent_twice(world: World, takes_key: bool, state: str):
    world.mails(3)

    def die() -> None:
        raise Killed

    provider = Scripted([lambda: None, die])
    with pytest.raises(Killed):
        world.run(provider)
    assert {row.state for row in world.rows()} == {"sending"}
    assert world.run(provider) == {}
    world.step(minutes=11)
    with world.engine.begin() as conn:
        assert outbox.expire(conn, world.clock(), lambda _provider: takes_key) == {state: 3}


def test_threads_share_the_outbox_and_nothing_goes_twice(world: World):
    world.mails(60)
    provider = Scripted([lambda: time.sleep(0.001)] * 60)
    threads = [threading.Thread(target=world.run, args=(provider,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(mail.key for mail in provider.got) == sorted(row.key for row in world.rows())
    assert {row.state for row in world.rows()} == {"sent"}


def away(times: int, real: Callable[..., Any]) -> Callable[..., Any]:
    """`settle` that finds PostgreSQL away so often, whenever there is something to record."""
    left = [times]

    def settle(conn: Any, outcomes: Sequence[Any], now: datetime) -> Any:
        if outcomes and left[0]:
            left[0] -= 1
            raise StoreUnavailable("away")
        return real(conn, outcomes, now)

    return settle


def test_what_was_sent_is_recorded_once_postgresql_is_back(world: World, monkeypatch: pytest.MonkeyPatch):
    world.mails(3)
    monkeypatch.setattr(deliver, "SETTLE_WAITS", (0, 0, 0))
    monkeypatch.setattr(outbox, "settle", away(2, outbox.settle))
    provider = Scripted()
    world.run(provider)
    assert {row.state for row in world.rows()} == {"sent"}
    assert len(provider.got) == 3


def test_what_was_sent_is_recorded_though_the_suppressions_cannot_be_looked_up_for_the_rest(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    world.mails(3)

    def gone(*_: object) -> Any:
        raise StoreUnavailable("away")

    def slow() -> None:
        monkeypatch.setattr(people, "FRESH", 0.0)
        monkeypatch.setattr(consents, "now_are", gone)

    provider = Scripted([slow])
    assert world.run(provider) == {"sent": 1, "untried": 4}
    assert [(row.state, row.attempts) for row in world.rows()] == [("sent", 1), ("pending", 0), ("pending", 0)]
    monkeypatch.undo()
    assert world.run(provider) == {"sent": 2}
    assert len(provider.got) == 3


def test_a_mail_waits_whose_template_is_in_a_postgresql_that_is_away(world: World):
    world.mails(1)

    def gone(*_: object) -> Composer:
        raise StoreUnavailable("away")

    sender = EmailSender("scripted", Scripted(), gone)
    assert dict(world.deliverer.run(sender).states) == {"untried": 1}
    assert (world.row().state, world.row().attempts) == ("pending", 0)


def test_a_lost_answer_to_a_commit_takes_no_row_from_who_claimed_it_since(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """What was given back and claimed by somebody else is not given back again, or it would be sent twice."""
    world.mails(1)
    other: list[outbox.Claim] = []

    @contextmanager
    def lossy(engine: Engine) -> Iterator[Connection]:
        with transaction(engine) as conn:
            yield conn
        if world.row().state == "pending" and world.row().claims and not other:
            with world.engine.begin() as conn:
                other.extend(outbox.claim(conn, "email", world.clock(), limit=9, lease=POLICY.lease))
            raise StoreUnavailable("the connection was lost, the commit was not")

    monkeypatch.setattr(deliver, "transaction", lossy)
    monkeypatch.setattr(deliver, "SETTLE_WAITS", (0, 0))
    policy = Policy(SCHEDULE, timedelta(0), 4)  # a lease so short that every claim is given back untried
    assert Deliverer(world.engine, world.clock, policy).run(
        EmailSender("scripted", cast("Any", Scripted()), lambda _v, _t: COMPOSER)
    ).states == {"untried": 1}
    assert len(other) == 1
    assert world.row().state == "sending"
    with world.engine.begin() as conn:
        assert outbox.claim(conn, "email", world.clock(), limit=9, lease=POLICY.lease) == []


def test_what_can_never_be_recorded_counts_as_abandoned(world: World, monkeypatch: pytest.MonkeyPatch):
    world.mails(3)
    monkeypatch.setattr(deliver, "SETTLE_WAITS", (0, 0))
    monkeypatch.setattr(outbox, "settle", away(99, outbox.settle))
    with pytest.raises(StoreUnavailable, match="3 outbox rows will count as abandoned"):
        world.run(Scripted())
    assert {row.state for row in world.rows()} == {"sending"}


@pytest.mark.parametrize(("mails", "calls"), [(4, 0), (7, 0), (8, 1), (30, 1)])
def test_others_are_called_once_where_there_is_more_than_one_can_take(world: World, mails: int, calls: int):
    """A chunk has four rows."""
    called: list[int] = []
    world.mails(mails)
    sender = EmailSender("scripted", Scripted(), lambda _version, _template: COMPOSER)
    assert world.deliverer.run(sender, call=lambda: called.append(1)).states == {"sent": mails}
    assert len(called) == calls


def test_a_run_ends_when_its_time_is_up_and_says_that_there_is_more(world: World, monkeypatch: pytest.MonkeyPatch):
    world.mails(9)
    monkeypatch.setattr(deliver, "RUN", 0.0)
    run = world.deliverer.run(EmailSender("scripted", cast("Any", Scripted()), lambda _v, _t: COMPOSER))
    assert (run.more, run.states) == (True, {"sent": POLICY.chunk})
    assert sum(row.state == "sending" for row in world.rows()) == 0


def test_a_chunk_that_takes_half_its_lease_is_given_back(world: World, monkeypatch: pytest.MonkeyPatch):
    world.mails(4)
    passed = [0.0]

    def wait() -> None:
        passed[0] += POLICY.lease.total_seconds() / 2 + 1

    monkeypatch.setattr(deliver, "time", SimpleNamespace(monotonic=lambda: passed[0], sleep=time.sleep))
    provider = Scripted([wait])
    assert world.run(provider) == {"sent": 1, "untried": 3}
    assert [(row.state, row.attempts, row.claims) for row in world.rows()] == [("sent", 1, 1)] + [("pending", 0, 1)] * 3
    assert world.run(provider) == {"sent": 3}
    assert len({mail.key for mail in provider.got}) == len(provider.got) == 4
