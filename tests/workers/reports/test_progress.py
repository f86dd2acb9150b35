"""A campaign's progress in numbers and as a picture."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
import yaml

from tests.conftest import NOW
from tests.workers.company import DAY, Company
from tests.workers.simulate.test_campaigns import RULES
from tests.workers.test_progress import EVERYTHING
from workers.reports.mermaid import mermaid
from workers.reports.progress import read
from workers.reports.sketch import arrows
from workers.reports.svg import svg
from workers.rulebook import compile_rulebook

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from workers.engine.rules import Rulebook
    from workers.reports.progress import Progress

SVG = "{http://www.w3.org/2000/svg}"
CASES = Path(__file__).parents[1] / "simulate" / "cases" / "campaigns.yaml"


@pytest.fixture
def company(engine: Engine) -> Company:
    company = Company(engine, EVERYTHING)
    people = [f"p{n}" for n in range(50)]
    company.tell("trial.started", *people, lead={"employees": 50})
    company.work()
    company.tell("email.clicked", *people[:20])
    company.tell("email.replied", people[7])
    company.tell("form.submitted", *people[10:15], form="demo")
    company.work()
    company.later(DAY)
    return company


def progress(company: Company) -> Progress:
    with company.engine.connect() as conn:
        return read(conn, "test", company.library.active(), company.now)


def test_everybody_who_entered_is_somewhere(company: Company):
    found = progress(company)
    assert found.entered + found.held_out == 50
    assert found.entered == found.under_way + sum(found.finished.values()) + sum(found.left.values()) + reached(found)
    assert sum(step.here for step in found.steps) == found.under_way
    assert found.left == {"email.replied": 1}
    first, until = found.steps[:2]
    assert (first.word, first.told, first.sent) == ("send", "a", found.entered)
    assert (until.told, until.due) == ("email.clicked, at most 2 days", company.now + DAY)
    assert {way.name: way.taken for way in until.ways}["then"] == len(clicked(company))
    which = next(step for step in found.steps if step.id == "which")
    assert sum(way.taken or 0 for way in which.ways) == next(step.sent for step in found.steps if step.id == "send-b")


def reached(found: Progress) -> int:
    return found.goal.taking_part.reached if found.goal else 0


def clicked(company: Company) -> list[str]:
    """Who was there to be led on by a click."""
    people = [f"p{n}" for n in range(20)]
    return [each for each in people if company.state(each).enrolments["test"].outcome != "held_out"]


def test_the_goal_is_compared_with_those_held_out(company: Company):
    goal = progress(company).goal
    assert goal is not None
    assert goal.held_out is not None
    assert goal.taking_part.reached + goal.held_out.reached == 5
    assert goal.taking_part.of + goal.held_out.of == 50
    assert goal.lift is not None
    assert not goal.lift.certain


def test_runs_of_older_versions_at_steps_that_are_gone_are_shown(company: Company):
    company.apply(EVERYTHING.replace("  - send: a\n", "").replace("{event: email.clicked,", "{event: page.viewed,"))
    stood = sum(row == ("wait-until-email-clicked", "") for row in company.rows("step, outcome").values())
    (gone,) = progress(company).gone
    assert (gone.step, gone.here) == ("wait-until-email-clicked", stood)


def test_a_campaign_that_was_removed_still_shows_who_is_in_it(company: Company):
    company.apply("segments: {big: lead.employees > 10}\n")
    found = progress(company)
    assert (found.state, found.steps, found.version) == ("removed", (), "")
    assert found.under_way == sum(each.here for each in found.gone)
    assert svg(found)
    assert mermaid(found)


# ── pictures ─────────────────────────────────────────────────────────────────────────────────────────────────


def boxes(picture: str) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of every box."""
    root = ET.fromstring(picture)
    found = [{name: float(value) for name, value in each.items() if name in {"x", "y", "width", "height"}}
             for each in root.iter(f"{SVG}rect") if each.find(f"{SVG}title") is not None]  # fmt: skip
    return [(each["x"], each["y"], each["x"] + each["width"], each["y"] + each["height"]) for each in found]


def words(picture: str) -> list[str]:
    return [each.text or "" for each in ET.fromstring(picture).iter(f"{SVG}text")]


def test_the_picture_has_a_box_for_every_step_and_the_numbers(company: Company):
    found = progress(company)
    picture = svg(found)
    assert len(boxes(picture)) == len(found.steps) + 1  # and where everybody enters
    assert f"{found.entered} entered · {found.held_out} held out" in words(picture)
    assert f"{found.steps[1].here} waiting" in words(picture)
    assert f"then: {len(clicked(company))}" in words(picture)


def test_what_people_wrote_cannot_break_a_picture(company: Company):
    company.apply('campaign: test\nenter: {event: trial.started, when: event.plan == "<b>&#x"}\nsteps: [{send: a}]\n')
    found = progress(company)
    assert any('"<b>&#x"' in word for word in words(svg(found)))
    assert "#quot;#lt;b#gt;#amp;#35;x#quot;" in mermaid(found)


def test_the_chart_leads_everywhere_the_steps_lead(company: Company):
    found = progress(company)
    chart = mermaid(found)
    assert chart.startswith("flowchart TD\n")
    assert len(re.findall(r"^  s\d+ -->", chart, re.MULTILINE)) == len(list(arrows(found)))
    assert f'-->|"then: {len(clicked(company))}"|' in chart


def rulebooks() -> dict[str, Rulebook]:
    """Campaigns of every shape that there is a case for."""
    found = {}
    for case in yaml.safe_load(CASES.read_text(encoding="utf-8")):
        if "campaign" in case and case["campaign"] not in [each for each, _ in found.values()]:
            bundle = RULES | case.get("files", {}) | {"rules/campaigns/test.yaml": case["campaign"]}
            found[case["name"]] = (case["campaign"], compile_rulebook(bundle))
    return {name: rulebook for name, (_, rulebook) in found.items()}


def test_no_two_boxes_lie_on_each_other(engine: Engine):
    for name, rulebook in rulebooks().items():
        with engine.connect() as conn:
            found = read(conn, "test", rulebook, NOW)
        placed = boxes(svg(found))
        assert len(placed) >= len(found.steps) + 1, name
        for number, (left, top, right, bottom) in enumerate(placed):
            for other in placed[:number]:
                assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top, name
        assert mermaid(found).count(":::") >= len(placed), name
