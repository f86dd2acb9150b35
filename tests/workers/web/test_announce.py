from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tests.waiting import eventually
from workers.web.announce import Announcer

if TYPE_CHECKING:
    from collections.abc import Collection

    import pytest


def test_the_first_word_goes_out_at_once_and_the_next_ones_together() -> None:
    said: list[set[int]] = []
    announcer = Announcer(lambda slices: said.append(set(slices)), pause=60)
    announcer.announce({1})
    eventually(lambda: said == [{1}])
    announcer.announce({2})
    announcer.announce({3, 2})
    announcer.close()
    assert said == [{1}, {2, 3}]


def test_nothing_to_say_is_not_said() -> None:
    said: list[Collection[int]] = []
    announcer = Announcer(said.append)
    announcer.announce(())
    announcer.close()
    assert said == []


def test_nobody_waits_for_a_queue_that_hangs() -> None:
    gate, said = threading.Event(), []

    def offer(slices: Collection[int]) -> None:
        assert gate.wait(10)
        said.append(set(slices))

    announcer = Announcer(offer, pause=0)
    for slice_ in range(100):
        announcer.announce({slice_})
    gate.set()
    announcer.close()
    assert set().union(*said) == set(range(100))


def test_a_queue_that_fails_is_logged_and_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    said: list[Collection[int]] = []

    def offer(slices: Collection[int]) -> None:
        said.append(slices)
        raise OSError("Redis is away")

    announcer = Announcer(offer, pause=0)
    announcer.announce({1})
    eventually(lambda: len(said) == 1)
    announcer.announce({2})
    announcer.close()
    assert len(said) == 2
    assert [record.getMessage() for record in caplog.records] == ["announcement_failed"] * 2
