from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import NOW
from tests.workers.rulebooks import BUNDLE, apply
from workers.pipeline import process_slice
from workers.reports import story
from workers.reports.story import Line, Story
from workers.reports.words import WORDINGS, sentence
from workers.rulebook import compile_rulebook
from workers.store import events
from workers.store.events import NewEvent
from workers.store.rulebooks import Rulebooks
from workers.store.slices import SLICES

if TYPE_CHECKING:
    from sqlalchemy import Engine

ANN = "email:ann@acme.test"
RULEBOOK = compile_rulebook(BUNDLE)


def happen(engine: Engine, *what: tuple[str, timedelta, dict[str, Any], dict[str, Any]]) -> None:
    batch = [
        NewEvent("product", f"{number}", type_, NOW - ago, ANN, (ANN,), properties, lead)
        for number, (type_, ago, properties, lead) in enumerate(what)
    ]
    with engine.begin() as conn:
        events.append(conn, batch, NOW)
    books = Rulebooks(compile_rulebook)
    for slice_ in range(SLICES):
        process_slice(engine, slice_, books, lambda: NOW)


def tell(engine: Engine, at: datetime = NOW) -> Story:
    with engine.begin() as conn:
        told = story.read(conn, ANN, RULEBOOK, at)
    assert told is not None
    return told


@pytest.fixture
def ann(engine: Engine) -> Engine:
    version = apply(engine, NOW)
    assert version == RULEBOOK.version
    happen(
        engine,
        ("page.viewed", timedelta(days=60), {"url": "/"}, {"first_name": "Ann", "employees": 250}),
        ("form.submitted", timedelta(days=30), {"form": "demo"}, {}),
        ("form.submitted", timedelta(), {"form": "newsletter"}, {}),
        ("form.submitted", timedelta(), {"form": "demo"}, {}),
    )
    return engine


@pytest.mark.parametrize("later", [timedelta(), timedelta(days=7), timedelta(days=400)])
def test_what_is_shown_of_a_score_adds_up_to_it(ann: Engine, later: timedelta):
    for score in tell(ann, NOW + later).scores:
        assert sum(one.worth for one in score.entries) + score.clamped == pytest.approx(score.score, abs=1e-4)


def test_a_story_says_why(ann: Engine):
    told = tell(ann)
    engagement, fit = told.scores
    assert [(one.rule, one.points, one.type) for one in engagement.entries] == [
        ("engagement.asked", 60, "form.submitted"),
        ("engagement.asked", 60, "form.submitted"),
        ("engagement.viewed", 5, "page.viewed"),
    ]
    assert [one.worth for one in engagement.entries] == pytest.approx([60, 30, 1.25], abs=1e-4)
    assert (engagement.band, fit.score, told.stage, told.promotions) == ("hot", 30, "opportunity", 1)
    assert [each.campaign for each in told.enrolments] == ["welcome"]
    assert {row.channel for row in told.outbox} == {"email", "crm"}
    assert told.opportunities[0].details["amount"] == "2500.00"
    assert all(line.version == RULEBOOK.version for line in told.timeline)
    json.dumps(told.as_data(), default=str)


def test_every_decision_has_words(ann: Engine):
    said = {line.kind: sentence(line) for line in tell(ann).timeline}
    assert said["scored"] == "+60 by engagement.asked"
    assert said["promoted"] == "opportunity 2500.00 EUR for webhook, on the evidence of size"
    assert said["enrolled"] == "enters welcome"
    assert "mail hello to the outbox" in said["sent"]
    assert set(said) <= set(WORDINGS)


def test_a_decision_of_another_program_is_shown_as_it_is():
    line = Line(NOW, None, "teleported", "x.y", "v", None, None, {"to": "mars", "why": None})
    assert sentence(line) == "teleported x.y (to mars)"
    odd = Line(NOW, None, "scored", "x.y", "v", None, None, {"points": 3})
    assert sentence(odd) == "scored x.y (points 3)"


def test_nobody_has_no_story(engine: Engine):
    with engine.begin() as conn:
        assert story.read(conn, ANN, RULEBOOK, NOW) is None
