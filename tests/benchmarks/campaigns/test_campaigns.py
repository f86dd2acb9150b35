"""That the measurement measures what it says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.benchmarks.campaigns import journey, measure, people
from tests.benchmarks.campaigns.__main__ import filled, limits
from tests.benchmarks.campaigns.burst import pace
from tests.benchmarks.campaigns.people import STEP, Crowd
from workers.rulebook import compile_rulebook


def test_the_campaigns_have_as_many_mails_as_the_waves_need():
    rulebook = compile_rulebook(journey.files(800))
    assert len(rulebook.campaigns) == 20
    assert {len(each.steps) for each in rulebook.campaigns.values()} == {2 * journey.MAILS}


def test_places_are_dealt_out_to_everybody_once():
    crowd = Crowd(10_000, 100, 4, 50, datetime.now(UTC))
    assert {crowd.person(place) for place in range(crowd.leads)} == set(range(crowd.leads))
    assert crowd.person(17) * STEP % crowd.leads == 17
    assert crowd.sleeping == 450


def test_a_small_crowd_falls_due_as_the_large_one_does():
    with filled(Crowd(1000, 100, 2, 50, datetime.now(UTC))) as (stack, crowd):
        assert measure.waves(stack, crowd)["units"] == 100  # or it raises: so many mails have to come of it
        assert measure.processed(stack, crowd)["units"] == 100
        assert stack.scalar("SELECT count(*) FROM leads") == crowd.leads
        held = "SELECT count(*) FROM leads JOIN enrolments ON lead_id = id WHERE wake_at > due"
        assert stack.scalar(held) == crowd.held
        people.settle(stack.engine)


def test_the_rate_is_that_of_the_bulk():
    assert pace({"3": 1, "8": 60, "9": 800, "10": 820, "12": 780, "13": 70, "20": 1}) == (800 + 820) / 2


def results(**given: Any) -> dict[str, Any]:
    costs = {f"{what}_{size}": {"cpu": 100.0} for what in ("due", "events") for size in ("small", "large")}
    burst = {"burst": {"p99": 900.0}, "mails_per_second": 790.0, "rate": 800, "most_in_a_second": 1600,
             "claims_per_mail": 1.0}  # fmt: skip
    return {"leads": 1_000_000, **costs, "burst": burst, "answers": {"status": 2.0}} | given


def test_a_missed_limit_is_missed():
    assert all(each["met"] for each in limits(results()))
    missed = limits(results(due_large={"cpu": 151.0}, events_large={"cpu": 131.0}, answers={"status": 11.0}))
    assert [each["met"] for each in missed] == [False, False, True, True, True, True, False]
