from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.reports.rates import difference, rate


# Newcombe (1998), statistics in medicine 17: table I (single proportions) of 857 and table II, method 10, of 873.
@pytest.mark.parametrize(
    ("reached", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_of_a_share_is_the_published_one(reached, of, low, high):
    found = rate(reached, of)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((5, 56), (0, 29), -0.0381, 0.1926),
    ],
)
def test_the_interval_of_a_difference_is_the_published_one(one, other, low, high):
    found = difference(rate(*one), rate(*other))
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500), st.integers(0, 500))
def test_bounds_hold_what_they_bound_and_turn_with_the_sides(a: int, more_a: int, b: int, more_b: int):
    one, other = rate(a, a + more_a), rate(b, b + more_b)
    found, turned = difference(one, other), difference(other, one)
    assert 0 <= one.low <= one.high <= 1
    if one.of:
        assert one.low <= one.share + 1e-12
        assert one.share <= one.high + 1e-12
    assert found.low - 1e-12 <= found.by <= found.high + 1e-12
    assert turned == pytest.approx((-found.by, -found.high, -found.low))


def test_of_nobody_nothing_is_known():
    assert rate(0, 0)[2:] == (0, 1)
    assert not difference(rate(0, 0), rate(5, 5)).certain
