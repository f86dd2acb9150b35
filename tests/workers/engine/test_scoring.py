from __future__ import annotations

from datetime import timedelta
from math import fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workers.engine.builders import DAY_MICROS, NOW, model, points, rulebook
from workers.engine.decide import decide
from workers.engine.rules import Band
from workers.engine.scoring import LANDMARK, band_at, entry, falls_below, reading
from workers.engine.standing import Standing
from workers.engine.values import Event, LeadState, micros, pack, unpack

HALF_LIFE = 30 * DAY_MICROS
NOW_MICROS = micros(NOW)
RULES = rulebook(
    rules=(points("form.submitted", 40), points("page.viewed", 5), points("email.unsubscribed", -50)),
    engagement=model(minimum=-1e9, maximum=1e9, bands=()),
    campaigns=(),
    promotion=None,
)
WORTH = {"form.submitted": 40, "page.viewed": 5, "email.unsubscribed": -50, "chat.started": 0}


def reference(events: list[Event]) -> float:
    """The score from scratch: each event's points, halved every thirty days."""
    return fsum(WORTH[event.type] * 2 ** (-((NOW - event.at) / timedelta(days=30))) for event in events)


histories = st.lists(
    st.builds(
        lambda kind, ago: (kind, NOW - timedelta(microseconds=ago)),
        st.sampled_from(sorted(WORTH)),
        st.integers(0, 900 * DAY_MICROS),
    ),
    max_size=30,
).map(lambda rows: [Event(number, kind, at) for number, (kind, at) in enumerate(rows)])


def fed(batches: list[list[Event]]) -> LeadState:
    state = LeadState()
    for batch in batches:
        state = LeadState.load(decide(state, 1, batch, RULES, NOW).state.dump())
    return state


@given(histories, st.randoms(use_true_random=False), st.integers(1, 7))
def test_a_score_is_the_same_in_every_order_and_batching(events, random, size) -> None:
    shuffled = random.sample(events, len(events))
    batches = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]
    assert fed(batches).scores == fed([events]).scores


@given(histories)
def test_a_score_is_what_summing_from_scratch_gives(events) -> None:
    score = Standing(fed([events]), RULES, NOW).score("engagement")
    assert score == pytest.approx(reference(events), abs=2e-6)


@given(st.integers(-10_000, 10_000), st.integers(1, 400), st.integers(0, 3_000))
def test_whole_half_lives_are_exact(amount, days, lives) -> None:
    half_life = days * DAY_MICROS
    at = LANDMARK + 5 * DAY_MICROS
    assert reading(entry(amount, at, half_life), half_life, at + lives * half_life) == round(amount / 2**lives, 6)


def test_an_event_from_before_the_landmark_counts_as_what_is_left_of_it() -> None:
    at = LANDMARK - 3 * HALF_LIFE
    assert reading(entry(80, at, HALF_LIFE), HALF_LIFE, LANDMARK) == 10


@given(
    st.lists(st.tuples(st.integers(1, 100), st.integers(0, 300 * DAY_MICROS)), min_size=1, max_size=20),
    st.integers(1, 99),
)
def test_a_decaying_score_passes_its_threshold_at_the_computed_instant(rows, threshold) -> None:
    accumulator = sum(entry(amount, NOW_MICROS - ago, HALF_LIFE) for amount, ago in rows)
    at = falls_below(accumulator, HALF_LIFE, threshold, NOW_MICROS)
    assert at is not None
    assert reading(accumulator, HALF_LIFE, at) < threshold
    if reading(accumulator, HALF_LIFE, NOW_MICROS) >= threshold:
        minute = 60_000_000
        assert reading(accumulator, HALF_LIFE, max(NOW_MICROS, at - minute)) >= threshold


@pytest.mark.parametrize("threshold", [0, -5])
def test_decay_never_passes_zero(threshold) -> None:
    assert falls_below(entry(40, NOW_MICROS, HALF_LIFE), HALF_LIFE, threshold, NOW_MICROS) is None


def test_points_without_half_life_keep_their_worth() -> None:
    assert reading(entry(40, 0, None) + entry(2, NOW_MICROS, None), None, NOW_MICROS) == 42
    assert falls_below(40, None, 10, NOW_MICROS) is None


@given(st.integers())
def test_numbers_of_any_size_survive_packing(number) -> None:
    assert unpack(pack(number)) == number


BANDS = (Band("warm", 30, 20), Band("hot", 70, 55))


@pytest.mark.parametrize(
    ("current", "score", "expected"),
    [
        (None, 29.999999, None),
        (None, 30, "warm"),
        (None, 100, "hot"),
        ("warm", 20, "warm"),
        ("warm", 19.999999, None),
        ("warm", 69, "warm"),
        ("warm", 70, "hot"),
        ("hot", 55, "hot"),
        ("hot", 54, "warm"),
        ("hot", 25, "warm"),
        ("hot", 19, None),
        ("gone-from-the-rules", 25, None),
    ],
)
def test_bands_have_hysteresis(current, score, expected) -> None:
    assert band_at(BANDS, current, score) == expected
