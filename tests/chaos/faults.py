"""What is done to a running fleet, and when."""

from __future__ import annotations

import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import redis

from tests.chaos.fleet import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.chaos.fleet import Fleet


def flush(fleet: Fleet) -> None:
    """Everything in Redis is gone."""
    with redis.Redis.from_url(fleet.redis.url) as client:
        client.flushall()


FAULTS: Final[Mapping[str, Callable[[Fleet], None]]] = {
    "worker killed with its children": lambda fleet: fleet.worker.kill(),
    "worker killed alone": lambda fleet: fleet.worker.kill_alone(),
    "child of the worker killed": lambda fleet: fleet.worker.kill_child(),
    "web killed": lambda fleet: fleet.web.kill(),
    "clock killed": lambda fleet: fleet.clock.kill(),
    "redis flushed": flush,
    "redis killed and restarted": lambda fleet: fleet.redis.restart(signal.SIGKILL),
    "redis killed": lambda fleet: fleet.redis.stop(signal.SIGKILL),
    "redis started": lambda fleet: fleet.redis.start(),
    "postgresql crashed and restarted": lambda fleet: fleet.postgres.restart(signal.SIGQUIT),
}
INTERRUPTING: Final = frozenset(
    {
        "worker killed with its children",
        "child of the worker killed",
        "postgresql crashed and restarted",
    }
)
"""Those after which nobody knows what became of a mail that was on its way."""
WHOLE: Final = [name for name in FAULTS if name not in {"redis killed", "redis started"}]
"""Those that leave everything running."""


@dataclass(frozen=True)
class Step:
    """A fault, and what has to be reached before it happens.

    Attributes:
        events: acknowledged to the senders.
        processed: events taken into a lead's state, so that a worker is certainly at work.
        mails: arrived.
    """

    fault: str
    _: KW_ONLY
    events: int = 0
    processed: int = 0
    mails: int = 0


def random_plan(seed: int, number: int, events: int, mails: int) -> list[Step]:
    """So many faults, half of them at random numbers of acknowledged events, the others at random numbers of mails."""
    dice = random.Random(seed)
    early = sorted(dice.randrange(events) for _ in range(number // 2))
    late = sorted(dice.randrange(mails) for _ in range(number - len(early)))
    moments = [*({"events": each} for each in early), *({"mails": each} for each in late)]
    return [Step(dice.choice(WHOLE), **moment) for moment in moments]


def processed(fleet: Fleet) -> int:
    """Events that were taken into a lead's state."""
    return int(fleet.rows("SELECT (SELECT count(*) FROM events) - (SELECT count(*) FROM inbox)")[0][0])


@contextmanager
def befalling(fleet: Fleet, plan: Sequence[Step], acknowledged: Callable[[], int]) -> Iterator[None]:
    """Carry out the plan beside the block, all of it before the block ends."""
    given_up = threading.Event()

    def so_far() -> str:
        return f"after {acknowledged()} acknowledged, {processed(fleet)} processed events and {fleet.mails.count} mails"

    def due(step: Step) -> bool:
        if given_up.is_set():
            return True
        reached = acknowledged() >= step.events and fleet.mails.count >= step.mails
        return reached and (not step.processed or processed(fleet) >= step.processed)

    def work() -> None:
        for step in plan:
            wait_for(f"it is time for {step}", partial(due, step), told=so_far)
            if not given_up.is_set():
                fleet.done.append(f"{step.fault} {so_far()}")
                FAULTS[step.fault](fleet)

    with ThreadPoolExecutor(1, thread_name_prefix="faults") as thread:
        working = thread.submit(work)
        try:
            yield
        except BaseException:
            given_up.set()
            raise
        working.result()
