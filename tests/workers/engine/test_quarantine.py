from __future__ import annotations

from datetime import timedelta

import pytest

from tests.workers.engine.builders import DAY_MICROS, NOW, event, points, rulebook
from workers.engine.decide import decide
from workers.engine.quarantine import MOST
from workers.engine.standing import Standing
from workers.engine.values import LeadState
from workers.exceptions import NeedsHistory

RULES = rulebook(rules=(points("email.clicked", 1),), campaigns=(), promotion=None, credit=DAY_MICROS)


def test_a_scanner_that_follows_every_link_is_credited_whole_however_much_a_state_remembers() -> None:
    clicks = [event(n, "email.clicked", ago=timedelta(minutes=60), machine=True) for n in range(3 * MOST)]
    sign = event(999, "email.replied")
    before = decide(LeadState(), 1, clicks, RULES, NOW).state
    assert len(before.machines) == MOST
    for state, new in ((before, [sign]), (LeadState(), [*clicks, sign])):
        with pytest.raises(NeedsHistory):
            decide(state, 1, new, RULES, NOW)
        after = decide(state, 1, new, RULES, NOW, history=[*clicks, sign]).state
        assert Standing(after, RULES, NOW).score("engagement") == pytest.approx(3 * MOST, rel=0.01)
        assert after.machines == []


def test_counting_anew_remembers_no_more_machine_events_than_a_state_may() -> None:
    clicks = [event(n, "email.clicked", ago=timedelta(minutes=n), machine=True) for n in range(3 * MOST)]
    state = decide(LeadState(), 1, [], RULES, NOW, history=clicks).state
    assert sorted(each[1] for each in state.machines) == list(range(MOST))
