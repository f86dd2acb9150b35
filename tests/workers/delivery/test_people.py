"""Whether a person may be mailed is looked up at the instant of sending."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text

from tests.conftest import NOW
from tests.workers.delivery.world import Scripted, World
from workers.delivery import people
from workers.store import suppressions
from workers.store.outbox import Effect
from workers.store.suppressions import Suppression


def test_whoever_was_suppressed_after_the_decision_gets_no_mail(world: World):
    world.mails(2)
    with world.engine.begin() as conn:
        suppressions.add(conn, [Suppression("Lead1@acme.test", "unsubscribed")], NOW)
    provider = Scripted()
    assert world.run(provider) == {"skipped": 1, "sent": 1}
    assert (world.rows()[0].state, world.rows()[0].reason) == ("skipped", "unsubscribed")
    assert [mail.to for mail in provider.got] == ["lead2@acme.test"]


def test_whoever_is_suppressed_while_the_chunk_is_being_sent_gets_no_mail(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    world.mails(3)
    monkeypatch.setattr(people, "FRESH", 0.0)

    def suppress() -> None:
        with world.engine.begin() as conn:
            suppressions.add(conn, [Suppression("lead3@acme.test", "complained")], NOW)

    provider = Scripted([suppress])
    assert world.run(provider) == {"sent": 2, "skipped": 1}
    assert [mail.to for mail in provider.got] == ["lead1@acme.test", "lead2@acme.test"]


@pytest.mark.parametrize(
    ("entry", "sent"),
    [
        ("lead1@acme.test unsubscribed", ["receipt"]),
        ("lead1@acme.test bounced", []),
        ("lead1@acme.test soft-bounced", []),
        ("lead1@acme.test complained", []),
        ("lead1@acme.test manual", []),
        ("@ACME.test domain", []),
        ("@test domain", ["plain", "receipt"]),
    ],
)
def test_unsubscribing_is_about_marketing_and_everything_else_about_all_mail(world: World, entry: str, sent: list[str]):
    world.lead(1, email="Lead1@acme.test", first_name="Ann")
    world.put(*[Effect(f"mail:1:{name}:1:a", "email", 1, {"template": name}) for name in ("plain", "receipt")])
    with world.engine.begin() as conn:
        suppressions.add(conn, [Suppression(*entry.split())], NOW)
    provider = Scripted()
    world.run(provider)
    assert [mail.key.split(":")[2] for mail in provider.got] == sent
    assert {row.reason for row in world.rows() if row.state == "skipped"} <= {entry.split()[1]}


def test_whoever_is_on_the_list_twice_is_there_for_the_graver_reason(world: World):
    with world.engine.begin() as conn:
        for reason in ("unsubscribed", "bounced"):
            suppressions.add(conn, [Suppression("ann@acme.test", reason)], NOW)
        assert suppressions.reasons(conn, ["ann@acme.test"]) == {"ann@acme.test": "bounced"}


@pytest.mark.parametrize(("said", "sent"), [("given", 1), ("pending", 0), ("withdrawn", 0), (None, 0)])
def test_consent_is_looked_up_at_the_instant_of_sending(
    world: World, monkeypatch: pytest.MonkeyPatch, said: str | None, sent: int
):
    """The lead says it while the mail before it is being handed over."""
    monkeypatch.setattr(people, "FRESH", 0.0)
    world.mails(2, "webinar")

    def say() -> None:
        consents = {} if said is None else {"webinars": [said, 1, 1]}
        with world.engine.begin() as conn:
            conn.execute(
                text("UPDATE leads SET state = jsonb_set(state, '{consents}', :said) WHERE id = 2"),
                {"said": json.dumps(consents)},
            )

    with world.engine.begin() as conn:
        conn.execute(text("""UPDATE leads SET state = state || '{"consents": {"webinars": ["given", 1, 1]}}'"""))
    provider = Scripted([say])
    world.run(provider)
    assert [mail.to for mail in provider.got] == ["lead1@acme.test", "lead2@acme.test"][: 1 + sent]
    assert [row.reason for row in world.rows() if row.state == "skipped"] == ["no-consent"] * (1 - sent)
