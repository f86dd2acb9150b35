"""Ten thousand events, and something dies in the middle. What was promised holds afterwards, to the last event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.chaos.faults import INTERRUPTING, Step, befalling, random_plan
from tests.chaos.fleet import WORKERS, running
from tests.chaos.promises import check, settle, told
from tests.chaos.traffic import Senders, traffic
from workers.config import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.servers import Postgres

EVENTS: Final = 10_000
PEOPLE: Final = 1_200
MAILS: Final = 250
"""So many arrive in any case, of about 500, however many stay ambiguous."""

PLANS: Final = {
    "worker": [
        Step("worker killed with its children", processed=2_000),
        Step("child of the worker killed", processed=4_000),
        Step("worker killed alone", processed=6_000),
        Step("worker killed with its children", mails=MAILS),
    ],
    "web": [Step("web killed", events=number) for number in (3_000, 7_000)],
    "clock": [
        Step("clock killed", processed=2_000),
        Step("clock killed", processed=6_000),
        Step("clock killed", mails=MAILS),
    ],
    "redis flushed": [
        *(Step("redis flushed", events=number) for number in range(500, EVENTS, 500)),
        *(Step("redis flushed", mails=number) for number in range(10, MAILS, 10)),
    ],
    "redis": [
        Step("redis killed and restarted", events=2_000),
        Step("redis killed", events=4_000),
        Step("redis started", events=EVENTS, mails=MAILS),
    ],
    "postgresql": [
        Step("postgresql crashed and restarted", events=2_000),
        Step("postgresql crashed and restarted", processed=6_000),
        Step("postgresql crashed and restarted", mails=MAILS),
    ],
    "everything at random": random_plan(seed=2026, number=8, events=EVENTS, mails=MAILS),
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
def test_every_promise_holds_although_it_dies(postgres: Postgres, tmp_path: Path, plan: Sequence[Step]) -> None:
    with running(postgres, tmp_path) as fleet:
        senders = Senders(fleet.port)
        with befalling(fleet, plan, lambda: len(senders.seen.accepted)):
            seen = senders.send(traffic(seed=7, events=EVENTS, people=PEOPLE))
        settle(fleet, on_their_way(plan))
        numbers = check(fleet, seen.accepted)
        print(told(numbers, known=seen.known, answers=dict(seen.answers), done=fleet.done))  # noqa: T201  (shown with -s)
        assert (numbers.events, len(fleet.done)) == (EVENTS, len(plan))


def on_their_way(plan: Sequence[Step]) -> int:
    """How many mails may have been on their way when something died that knew of them: a chunk for each process."""
    return sum(step.fault in INTERRUPTING for step in plan) * WORKERS * Settings().delivery_chunk
