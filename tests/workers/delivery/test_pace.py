from __future__ import annotations

import pytest

from workers.delivery.pace import FIRST, Pace


@pytest.mark.parametrize(
    ("each_takes", "settles_at"),
    [(2.5, 1), (0.5, 2), (0.1, 10), (0.001, 20), (0.0, 20)],
)
def test_a_chunk_is_what_goes_out_within_a_second(each_takes: float, settles_at: int):
    pace, sizes = Pace(20), []
    for _ in range(6):
        sizes.append(pace.chunk("smtp"))
        pace.took("smtp", sizes[-1], sizes[-1] * each_takes)
    assert sizes[0] == FIRST
    assert sizes[-1] == settles_at
    assert pace.chunk("another") == FIRST


def test_a_chunk_that_was_not_full_says_nothing_about_a_larger_one():
    pace = Pace(20)
    pace.took("smtp", 1, 0.001)
    pace.took("smtp", 0, 9)
    assert pace.chunk("smtp") == FIRST
    pace.took("smtp", 1, 5.0)
    assert pace.chunk("smtp") == 1


def test_the_settings_have_the_last_word():
    assert Pace(2).chunk("smtp") == 2
