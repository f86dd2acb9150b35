from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.engine.builders import DAY, DAY_MICROS, NOW, event, model, points, rulebook
from tests.workers.engine.test_scoring import DECAYS, LIMITS, POINTS, fed, histories
from workers.engine.decay import Keep
from workers.engine.ledger import ledger
from workers.engine.rules import Group, Part
from workers.engine.standing import Standing
from workers.engine.values import LeadState


def book(decay, limit, low, high):
    kind = DECAYS[decay]
    parts = (Part("engagement", kind, low, high), Part("second", Keep()))
    rules = tuple(
        points(
            name,
            amount,
            decay=kind if number % 2 else Keep(),
            part="engagement" if number % 2 else "second",
            **LIMITS[limit],
        )
        for number, (name, amount) in enumerate(POINTS.items())
    )
    scored = model(minimum=low, maximum=high, bands=(), groups=(Group("g", parts, (), low * 2, high * 2),))
    return rulebook(rules=rules, engagement=scored, campaigns=(), promotion=None, credit=DAY_MICROS)


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("decay", DECAYS)
@settings(max_examples=15)
@given(events=histories(), low=st.sampled_from([-1e9, -10, 0]), high=st.sampled_from([1e9, 15, 60]))
def test_the_amounts_always_add_up_to_the_score(events, low, high, decay, limit) -> None:
    rules = book(decay, limit, low, high)
    lines = ledger(LeadState(), events, rules, NOW)["engagement"]
    score = Standing(fed([events], rules), rules, NOW).score("engagement")
    assert round(sum(line.amount for line in lines), 2) == pytest.approx(score, abs=0.00501)


def test_every_line_says_why() -> None:
    rules = rulebook(rules=(points("form.submitted", 40, **LIMITS["once"]), points("page.viewed", 80)))
    events = [
        event(1, "form.submitted", ago=30 * DAY, lead={"size": 500}),
        event(2, "form.submitted"),
        event(3, "page.viewed"),
        event(4, "page.viewed"),
        event(5, "email.opened", machine=True),
    ]
    lines = ledger(LeadState(), events, rules, NOW)
    assert [(line.rule, line.points, line.amount, line.event, line.note) for line in lines["engagement"]] == [
        ("engagement.form-submitted", 40, 20, 1, "decayed"),
        ("engagement.page-viewed", 80, 80, 3, ""),
        ("engagement.page-viewed", 80, 80, 4, ""),
        ("model engagement", None, -80, None, "range"),
        ("engagement.form-submitted", None, 0, 2, "limit"),
        ("machine", None, 0, 5, "machine"),
    ]
    assert [(line.rule, line.amount, line.note) for line in lines["fit"]][:1] == [("fit.big", 60, "profile")]
