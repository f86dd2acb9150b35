"""What colleagues get: the hand-off note that goes with a promotion, and messages of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from integrations.exceptions import Unavailable
from tests.conftest import NOW
from tests.workers.delivery.world import COMPOSER, DETAILS, Scripted, World
from workers.delivery.senders import CrmSender
from workers.exceptions import RenderError, StoreUnavailable
from workers.store import rulebooks, suppressions
from workers.store.outbox import Effect
from workers.store.suppressions import Suppression

if TYPE_CHECKING:
    from sqlalchemy import Engine

FACTS = {
    "lead": {"first_name": "Ann", "email": "ann@acme.test"},
    "scores": {"fit": {"score": 60, "band": None}},
    "evidence": {"budget": True, "timing": False},
    "recent": [{"at": "2026-01-01T00:00:00+00:00", "type": "form.submitted", "points": 40}],
}


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


def hand_over(world: World, template: str) -> None:
    opportunity = DETAILS | {"note_template": template, "facts": FACTS}
    world.put(Effect("promotion:1:1", "crm", 1, {"crm": "hubspot", "opportunity": opportunity}, "hubspot"))


def test_the_note_is_made_of_the_facts_of_that_instant_and_is_the_same_on_every_try(world: World):
    hand_over(world, "note/full")
    crm = Scripted([Unavailable("later")])
    assert world.promote(crm) == {"retry": 1}
    world.lead(1, first_name="Somebody else")
    world.step(minutes=1)
    assert world.promote(crm) == {"sent": 1}
    assert crm.got[0].note == "Ann of A: 60\nhas budget\nform.submitted"
    assert world.row().last_error is None


@pytest.mark.parametrize(
    ("note", "reason"),
    [
        ("note/broken", "lead.nobody_knows has no value here"),
        ("note/wrong", "note/wrong/note.txt, line 1"),
        ("note/endless", "calls itself without end"),
        ("note/missing", "has no templates/note/missing/note.txt"),
    ],
)
def test_a_note_that_cannot_be_made_gives_way_to_the_built_in_one_and_the_reason_is_shown(world, note, reason):
    hand_over(world, note)
    crm = Scripted()
    assert world.promote(crm) == {"sent": 1}
    assert crm.got[0].note == "hot"
    assert world.row().last_error.startswith("the built-in note went out, because ")
    assert reason in world.row().last_error


@pytest.mark.parametrize(
    ("trouble", "state"),
    [(RenderError("gone"), "sent"), (StoreUnavailable("away"), "untried"), (KeyError("x"), "sent")],
)
def test_templates_that_cannot_be_had_lose_no_promotion(world: World, trouble, state):
    def composer(_version: str) -> Any:
        raise trouble

    hand_over(world, "note/full")
    sender = CrmSender(lambda _name: Scripted(), lambda _name: True, composer)
    assert dict(world.deliverer.run(sender).states) == {state: 1}


def test_the_templates_are_those_of_the_version_that_promoted(world: World):
    asked = []
    with world.engine.begin() as conn:
        first = rulebooks.apply(conn, "v1", {}, author="ana", message="", now=NOW)
        rulebooks.apply(conn, "v2", {}, author="ana", message="", now=NOW)
    assert first == 1  # under which the row is put
    hand_over(world, "note/full")
    sender = CrmSender(lambda _name: Scripted(), lambda _name: True, lambda version: asked.append(version) or COMPOSER)
    world.deliverer.run(sender)
    assert asked == ["v1"]


def test_a_message_to_a_colleague_goes_out_whatever_the_lead_has_asked_for(world: World):
    world.lead(1, email="ann@acme.test")
    with world.engine.begin() as conn:
        suppressions.add(conn, [Suppression("ann@acme.test", "unsubscribed")], NOW)
    notice = {"to": "boss@own.test", "subject": "Not accepted:\nann", "text": "Look at {{ it }}"}
    world.put(Effect("escalation:promotion:1:1", "email", 1, notice))
    provider = Scripted()
    assert world.run(provider) == {"sent": 1}
    (mail,) = provider.got
    assert (mail.to, mail.subject, mail.text) == ("boss@own.test", "Not accepted: ann", "Look at {{ it }}")
    assert (mail.headers, mail.html, mail.sender) == ({}, None, "Nora <nora@acme.test>")
    assert mail.key == "escalation:promotion:1:1"


def test_a_colleague_without_an_address_is_a_reason_and_not_a_crash(world: World):
    world.put(Effect("escalation:promotion:1:1", "email", 1, {"to": "boss", "subject": "x", "text": "y"}))
    assert world.run(Scripted()) == {"skipped": 1}
    assert world.row().reason == "bad-email"
