"""A simulation shared out over processes."""

from __future__ import annotations

import os
import signal
from datetime import timedelta

import pytest

from tests.workers.engine.builders import DAY, NOW, rulebook
from workers.simulate import Heard, run
from workers.simulate.clock import SHARE
from workers.simulate.shares import LEAST, processes_for, shared


def heard(number: int, at: timedelta, kind: str, **properties: str) -> Heard:
    instant = NOW + at
    return Heard(instant, instant, kind, (f"email:p{number}@acme.test",), None, properties, {"seats": number})


@pytest.mark.parametrize("keep", [True, False])
def test_it_comes_to_the_same_as_in_one_process(keep) -> None:
    rules = rulebook()
    events = [heard(n, timedelta(seconds=n), "form.submitted", form="newsletter") for n in range(3 * SHARE + 7)]
    events += [heard(n, DAY, "page.viewed") for n in range(0, 3 * SHARE, 2)]
    moved: list[int] = []
    one = run(events, rules, NOW + 9 * DAY, keep=keep)
    two = run(events, rules, NOW + 9 * DAY, keep=keep, processes=2, moved=moved.append)
    assert one.mails
    for name in ("until", "decisions", "kinds", "skipped", "counts", "mails", "promotions", "notices", "hooks"):
        assert getattr(one, name) == getattr(two, name)
    assert [(each.state, each.wake_at) for each in one.people] == [(each.state, each.wake_at) for each in two.people]
    assert max(moved) == len(events)


def test_every_piece_is_done_once() -> None:
    assert sorted(shared(lambda piece: piece * piece, 7, 3)) == [(n, n * n) for n in range(7)]
    assert list(shared(lambda piece: piece, 0, 2)) == []


def test_what_goes_wrong_in_a_process_goes_wrong_here() -> None:
    with pytest.raises(ZeroDivisionError):
        list(shared(lambda piece: 1 // (piece - 2), 5, 2))


def test_a_process_that_is_ended_from_outside_is_told_of() -> None:
    with pytest.raises(ChildProcessError, match="ended from outside"):
        list(shared(lambda _: os.kill(os.getpid(), signal.SIGKILL), 4, 2))


def test_few_events_are_not_shared_out() -> None:
    assert processes_for(LEAST - 1) == 1
    assert processes_for(LEAST) >= 1
