from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.folders import write_files
from tests.workers.company import DAY, FILES, Company

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

    from tests.workers.cli.conftest import Dripline

TWO = "campaign: test\nenter: {event: trial.started}\nsteps: [{send: a}, {wait: 1 day}, {send: b}]\n"


@pytest.fixture
def company(engine: Engine, database: str) -> Company:
    """Three people are in its campaign; the commands find its database."""
    assert database
    company = Company(engine, TWO)
    company.now = datetime.now(UTC)
    company.tell("trial.started", "ann", "ben", "cem")
    company.work()
    return company


@pytest.mark.usefixtures("company")
def test_a_campaign_is_paused_and_resumed_by_name(dripline: Dripline):
    assert dripline("campaign", "pause", "test", "--reason", "a wrong mail").out == "test is paused now.\n"
    again = dripline("campaign", "pause", "test", "--reason", "once more")
    assert (again.code, again.out) == (0, "test is paused already: dripline campaign show test\n")
    (listed,) = json.loads(dripline("campaign", "list", "--json").out)
    assert (listed["state"], listed["reason"], listed["under_way"]) == ("paused", "a wrong mail", 3)
    assert "paused" in dripline("campaign", "list").out
    assert dripline("campaign", "resume", "test").out == "test goes on; nobody was held.\n"
    assert dripline("campaign", "resume", "test").out == "test is not paused.\n"


def test_how_those_who_were_held_go_on_is_told(dripline: Dripline, company: Company):
    dripline("campaign", "pause", "test", "--reason", "a wrong mail")
    company.later(2 * DAY)
    told = json.loads(dripline("campaign", "resume", "test", "--over", "2h", "--json").out)
    assert told == {"campaign": "test", "paused": False, "changed": True, "held": 3, "over_s": 7200}


@pytest.mark.usefixtures("company")
@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("pause", "tset", "--reason", "x"), 1, "Error: there is no campaign tset; did you mean test?\n"),
        (("resume", "tset"), 1, "Error: there is no campaign tset; did you mean test?\n"),
        (("pause", "test"), 2, "Missing option '--reason'"),
        (("resume", "test", "--over", "soon"), 2, "is no time such as 2h or 90 minutes"),
    ],
)
def test_what_cannot_be_meant_is_told(dripline: Dripline, arguments, code, told):
    done = dripline("campaign", *arguments)
    assert done.code == code
    assert told in done.err


def test_without_campaigns_the_list_says_so(dripline: Dripline, engine: Engine, database: str):
    assert database
    Company(engine, "segments: {big: lead.employees > 1000}\n")
    assert dripline("campaign", "list").out == "The rules in force have no campaigns.\n"


@pytest.mark.usefixtures("company")
def test_a_campaign_is_shown_as_text_as_data_and_as_a_picture(dripline: Dripline, tmp_path: Path):
    text = dripline("campaign", "show", "test").out
    assert text.startswith("test: running, version ")
    assert re.search(r"^send-b +send b +3 ", text, re.MULTILINE)
    found = json.loads(dripline("campaign", "show", "test", "--json").out)
    assert (found["entered"], found["mails"]) == (3, {"sent": 3})
    assert [(step["id"], step["here"]) for step in found["steps"]] == [("send-a", 0), ("wait-1-day", 0), ("send-b", 3)]
    assert dripline("campaign", "show", "test", "--mermaid").out.startswith("flowchart TD\n")
    assert dripline("campaign", "show", "test", "--svg", "test.svg").out == ""
    assert (tmp_path / "test.svg").read_text().startswith("<svg ")


@pytest.mark.usefixtures("company")
def test_why_a_campaign_is_paused_and_how_it_goes_on_is_shown_first(dripline: Dripline):
    dripline("campaign", "pause", "test", "--reason", "a wrong mail", "--author", "ana")
    head, paused, way_on, *_ = dripline("campaign", "show", "test").out.splitlines()
    assert head.startswith("test: paused, version ")
    assert re.fullmatch(r"Paused by ana at [-0-9: ]+: a wrong mail", paused)
    assert way_on == "Go on with: dripline campaign resume test"


def test_a_test_is_shown_with_its_arms_and_how_it_stands(dripline: Dripline, company: Company):
    company.apply(
        "campaign: test\nenter: {event: trial.started}\nsteps:\n"
        "  - split:\n      arms: {x: {weight: 3, steps: [{send: a}]}, y: {steps: [{send: b}]}}\n"
        "      measure: {event: email.clicked}\n      decide: {}\n    id: which\n"
    )
    company.tell("trial.started", *(f"new{n}" for n in range(8)))
    company.work()
    out = dripline("campaign", "show", "test").out
    assert "Test which: email.clicked within 1 week" in out
    assert re.search(r"^  x +75% +0.0%  \(0 of 0\) +0.0% and 100.0% +\d *$", out, re.MULTILINE)
    assert "evidence for a difference 1.00, 20 needed; collecting: 0 of at least 100 people" in out
    (test,) = json.loads(dripline("campaign", "show", "test", "--json").out)["tests"]
    assert ([arm["name"] for arm in test["arms"]], test["winner"]) == (["x", "y"], None)


# ── edits while people are under way ─────────────────────────────────────────────────────────────────────────

OTHER = TWO.replace("{send: b}", "{send: c}")


def edit(folder: Path, campaign: str) -> None:
    source = {"rules/sources/forms.yaml": "source: forms\nadapter: typeform\n"}
    write_files(folder, FILES | source | {"rules/campaigns/test.yaml": campaign})


@pytest.mark.usefixtures("company")
def test_a_dry_run_tells_who_stands_where_and_what_becomes_of_them(dripline: Dripline, tmp_path: Path):
    edit(tmp_path, OTHER)
    assert re.search(
        r"^  test +[0-9a-f]{12} +send-b +3 +pin: keep to the version", dripline("apply", "--dry-run").out, re.MULTILINE
    )
    edit(tmp_path, OTHER + "edit: {move: {send-b: send-c}}\n")
    (fate,) = json.loads(dripline("apply", "--dry-run", "--json").out)["fates"]
    assert (fate["step"], fate["people"], fate["what"], fate["to"]) == ("send-b", 3, "move", "send-c")
    assert dripline("apply").code == 0


def test_an_edit_that_would_strand_people_is_refused_with_the_line_that_mends_it(
    dripline: Dripline, tmp_path: Path, company: Company
):
    before = company.library.active().version
    edit(tmp_path, OTHER + "edit: move\n")
    refused = dripline("apply")
    assert refused.code == 1
    assert "3 runs of version" in refused.out
    line = "edit: {move: {send-b: send-c}}"
    assert f"`{line}`" in refused.out
    assert refused.err == "Nothing was applied.\n"
    assert "Would be refused: the campaign `test`" in dripline("apply", "--dry-run").out
    data = json.loads(dripline("apply", "--json").out)
    assert (data["changed"], data["without_step"][0]["people"]) == (False, 3)
    assert company.library.active().version == before
    edit(tmp_path, OTHER + line + "\n")
    assert dripline("apply").code == 0


def test_going_back_to_rules_that_strand_people_is_done_and_told(dripline: Dripline, tmp_path: Path, company: Company):
    old = company.library.active().version
    edit(tmp_path, OTHER.replace("wait: 1 day", "wait: 3 days"))
    dripline("apply")
    company.tell("trial.started", "dea")
    company.work()
    company.apply(TWO + "edit: move\n")
    company.apply(OTHER.replace("wait: 1 day", "wait: 3 days"))
    moving = json.loads(dripline("rulebook", "list", "--json").out)[1]["version"]
    back = dripline("rulebook", "rollback", moving)
    assert back.code == 0
    assert "Note: the campaign `test` moves everybody" in back.err
    assert old != moving
