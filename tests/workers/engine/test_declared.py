"""What no rule can use is recorded with its reason: types that nobody declares, properties of another type."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.workers.engine.builders import NOW, event, rulebook
from workers.engine.decide import decide
from workers.engine.values import LeadState
from workers.exceptions import NeedsHistory

TYPES = {
    "words": "text", "site": "url", "number": "integer", "price": "money", "flag": "boolean", "day": "date",
    "moment": "datetime", "many": "list of text", "anything": "list",
}  # fmt: skip
RULES = replace(rulebook(campaigns=(), promotion=None), events={"order.placed": TYPES})


def skipped(outcome) -> list[tuple[str, dict]]:
    return [(each.rule, dict(each.detail)) for each in outcome.decisions if each.kind == "skipped"]


def test_an_event_of_a_type_that_nobody_declares_is_recorded():
    outcome = decide(LeadState(), 7, [event(3, "coffee.drunk", cups=2)], RULES, NOW)
    assert skipped(outcome) == [("event.coffee.drunk", {"reason": "undeclared-event"})]
    assert outcome.decisions[0].event == 3
    assert outcome.state.events == 1


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("words", ["", "x", None], [5, True, ["x"], {}]),
        ("site", ["https://a.test", "no address at all"], [5]),
        ("number", [5, -2.5, 0], ["5", True, [5]]),
        ("price", [5, 2.5], ["5 EUR", False]),
        ("flag", [True, False], ["true", 1, 0]),
        ("day", ["2026-03-01"], ["01.03.2026", "2026-02-30", 20260301, True]),
        ("moment", ["2026-03-01T09:00:00Z", "2026-03-01"], ["soon", 5]),
        ("many", [[], ["a"], [5]], ["a", 5]),
        ("anything", [[]], [{}]),
    ],
)
def test_a_property_of_another_type_than_its_own_is_recorded(name, good, bad):
    for value in good:
        assert skipped(decide(LeadState(), 7, [event(1, "order.placed", **{name: value})], RULES, NOW)) == []
    for value in bad:
        ((rule, detail),) = skipped(decide(LeadState(), 7, [event(1, "order.placed", **{name: value})], RULES, NOW))
        assert (rule, detail["reason"], detail["property"]) == ("event.order.placed", "bad-property", name)
        assert detail["value"] == str(value)
        assert detail["because"].startswith(("not a", "neither"))


def test_a_property_that_nobody_declares_is_nobodys_business():
    assert skipped(decide(LeadState(), 7, [event(1, "order.placed", other=[])], RULES, NOW)) == []


def test_what_was_recorded_once_is_not_recorded_again_when_the_lead_is_counted_anew():
    odd = event(1, "coffee.drunk")
    first = decide(LeadState(), 7, [odd], RULES, NOW)
    changed = replace(RULES, scoring="s2")
    with pytest.raises(NeedsHistory):
        decide(first.state, 7, [], changed, NOW)
    again = decide(first.state, 7, [], changed, NOW, history=[odd])
    assert skipped(again) == []
