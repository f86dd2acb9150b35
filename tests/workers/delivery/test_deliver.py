"""The outbox on its way out, on real PostgreSQL, with a provider that does what the test says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from integrations.contracts import Promotion
from integrations.exceptions import Rejected, Unavailable, Unknown
from tests.conftest import NOW
from tests.workers.delivery.world import DETAILS, HAND_OVER, POLICY, SCHEDULE, Scripted, World, crm_sender
from workers.delivery.attempts import CONFIGURED_WAIT
from workers.delivery.deliver import Deliverer
from workers.delivery.health import IN_A_ROW
from workers.exceptions import ConfigurationError, StoreUnavailable
from workers.store import opportunities, pauses
from workers.store.opportunities import Opportunity
from workers.store.outbox import Effect
from workers.store.pauses import Alone

# ── what becomes of one row ──────────────────────────────────────────────────────────────────────────────────


def test_an_accepted_mail_is_sent_once_with_its_key_and_the_leads_own_words(world: World):
    world.mails(1, "hi")
    provider = Scripted()
    assert world.run(provider) == {"sent": 1}
    assert world.run(provider) == {}
    (mail,) = provider.got
    assert (mail.key, mail.to, mail.text) == ("mail:1:welcome:1:hello", "lead1@acme.test", "Hi Ann")
    row = world.row()
    assert (row.state, row.provider, row.provider_ref, row.attempts) == ("sent", "scripted", "ref-1", 1)
    assert row.message_name == mail.message_id.partition("@")[0]


def test_a_rejected_mail_is_dead_with_the_providers_code(world: World):
    world.mails(1)
    assert world.run(Scripted([Rejected("550", "no such user")])) == {"dead": 1}
    row = world.row()
    assert (row.state, row.reason, row.last_error) == ("dead", "550", "550: no such user")


def test_a_mail_that_was_not_taken_is_tried_by_the_schedule_and_then_given_up(world: World):
    world.mails(1)
    provider = Scripted([Unavailable("busy")] * 3)
    assert world.run(provider) == {"retry": 1}
    assert world.row().due_at == NOW + SCHEDULE[0]
    assert world.run(provider) == {}
    world.step(seconds=5)
    assert world.run(provider) == {"retry": 1}
    assert world.row().due_at == world.clock() + SCHEDULE[1]
    world.step(minutes=1)
    assert world.run(provider) == {"dead": 1}
    assert (world.row().reason, world.row().attempts) == ("exhausted", 3)


def test_a_longer_wait_that_the_provider_asks_for_is_kept_to(world: World):
    world.mails(1)
    world.run(Scripted([Unavailable("limit", timedelta(hours=3))]))
    assert world.row().due_at == NOW + timedelta(hours=3)


@pytest.mark.parametrize("error", [Unknown("no answer"), ValueError("a bug in the adapter")])
def test_an_unknown_outcome_is_ambiguous_where_the_key_is_not_taken(world: World, error: Exception):
    world.mails(1)
    assert world.run(Scripted([error])) == {"ambiguous": 1}
    world.step(days=30)
    assert world.run(Scripted()) == {}
    row = world.row()
    assert row.reason == ("unknown" if isinstance(error, Unknown) else "adapter-error")
    assert row.message_name


def test_an_unknown_outcome_is_tried_again_where_the_key_is_taken(world: World):
    world.mails(1)
    provider = Scripted([Unknown("no answer")], takes_key=True)
    assert world.run(provider) == {"retry": 1}
    world.step(seconds=5)
    assert world.run(provider) == {"sent": 1}
    assert world.row().attempts == 2


def test_an_outcome_that_stays_unknown_through_the_whole_schedule_is_ambiguous_and_not_dead(world: World):
    world.mails(1)
    provider = Scripted([Unknown("no answer")] * 3, takes_key=True)
    for _ in range(3):
        world.run(provider)
        world.step(hours=1)
    assert world.row().state == "ambiguous"


@pytest.mark.parametrize(
    ("fields", "name", "reason"),
    [
        ({"email": "ann@acme.test"}, "hi", "template"),
        ({"email": "ann@acme.test"}, "nothing/here", "template"),
        ({}, "plain", "no-email"),
        ({"email": "no address"}, "plain", "bad-email"),
    ],
)
def test_a_mail_that_cannot_be_made_is_skipped_with_its_reason(
    world: World, fields: dict[str, str], name: str, reason: str
):
    world.lead(1, **fields)
    world.put(Effect("mail:1:a:1:b", "email", 1, {"template": name}))
    assert world.run(Scripted()) == {"skipped": 1}
    row = world.row()
    assert row.reason == reason
    assert row.last_error


def test_a_row_that_cannot_even_be_read_is_dead_and_the_others_go(world: World):
    world.mails(2)
    with world.engine.begin() as conn:
        conn.execute(text("UPDATE outbox SET payload = '{}' WHERE lead_id = 1"))
    assert world.run(Scripted()) == {"dead": 1, "sent": 1}
    assert world.rows()[0].reason == "not-ready"


# ── a provider that is away ──────────────────────────────────────────────────────────────────────────────────


def test_a_provider_that_is_away_does_not_burn_through_the_outbox(world: World):
    world.mails(12)
    provider = Scripted([Unavailable("down")] * IN_A_ROW)
    assert world.run(provider) == {"retry": IN_A_ROW, "untried": 1}
    assert provider.got == []
    rows = world.rows()
    assert [row.attempts for row in rows] == [1] * IN_A_ROW + [0] * 9
    assert world.run(provider) == {}
    world.step(seconds=5)
    assert world.run(provider) == {"sent": 12}
    assert len({mail.key for mail in provider.got}) == 12


def test_one_mail_that_is_not_taken_does_not_hold_up_the_others(world: World):
    world.mails(6)
    assert world.run(Scripted([Unavailable("greylisted")])) == {"retry": 1, "sent": 5}


def test_a_provider_that_asks_for_a_pause_gets_it_at_once(world: World):
    world.mails(6)
    provider = Scripted([Unavailable("limit", timedelta(minutes=10))])
    assert world.run(provider) == {"retry": 1, "untried": 3}
    world.step(minutes=9)
    assert world.run(provider) == {}
    world.step(minutes=1)
    assert world.run(provider) == {"sent": 6}


def test_everybody_can_see_who_is_left_alone_by_which_process_until_it_answers_again(world: World):
    world.mails(6)
    other = Deliverer(world.engine, world.clock, POLICY, process="other:2")
    down = Scripted([Unavailable("down")] * IN_A_ROW + [Unavailable("limit", timedelta(minutes=10))])
    world.deliverer = Deliverer(world.engine, world.clock, POLICY, process="one:1")
    world.run(down)
    until = NOW + timedelta(seconds=5)
    assert world.alone() == [Alone("scripted", ("one:1",), NOW, until, IN_A_ROW)]
    world.deliverer, first = other, world.deliverer
    world.run(down)
    assert world.alone() == [Alone("scripted", ("one:1", "other:2"), NOW, until, IN_A_ROW + 1)]
    world.step(minutes=2)
    assert world.alone() == [Alone("scripted", ("one:1", "other:2"), NOW, until, IN_A_ROW + 1)]
    world.deliverer = first
    assert world.run(down) == {"sent": 4}
    assert world.alone() == [Alone("scripted", ("other:2",), NOW, NOW + timedelta(minutes=10), 1)]
    world.step(minutes=9)
    assert [each.provider for each in world.alone()] == ["scripted"]
    world.step(minutes=2)
    assert world.alone() == []  # it is gone, or has had nothing to send since


def test_whoever_is_left_alone_is_told_once_postgresql_is_back(world: World, monkeypatch: pytest.MonkeyPatch):
    world.mails(3)
    monkeypatch.setattr("workers.delivery.deliver.SETTLE_WAITS", (0,))
    note, failures = pauses.note, [StoreUnavailable("away")]

    def unlucky(*arguments: Any) -> None:
        if failures:
            raise failures.pop()
        note(*arguments)

    monkeypatch.setattr(pauses, "note", unlucky)
    world.run(Scripted([Unavailable("down")] * IN_A_ROW))
    assert [each.failures for each in world.alone()] == [IN_A_ROW]


def test_a_crm_that_is_away_does_not_hold_up_another(world: World):
    for number, crm in enumerate(["down", "up", "down", "up", "down", "up", "down", "up"]):
        world.put(Effect(f"promotion:{number}:1", "crm", number, HAND_OVER, crm))
    down, up = Scripted([Unavailable("down")] * 99), Scripted()
    sender = crm_sender(lambda name: down if name == "down" else up)
    world.deliverer.run(sender)
    assert len(up.got) == 4
    assert {row.state for row in world.rows() if row.provider == "down"} <= {"retry", "pending"}


# ── promotions ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_promotion_goes_to_the_crm_whole_and_its_opportunity_gets_the_id(world: World):
    with world.engine.begin() as conn:
        opportunities.add(conn, [Opportunity("promotion:1:1", 1, "hubspot", DETAILS)], NOW)
    world.put(Effect("promotion:1:1", "crm", 1, HAND_OVER, "hubspot"))
    crm = Scripted()
    assert world.promote(crm) == {"sent": 1}
    (promotion,) = crm.got
    assert isinstance(promotion, Promotion)
    assert (promotion.key, f"{promotion.amount}", f"{promotion.close_on}") == ("promotion:1:1", "9600.00", "2026-03-01")
    with world.engine.begin() as conn:
        (found,) = opportunities.recent(conn, 9)
    assert (found.ref, found.accepted_at) == ("ref-1", NOW)


def test_a_promotion_without_amount_and_date_goes_too(world: World):
    world.put(
        Effect(
            "promotion:1:1",
            "crm",
            1,
            {"crm": "hubspot", "opportunity": DETAILS | {"amount": None, "close_on": None}},
            "hubspot",
        )
    )
    crm = Scripted()
    assert world.promote(crm) == {"sent": 1}
    assert (crm.got[0].amount, crm.got[0].close_on) == (None, None)


def test_a_crm_that_is_not_configured_waits_for_a_person_and_gives_up_nobody_at_once(world: World):
    world.put(Effect("promotion:1:1", "crm", 1, HAND_OVER, "hubspot"))

    def crm(_name: str) -> Any:
        raise ConfigurationError("DRIPLINE_HUBSPOT_TOKEN is not set")

    for _ in range(len(SCHEDULE) + 3):  # as often as would have cost a row that somebody had refused
        assert dict(world.deliverer.run(crm_sender(crm)).states) == {"retry": 1}
        world.clock.move_to(world.clock() + CONFIGURED_WAIT)
    row = world.row()
    assert (row.state, row.reason, row.attempts) == ("retry", "not-configured", 0)
    assert row.last_error == "DRIPLINE_HUBSPOT_TOKEN is not set"
    assert dict(world.deliverer.run(crm_sender(lambda _name: Scripted())).states) == {"sent": 1}
    assert (world.row().attempts, world.row().last_error) == (1, None)
