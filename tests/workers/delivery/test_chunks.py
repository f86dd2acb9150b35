from __future__ import annotations

import pytest

from workers.delivery.chunks import FIRST, Chunks


@pytest.mark.parametrize(
    ("each_takes", "settles_at"),
    [(2.5, 1), (0.5, 2), (0.1, 10), (0.001, 20), (0.0, 20)],
)
def test_a_chunk_is_what_goes_out_within_a_second(each_takes: float, settles_at: int):
    chunks, sizes = Chunks(20), []
    for _ in range(6):
        sizes.append(chunks.next("smtp"))
        chunks.took("smtp", sizes[-1], sizes[-1] * each_takes)
    assert sizes[0] == FIRST
    assert sizes[-1] == settles_at
    assert chunks.next("another") == FIRST


def test_a_chunk_that_was_not_full_says_nothing_about_a_larger_one():
    chunks = Chunks(20)
    chunks.took("smtp", 1, 0.001)
    chunks.took("smtp", 0, 9)
    assert chunks.next("smtp") == FIRST
    chunks.took("smtp", 1, 5.0)
    assert chunks.next("smtp") == 1


def test_the_settings_have_the_last_word():
    assert Chunks(2).next("smtp") == 2
