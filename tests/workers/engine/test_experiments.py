from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from math import comb, exp, log
from statistics import median
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.engine.experiments import CONCENTRATION, Arm, Rule, judge, last_day, log_evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

RULE = Rule(0.95, at_least=100, at_most=5000)


def arms(shares: Sequence[float], people: Sequence[int], successes: Sequence[int]) -> list[Arm]:
    given = zip("abcd", shares, people, successes, strict=False)
    return [Arm(name, share, n, k) for name, share, n, k in given]


def test_of_two_arms_the_evidence_is_that_of_the_beta_binomial():
    """E for 7 and 3: the chance of 7 of 10 by a Beta(10, 10) coin, over that by a fair one."""
    found = exp(log_evidence(arms((0.5, 0.5), (50, 50), (7, 3))))
    chance = comb(10, 7)
    for n in range(7):
        chance *= CONCENTRATION + n
    for n in range(3):
        chance *= CONCENTRATION + n
    for n in range(10):
        chance /= 2 * CONCENTRATION + n
    assert found == pytest.approx(chance / (comb(10, 7) * 0.5**10))


SHARES = st.lists(st.integers(1, 9), min_size=2, max_size=4).map(lambda w: [each / sum(w) for each in w])


@given(SHARES, st.lists(st.integers(0, 3), min_size=30, max_size=60))
def test_the_evidence_is_a_martingale(shares: list[float], path: list[int]):
    """Whatever was seen, what one more success adds is nothing on the average, as long as the shares are right."""
    seen = [0] * len(shares)
    for step in path:
        before = log_evidence(arms(shares, [99] * 4, seen))
        after = [[k + (i == arm) for i, k in enumerate(seen)] for arm in range(len(shares))]
        expected = sum(
            w * exp(log_evidence(arms(shares, [99] * 4, k)) - before) for w, k in zip(shares, after, strict=True)
        )
        assert expected == pytest.approx(1)
        seen = after[step % len(shares)]


def first_stop(chance: random.Random, rates: Sequence[float], shares: Sequence[float], rule: Rule) -> tuple[str, int]:
    """Look after every person, and stop as soon as the rule says so: (winner, people)."""
    people, successes = [0] * len(shares), [0] * len(shares)
    ways = chance.choices(range(len(shares)), shares, k=rule.at_most)
    for number, way in enumerate(ways, 1):
        people[way] += 1
        if chance.random() < rates[way]:
            successes[way] += 1
        elif number > rule.at_least:
            continue  # nothing is new
        verdict = judge(arms(shares, people, successes), rule)
        if verdict.state == "won":
            return verdict.winner, number
    return "", rule.at_most


@pytest.mark.parametrize(
    ("shares", "rate", "confidence"),
    [((0.5, 0.5), 0.3, 0.95), ((0.8, 0.2), 0.5, 0.9), ((0.2, 0.3, 0.5), 0.4, 0.95), ((0.25,) * 4, 0.2, 0.8)],
)
def test_without_a_difference_one_is_found_no_more_often_than_promised_however_often_one_looks(
    shares, rate, confidence
):
    chance, runs = random.Random(20261122), 1200
    rule = Rule(confidence, at_least=20, at_most=400)
    false = sum(first_stop(chance, [rate] * len(shares), shares, rule)[0] != "" for _ in range(runs))
    assert false / runs <= 1 - confidence


@pytest.mark.parametrize(
    ("rates", "people", "found"), [((0.10, 0.20), 600, 0.97), ((0.10, 0.15), 1900, 0.95), ((0.30, 0.40), 1300, 0.97)]
)
def test_a_difference_is_found_and_it_is_the_better_arm(rates, people, found):
    chance, runs = random.Random(7), 60
    stops = [first_stop(chance, rates, (0.5, 0.5), replace(RULE, at_most=6000)) for _ in range(runs)]
    assert sum(winner == "b" for winner, _ in stops) / runs >= found
    assert median(number for _, number in stops) <= people


@pytest.mark.parametrize(
    ("people", "successes", "state", "winner"),
    [
        ((40, 40), (0, 40), "collecting", ""),
        ((60, 60), (5, 30), "won", "b"),
        ((60, 60), (30, 5), "won", "a"),
        ((60, 60), (12, 14), "running", ""),
        ((2500, 2500), (510, 500), "no-difference", ""),
        ((2500, 2500), (900, 500), "won", "a"),
        ((0, 0), (0, 0), "collecting", ""),
    ],
)
def test_verdicts(people, successes, state, winner):
    verdict = judge(arms((0.5, 0.5), people, successes), RULE)
    assert (verdict.state, verdict.winner, verdict.people) == (state, winner, sum(people))


def test_without_a_rule_nothing_is_decided_and_arms_without_people_say_nothing():
    assert judge(arms((0.5, 0.5), (900, 900), (1, 800)), None).state == "running"
    assert log_evidence(arms((1.0, 0.0), (900, 0), (300, 0))) == pytest.approx(0)
    assert judge(arms((0.5, 0.5), (10**6, 10**6), (10**6, 0)), RULE).evidence > 1e300


@pytest.mark.parametrize(
    ("now", "within", "expected"),
    [
        (datetime(2026, 1, 15, 0, 0, tzinfo=UTC), timedelta(days=7), date(2026, 1, 7)),
        (datetime(2026, 1, 15, 23, 59, tzinfo=UTC), timedelta(days=7), date(2026, 1, 7)),
        (datetime(2026, 1, 15, 12, tzinfo=UTC), timedelta(hours=13), date(2026, 1, 13)),
        (datetime(2026, 1, 15, 12, tzinfo=UTC), timedelta(hours=12), date(2026, 1, 14)),
    ],
)
def test_a_day_counts_once_the_time_of_its_last_person_is_over(now, within, expected):
    assert last_day(now, within) == expected
    end_of_day = datetime.combine(expected, datetime.min.time(), UTC) + timedelta(days=1)
    assert end_of_day + within <= now


def test_evidence_needed_follows_from_the_confidence():
    assert log(replace(RULE, confidence=0.99).needed) == pytest.approx(log(100))
