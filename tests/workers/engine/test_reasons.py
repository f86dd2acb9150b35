"""Why a condition is what it is. Cases as data: condition, what decides it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.workers.engine.builders import NOW, rulebook
from workers.engine.expressions import Scope, compile_expression
from workers.engine.expressions.parser import parse
from workers.engine.expressions.reasons import Seen, reasons, values
from workers.engine.expressions.written import written
from workers.engine.standing import Standing
from workers.engine.values import LeadState

SCOPE = Scope(
    fields={"size": "integer", "title": "text", "country": "country"},
    event={"form": "text"},
    bands={"engagement": ["warm", "hot"], "fit": []},
    stages=["lead"],
    segments=["big"],
)
LEAD = {"size": 40, "title": "VP Sales", "country": "DE"}
SEEN = Seen(SCOPE, {"form": "demo"}, LEAD, Standing(LeadState(fields=LEAD), rulebook(), NOW))
CASES = {
    "lead.size >= 100": {"lead.size >= 100": (False, {"lead.size": 40})},
    "lead.size >= 10 and lead.size < 20": {"lead.size < 20": (False, {"lead.size": 40})},
    'lead.size >= 10 and (lead.country == "DE" or event.form == "x")': {
        "lead.size >= 10": (True, {"lead.size": 40}),
        'lead.country == "DE"': (True, {"lead.country": "DE"}),
    },
    'lead.size > 100 or score("fit") >= 60': {
        "lead.size > 100": (False, {"lead.size": 40}),
        'score("fit") >= 60': (False, {'score("fit")': 0.0}),
    },
    'not (lead.title | lower | matches("vp"))': {
        'not (lead.title | lower | matches("vp"))': (False, {"lead.title": "VP Sales"})
    },
    'segment("big")': {'segment("big")': (False, {})},
    'band("engagement") == "hot"': {'band("engagement") == "hot"': (False, {'band("engagement")': None})},
    'event.form in ["a", "b"]': {'event.form in ["a", "b"]': (False, {"event.form": "demo"})},
    "lead.size is defined": {"lead.size is defined": (True, {"lead.size": 40})},
    'today() > date("2026-01-01")': {'today() > date("2026-01-01")': (True, {"today()": NOW.date()})},
    "lead.gone == 1": {"lead.gone == 1": (False, {})},
}


@pytest.mark.parametrize("source", CASES)
def test_the_parts_that_decide(source: str) -> None:
    found = {each.text: (each.holds, dict(each.values)) for each in reasons(source, SEEN)}
    assert found == CASES[source]


def test_what_a_formula_looks_at() -> None:
    assert values('score("fit") * 0.4 + score("engagement")', SEEN) == (
        ('score("fit")', 0.0),
        ('score("engagement")', 0.0),
    )


EXPRESSIONS = yaml.safe_load(Path(__file__).with_name("cases").joinpath("expressions.yaml").read_text())["values"]


@pytest.mark.parametrize("source", [each[0] for each in EXPRESSIONS])
def test_what_is_written_again_reads_the_same(source: str) -> None:
    once = written(parse(source))
    assert written(parse(once)) == once


def test_what_is_written_again_means_the_same() -> None:
    for source in CASES:
        if "gone" not in source:
            again = compile_expression(written(parse(source)), SCOPE)
            first = compile_expression(source, SCOPE)
            seen = (SEEN.event, SEEN.lead, SEEN.facts)
            assert first.value(*seen) == again.value(*seen)
