"""The measurements. Each returns plain data."""

from __future__ import annotations

import random
import statistics
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from tests.benchmarks.campaigns import people
from tests.benchmarks.campaigns.turns import Turns
from workers.store import events

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.campaigns.people import Crowd
    from tests.benchmarks.campaigns.turns import Cost
    from tests.benchmarks.stack import Stack

LARGE: Final = ("leads", "identities", "enrolments", "events_2", "event_keys", "decisions_2", "outbox")
CLEARLY: Final = 500_000
"""Leads from which on nothing may be read from end to end; of fewer that may be the quickest way to many of them."""
FLUSHED: Final = 1.2
"""Seconds after which PostgreSQL's processes have told what they did."""
ROUND: Final = 500
"""Events that the door commits together."""
LOOKS: Final = 50


class NotDone(Exception):
    """Not what was meant was measured."""


def waves(stack: Stack, crowd: Crowd) -> dict[str, Any]:
    """`crowd.wave` wake-ups fall due at once: from the clock's look to the last mail in the outbox."""
    turns = Turns(stack, crowd.start)
    costs = []
    for number in range(crowd.waves):
        people.settle(stack.engine)
        turns.clock.move_to(crowd.due(number))
        before = outbox(stack)
        with unscanned(stack, crowd):
            costs.append(turns.measured(turns.work))
        if outbox(stack) - before != crowd.wave:
            raise NotDone(f"{outbox(stack) - before} mails came of {crowd.wave} wake-ups")
    look = turns.measured(turns.look, LOOKS)
    turns.close()
    return each(costs[1:], crowd.wave) | {"look_ms": look.cpu * 1000}


def processed(stack: Stack, crowd: Crowd) -> dict[str, Any]:
    """Events about `crowd.wave` different leads: appended as the door does, and processed."""
    turns, dice = Turns(stack, crowd.start), random.Random(crowd.leads)
    turns.clock.move_to(crowd.due(crowd.waves - 1) + timedelta(minutes=30))
    asleep = range(crowd.sleeping if crowd.leads > crowd.wave else 0, crowd.leads)
    costs = []
    for number in range(crowd.waves):
        people.settle(stack.engine)
        who = [crowd.person(place) for place in dice.sample(asleep, crowd.wave)]
        made = people.some(dice, f"events-{number}", who, turns.clock())

        def work(made: list[Any] = made) -> None:
            for start in range(0, len(made), ROUND):
                with stack.engine.begin() as conn:
                    events.append(conn, made[start : start + ROUND], turns.clock())
            turns.work()

        with unscanned(stack, crowd):
            costs.append(turns.measured(work))
        if stack.scalar("SELECT count(*) FROM inbox"):
            raise NotDone("events were left")
    turns.close()
    return each(costs[1:], crowd.wave)


def each(costs: list[Cost], size: int) -> dict[str, Any]:
    """The median round, in microseconds for one wake-up or event."""
    median = {name: statistics.median(getattr(cost, name) for cost in costs) / size * 1e6
              for name in ("cpu", "python", "postgres", "wall")}  # fmt: skip
    return {"units": size, "rounds": len(costs), **median}


def outbox(stack: Stack) -> int:
    """Rows in it."""
    return int(stack.scalar("SELECT count(*) FROM outbox"))


@contextmanager
def unscanned(stack: Stack, crowd: Crowd) -> Iterator[None]:
    """Raise if a large table was read from end to end meanwhile."""
    before = scans(stack)
    yield
    time.sleep(FLUSHED)
    found = {name: number - before[name] for name, number in scans(stack).items() if number > before[name]}
    if found and crowd.leads >= CLEARLY:
        raise NotDone(f"tables were read from end to end: {found}")


def scans(stack: Stack) -> dict[str, int]:
    """How often each large table was read from end to end so far."""
    with stack.engine.connect() as conn:
        rows = conn.execute(text("SELECT relname, seq_scan FROM pg_stat_user_tables")).all()
    return {name: number for name, number in rows if name.startswith(LARGE)}
