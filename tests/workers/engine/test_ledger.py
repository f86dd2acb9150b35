from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.engine.builders import DAY, DAY_MICROS, NOW, event, model, points, rulebook, says
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


def test_what_a_machine_did_is_told_whether_a_human_sign_has_followed_or_not() -> None:
    rules = rulebook(rules=(points("email.clicked", 4, decay=Keep()),), credit=DAY_MICROS)
    events = [
        event(1, "email.clicked", ago=9 * DAY, machine=True),
        event(2, "email.clicked", ago=5 * DAY, machine=True),
        event(3, "page.viewed", ago=5 * DAY),
        event(4, "email.clicked", ago=2 * DAY),
    ]
    lines = ledger(LeadState(), events, rules, NOW)["engagement"]
    assert [(line.amount, line.event, line.note) for line in lines] == [
        (4, 2, "credited"),
        (4, 4, ""),
        (0, 1, "machine"),
    ]


def test_an_event_with_a_key_too_many_is_told_by_name(monkeypatch) -> None:
    monkeypatch.setattr("workers.engine.limits.MOST_KEYS", 1)
    rules = rulebook(rules=(points("form.submitted", 4, **LIMITS["once-per-form"]),))
    events = [event(1, "form.submitted", ago=DAY, form="a"), event(2, "form.submitted", form="b")]
    lines = ledger(LeadState(), events, rules, NOW)["engagement"]
    assert [(line.rule, line.event, line.note) for line in lines] == [
        ("engagement.form-submitted", 1, "decayed"),
        ("engagement.form-submitted", 2, "too-many-keys"),
    ]


def test_points_without_a_value_are_told_by_name() -> None:
    worth = says(lambda event, _lead, _facts: event.get("minutes"))
    rules = rulebook(rules=(points("webinar.attended", worth, decay=Keep()), points("page.viewed", 1, decay=Keep())))
    events = [event(1, "webinar.attended", minutes=3), event(2, "webinar.attended"), event(3, "page.viewed")]
    lines = ledger(LeadState(), events, rules, NOW)["engagement"]
    assert [(line.rule, line.amount, line.event, line.note) for line in lines] == [
        ("engagement.webinar-attended", 3, 1, ""),
        ("engagement.page-viewed", 1, 3, ""),
        ("engagement.webinar-attended", 0, 2, "no-value"),
    ]
