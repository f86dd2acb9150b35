"""A/B tests on a real database: counted, looked at, decided once, and followed from then on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.workers.company import DAY, HOUR, Company
from workers import trials
from workers.reports.progress import read
from workers.store import controls
from workers.sweep import Sweeper

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from workers.reports.trials import TrialProgress
    from workers.store.controls import Control

TEST = """
campaign: test
enter: {event: trial.started}
steps:
  - split:
      arms: {short: {steps: [{send: a}]}, long: {steps: [{send: b}]}}
      measure: {event: page.viewed, within: 1 day}
      decide: {confidence: 95%, at_least: 40, at_most: 100}
    id: which
"""


def decide(company: Company) -> list[Control]:
    with company.engine.begin() as conn:
        return trials.decide(conn, company.library.rulebooks.active(conn), company.now)


def shown(company: Company) -> TrialProgress:
    with company.engine.connect() as conn:
        (test,) = read(conn, "test", company.library.active(), company.now).tests
    return test


def enter(company: Company, number: int, start: int = 0) -> dict[str, list[str]]:
    """So many people enter; who went which way."""
    people = [f"p{n}" for n in range(start, start + number)]
    company.tell("trial.started", *people)
    company.work()
    ways: dict[str, list[str]] = {"short": [], "long": []}
    for name in people:
        arms = company.state(name).enrolments["test"].arms
        if arms:
            ways[arms["which"][0]].append(name)
    return ways


@pytest.fixture
def company(engine: Engine) -> Company:
    return Company(engine, TEST)


def test_the_better_arm_wins_once_its_time_is_over_and_everybody_takes_it_from_then_on(company: Company):
    ways = enter(company, 60)
    company.later(HOUR)
    company.tell("page.viewed", *ways["long"][:20], ways["short"][0])
    company.tell("page.viewed", *ways["long"][:20])  # success counts once
    company.work()
    company.later(25 * HOUR)
    assert decide(company) == []  # those of the first day could still view a page today
    company.tell("page.viewed", *ways["short"])  # too late
    company.work()
    assert shown(company).state == "collecting: 0 of at least 40 people"
    company.later(HOUR * 11)
    assert shown(company).state == "is over; the clock decides it within minutes"
    (decision,) = decide(company)
    assert (decision.value, decision.step, decision.author) == ("long", "which", "dripline")
    assert decision.detail["arms"]["long"]["successes"] == 20
    assert decision.detail["arms"]["short"]["successes"] == 1
    assert decision.detail["people"] == 60
    assert decide(company) == []
    assert shown(company).state == "long has won; everybody takes it"
    before = company.counts()
    assert enter(company, 20, start=100) == {"short": [], "long": []}
    assert company.counts()[("which", "took:long")] == 20
    assert company.counts()[("send-b", "sent")] == before[("send-b", "sent")] + 20


def test_without_a_difference_the_test_ends_and_the_split_goes_on(company: Company):
    ways = enter(company, 110)
    company.tell("page.viewed", *ways["long"][:10], *ways["short"][:10])
    company.work()
    company.later(3 * DAY)
    (decision,) = decide(company)
    assert (decision.value, decision.reason.endswith("among 100 people")) == ("", True)
    assert shown(company).state == "ended without a difference; the split goes on as it is"
    later = enter(company, 20, start=200)
    assert later["short"]
    assert later["long"]
    company.later(3 * DAY)
    assert decide(company) == []


def test_an_edited_test_begins_anew_and_the_old_winner_counts_no_more(company: Company):
    ways = enter(company, 60)
    company.tell("page.viewed", *ways["long"])
    company.work()
    company.later(3 * DAY)
    assert len(decide(company)) == 1
    company.apply(TEST.replace("{send: b}", "{send: c}"))
    test = shown(company)
    assert (test.state, [arm.rate.of for arm in test.arms]) == ("collecting: 0 of at least 40 people", [0, 0])
    later = enter(company, 20, start=200)
    assert later["short"]
    company.apply(TEST.replace("confidence: 95%", "confidence: 90%"))  # when to stop is not what is tested
    assert shown(company).state == "long has won; everybody takes it"


def test_several_clocks_decide_a_test_once(company: Company):
    ways = enter(company, 60)
    company.tell("page.viewed", *ways["long"])
    company.work()
    company.later(3 * DAY)
    with ThreadPoolExecutor(4) as pool:
        assert sum(len(found) for found in pool.map(lambda _: decide(company), range(8))) == 1
    with company.engine.connect() as conn:
        assert len(controls.history(conn, "test")) == 1


def test_the_clock_decides_every_few_minutes(company: Company):
    sweeper = Sweeper(company.engine, lambda _: False, HOUR, company.library.rulebooks)
    sweeper.sweep(company.now)
    ways = enter(company, 60)
    company.tell("page.viewed", *ways["long"])
    company.work()
    sweeper.sweep(company.now + 3 * DAY)
    with company.engine.connect() as conn:
        assert [each.value for each in controls.history(conn, "test")] == ["long"]


def test_what_is_waited_for_is_shown_and_a_test_without_an_end_is_only_looked_at(company: Company):
    company.apply(TEST.replace("      decide: {confidence: 95%, at_least: 40, at_most: 100}\n", ""))
    ways = enter(company, 50)
    test = shown(company)
    assert [(arm.name, arm.share, arm.waiting) for arm in test.arms] == [
        ("short", 0.5, len(ways["short"])), ("long", 0.5, len(ways["long"])),
    ]  # fmt: skip
    assert (test.measure, test.needed) == ("page.viewed within 1 day", None)
    company.later(timedelta(days=30))
    assert decide(company) == []
    assert shown(company).state == "is only looked at; `decide` would end it"
