"""What an edit does to the people under way, told before it is applied, is what the engine then does to them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.workers.company import DAY, Company
from workers.reports.edits import Fate, fates, lost, mended
from workers.store import enrolments

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from workers.engine.rules import Rulebook

OLD = """
campaign: test
enter: {event: trial.started}
steps: [{send: a}, {wait: 1 day}, {send: b}, {wait: 1 day}, {send: c}]
"""
NEW = OLD.replace("{send: b}", "{send: d}")


def told(company: Company, rulebook: Rulebook) -> list[Fate]:
    with company.engine.connect() as conn:
        return fates(enrolments.under_way(conn), rulebook)


@pytest.fixture
def company(engine: Engine) -> Company:
    """Three stand at b, two at c."""
    company = Company(engine, OLD)
    company.tell("trial.started", "ann", "ben")
    company.work()
    company.later(DAY)
    company.tell("trial.started", "cem", "dea", "eva")
    company.work()
    return company


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ("", {("send-b", "pin", ""): 3, ("send-c", "pin", ""): 2}),
        ("edit: drain\n", {("send-b", "drain", ""): 3, ("send-c", "drain", ""): 2}),
        ("edit: {move: {send-b: send-d}}\n", {("send-b", "move", "send-d"): 3, ("send-c", "move", "send-c"): 2}),
        ("edit: {move: {send-b: send-c}}\n", {("send-b", "move", "send-c"): 3, ("send-c", "move", "send-c"): 2}),
        ("edit: move\n", {("send-b", "stranded", ""): 3, ("send-c", "move", "send-c"): 2}),
    ],
)
def test_what_is_told_is_what_happens(company: Company, edit: str, expected: dict[tuple[str, str, str], int]):
    before = company.rows("version, step")
    company.apply(NEW + edit)
    found = told(company, company.library.active())
    assert {(each.step, each.what, each.to): each.people for each in found} == expected
    campaign = company.library.active().campaigns["test"]
    company.tell("page.viewed", "ann", "ben", "cem", "dea", "eva")
    company.work()
    after = company.rows("version, step, outcome, reason")
    came: Counter[tuple[str, str, str]] = Counter()
    for name, (version, step) in before.items():
        new_version, new_step, outcome, reason = after[name]
        if outcome:
            assert (outcome, reason) == ("exited", "step-gone")
            came[step, "stranded", ""] += 1
        elif new_version == version:
            came[step, campaign.edit, ""] += 1
        else:
            assert new_version == campaign.version
            came[step, "move", new_step] += 1
    assert came == expected


def test_of_a_removed_campaign_everybody_keeps_to_their_version(company: Company):
    company.apply("segments: {big: lead.employees > 10}\n")
    assert {each.what for each in told(company, company.library.active())} == {"removed"}
    company.later(DAY)
    company.later(DAY)
    assert sorted(mail.key.rsplit(":", 1)[1] for mail in company.mails()) == sorted(["send-a", "send-b", "send-c"] * 5)


def test_where_nothing_changes_nothing_is_told(company: Company):
    company.apply(OLD + "owner: ops@acme.example  # and a remark\n")
    assert told(company, company.library.active()) == []


def test_the_map_that_is_suggested_leads_to_the_next_step_that_is_still_there(company: Company):
    before = company.library.active().campaigns["test"]
    company.apply(NEW + "edit: move\n")
    campaign = company.library.active().campaigns["test"]
    stranded = lost(told(company, company.library.active()))
    assert mended(campaign, stranded, before) == {"send-b": "wait-1-day-2"}
    assert mended(campaign, stranded, None) == {"send-b": "send-d"}
    company.apply(NEW + "edit: {move: {send-b: wait-1-day-2}}\n")
    assert lost(told(company, company.library.active())) == []
