"""What other rules would have made of recorded history."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.workers.reports.bundles import RULES
from workers.engine.values import Event, LeadState
from workers.rulebook import compile_rulebook
from workers.simulate.clock import alone
from workers.simulate.heard import Heard
from workers.simulate.impact import History, Impact, Told, compare, fate, recorded
from workers.simulate.population import Person

T = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)
UNTIL = T + 30 * DAY


def changed(path: str, *pairs: tuple[str, str]) -> dict[str, str]:
    text = RULES[path]
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return {**RULES, path: text}


OLD = compile_rulebook(RULES)
EAGER = compile_rulebook(changed("rules/promotion.yaml", ("all: true", "any: true")))


def told(number: int, kind: str, days: float, lead: dict | None = None, **properties) -> Told:
    return Told(T + days * DAY, Event(number, kind, T + days * DAY, properties, lead or {}))


def lead(number: int, *more: Told, employees: int = 500, timeline: str | None = None) -> History:
    fields = {"email": f"lead{number}@acme.test", "employees": employees, "timeline": timeline}
    first = told(1, "form.submitted", 0, fields, form="demo")
    return History(number, f"lead{number}@acme.test", [first, told(2, "order.placed", 1, amount=4000), *more])


RIPE = lead(1, timeline="now")
SILENT = lead(2, told(3, "crm.won", 20))
SMALL = lead(3, told(3, "crm.lost", 20), employees=5)


def test_what_rules_make_of_one_lead():
    ended = fate(RIPE, OLD, UNTIL)
    assert (ended.stage, ended.promoted) == ("opportunity", T + DAY)
    assert ended.segments == {"big"}
    assert (ended.scores["fit"], ended.bands) == (33, {"engagement": "hot"})
    assert fate(RIPE, OLD, T + 0.5 * DAY).promoted is None
    assert fate(History(9, "x", ()), OLD, UNTIL).stage == ""


def test_who_is_promoted_by_the_new_rules_alone_and_what_became_of_them():
    impact = compare([RIPE, SILENT, SMALL], OLD, EAGER, Impact(UNTIL))
    assert (impact.leads, impact.events, impact.changed, impact.promoted) == (3, 8, 1, (1, 2))
    assert (impact.more.number, impact.more.outcomes, impact.more.names) == (
        1,
        {"won": 1},
        [("lead2@acme.test", "won")],
    )
    assert impact.fewer.number == impact.earlier.number == impact.later.number == 0
    assert impact.stages == {}  # it was won, so it is a customer either way
    back = compare([RIPE, SILENT, SMALL], EAGER, OLD, Impact(UNTIL))
    assert (back.fewer.number, back.more.number) == (1, 0)


def test_who_would_stand_elsewhere():
    lower = compile_rulebook(
        changed(
            "rules/scoring/engagement.yaml",
            ("hot: {enter: 60, leave: 45}", "hot: {enter: 100, leave: 10}"),
            ("points: 40", "points: 30"),
        )
    )
    impact = compare([RIPE, SMALL], OLD, lower, Impact(UNTIL))
    assert impact.fewer.names == [("lead1@acme.test", "open")]
    assert [(move, group.number) for move, group in impact.stages.items()] == [(("stage", "opportunity", "lead"), 1)]
    assert set(impact.bands) == {("engagement", "hot", "warm")}
    assert (impact.lower, impact.higher) == ({"engagement": 2, "priority": 2}, {})


def test_who_is_promoted_at_another_time():
    patient = compile_rulebook(
        changed("rules/promotion.yaml", ('score("fit") >= 30', 'score("fit") >= 30 and count("page.viewed") > 0'))
    )
    later = lead(1, told(3, "page.viewed", 5), timeline="now")
    impact = compare([later], OLD, patient, Impact(UNTIL))
    assert (impact.promoted, impact.later.number, impact.earlier.number) == ((1, 1), 1, 0)
    assert compare([later], patient, OLD, Impact(UNTIL)).earlier.number == 1


def test_a_stage_of_another_name_is_the_same_stage():
    renamed = compile_rulebook(changed("rules/lifecycle.yaml", ("  lead: {when", "  known: {was: lead, when")))
    assert compare([SMALL, RIPE], OLD, renamed, Impact(UNTIL)).changed == 0


def test_mails_and_segments_are_counted():
    campaign = changed("rules/campaigns/welcome.yaml", ('event.form == "newsletter"', 'event.form == "demo"'))
    segment = changed("rules/segments.yaml", (">= 100", "< 100"))
    impact = compare([RIPE, SMALL], OLD, compile_rulebook(campaign), Impact(UNTIL))
    assert list(impact.mails) == [("welcome", "hello")]
    assert impact.mails["welcome", "hello"][0] == 0 < impact.mails["welcome", "hello"][1]
    impact = compare([RIPE, SMALL], OLD, compile_rulebook(segment), Impact(UNTIL))
    assert {name: group.names[0][0] for name, group in impact.left.items()} == {"big": "lead1@acme.test"}
    assert {name: group.names[0][0] for name, group in impact.entered.items()} == {"big": "lead3@acme.test"}
    assert json.loads(json.dumps(impact.as_data(), default=str))["segments"]["left"]["big"]["number"] == 1


@pytest.mark.parametrize(("kinds", "outcome"), [((), "open"), (("crm.won",), "won"), (("crm.won", "crm.lost"), "lost")])
def test_what_became_of_an_opportunity(kinds, outcome):
    assert lead(1, *(told(9, kind, days) for days, kind in enumerate(kinds))).outcome == outcome


def test_leads_of_a_file_are_told_apart_and_nothing_counts_twice():
    def heard(number: int, *identities: str, key: str = "") -> Heard:
        return Heard(T + number * DAY, T, "page.viewed", identities, ("s", key) if key else None, {}, {})

    first, second = recorded([
        heard(3, "user:7", key="c"), heard(1, "email:ann@acme.test", "user:7", key="a"), heard(2, "email:b@acme.test"),
        heard(4, "user:7", key="c"), heard(5, "message:mail:1"),
    ])  # fmt: skip
    assert (first.name, [each.at for each in first.events]) == ("ann@acme.test", [T + DAY, T + 3 * DAY])
    assert (second.name, len(second.events)) == ("b@acme.test", 1)
    assert first.events[0].event.lead == {"email": "ann@acme.test"}
    assert replace(first, events=()).outcome == "open"


def test_what_new_rules_do_to_leads_as_they_stand():
    state = standing(SILENT)
    impact = Impact(UNTIL)
    impact.look(SILENT, state, OLD, EAGER)
    assert impact.at_once == {}  # who was won is no candidate
    ripe = lead(4)
    impact.look(ripe, standing(ripe), OLD, EAGER)
    assert set(impact.at_once) == {("promoted", ""), ("stage", "opportunity")}
    everybody = ("{event: form.submitted, when: 'event.form == \"newsletter\"'}", "{segment: big}\nexisting: true")
    inviting = compile_rulebook(changed("rules/campaigns/welcome.yaml", everybody))
    impact = Impact(UNTIL)
    impact.look(ripe, standing(ripe), OLD, inviting)
    assert set(impact.at_once) == {("campaign", "welcome"), ("mail", "hello")}
    assert json.loads(json.dumps(impact.as_data(), default=str))["at_once"][0]["kind"] == "campaign"


def standing(history: History) -> LeadState:
    """How a lead stands by the old rules."""
    person = Person(history.id, ["x"], heard=list(history.events))
    alone(person, OLD, history.events[-1].at)
    return person.state
