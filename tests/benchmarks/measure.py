"""The measurements. Each returns plain data and leaves its servers as it found them, but for the rows."""

from __future__ import annotations

import itertools
import random
import time
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from tests.benchmarks import deliveries
from tests.benchmarks.load import Plan, generate
from tests.benchmarks.stack import used_by, wait_for

if TYPE_CHECKING:
    from tests.benchmarks.load import Seen
    from tests.benchmarks.stack import Process, Stack

PEOPLE = 5_000
WARM_UP = 500
_runs = itertools.count(1)


class NotDurable(Exception):
    """Events were acknowledged that are not in the log."""


def naive(stack: Stack, events: int) -> dict[str, Any]:
    """One message and one ORM session per event: two processes of eight threads, dramatiq's own default here."""
    from tests.benchmarks import naive as design  # needs the broker's address in the environment

    design.Base.metadata.create_all(design.engine())
    people = [{"email": f"person{n}@company{n % 500}.test", "score": 0.0, "fields": {}} for n in range(PEOPLE)]
    with design.engine().begin() as conn:
        conn.execute(insert(design.Person), people)
    dice = random.Random(1)
    made = [deliveries.naive_event(dice, PEOPLE, f"naive-{n}") for n in range(events + 1)]
    with stack.process("-m", "dramatiq", "tests.benchmarks.naive", "--processes", "2", "--threads", "8") as workers:
        design.score.send(*made.pop())
        wait_for(lambda: stack.scalar("SELECT count(*) FROM naive_events") == 1, workers)
        cpu, began = _Cpu(stack, worker=workers), time.perf_counter()
        for each in made:
            design.score.send(*each)
        wait_for(lambda: stack.scalar("SELECT count(*) FROM naive_events") == events + 1, workers, patience=300)
        seconds = time.perf_counter() - began
        return {
            "events": events,
            "seconds": seconds,
            "events_per_second": events / seconds,
            "cpu_seconds": cpu.since(),
            "worker_peak_mb": workers.used().peak_mb,
        }


def door(stack: Stack, kind: str, number: int, connections: int, size: int = 1) -> dict[str, Any]:
    """HTTP in, durable: deliveries from concurrent clients, nobody processing them."""
    with stack.web() as (web, port):
        _load(port, kind, WARM_UP // size, connections, size)
        logged, cpu = _logged(stack), _Cpu(stack, web=web)
        seen = _load(port, kind, number, connections, size)
        used = cpu.since() | {"clients": seen.cpu_seconds}
        _check_durable(stack, logged, seen, number, size)
        return _numbers(seen, number, size) | {"cpu_seconds": used, "web_peak_mb": web.used().peak_mb}


def path(stack: Stack, kind: str, number: int, connections: int, size: int = 1) -> dict[str, Any]:
    """HTTP in, durable, scored and decided: until the last event is processed, by one worker process."""
    with ExitStack() as running:
        web, port = running.enter_context(stack.web())
        worker = running.enter_context(stack.running("worker"))
        clock = running.enter_context(stack.running("clock"))
        _load(port, kind, WARM_UP // size, connections, size)
        wait_for(lambda: _idle(stack), worker, patience=120)
        logged, cpu = _logged(stack), _Cpu(stack, web=web, worker=worker, clock=clock)
        seen = _load(port, kind, number, connections, size)
        answered = time.perf_counter()
        wait_for(lambda: _idle(stack), worker, patience=300)
        behind = time.perf_counter() - answered
        used = cpu.since() | {"clients": seen.cpu_seconds}
        _check_durable(stack, logged, seen, number, size)
        _check_processed(stack)
        memory = {"web_peak_mb": web.used().peak_mb, "worker_peak_mb": worker.used().peak_mb}
    # From the generator's first request: the start of its process before that is no part of the path, its end after
    # the last answer counts against us.
    seconds = seen.seconds + behind
    own = {"seconds": seconds, "events_per_second": number * size / seconds, "behind_seconds": behind}
    return _numbers(seen, number, size) | own | {"cpu_seconds": used} | memory


class _Cpu:
    """Seconds of processor time from now on, by what used them."""

    def __init__(self, stack: Stack, **processes: Process) -> None:
        servers = {"postgres": stack.postgres.process, "redis": stack.redis.process}
        self._pids = {name: each.process.pid for name, each in processes.items()}
        self._pids |= {name: each.pid for name, each in servers.items() if each is not None}
        self._before = self._now()

    def since(self) -> dict[str, float]:
        return {name: after - self._before[name] for name, after in self._now().items()}

    def _now(self) -> dict[str, float]:
        return {name: used_by(pid).cpu for name, pid in self._pids.items()}


def _load(port: int, kind: str, number: int, connections: int, size: int) -> Seen:
    options = {"run": f"{kind}-{next(_runs)}-{time.time_ns()}", "people": PEOPLE, "size": size}
    return generate(Plan("127.0.0.1", port, kind, options, number, connections))


def _numbers(seen: Seen, number: int, size: int) -> dict[str, Any]:
    return asdict(seen) | {
        "events": number * size,
        "requests_per_second": number / seen.seconds,
        "events_per_second": number * size / seen.seconds,
    }


def _logged(stack: Stack) -> int:
    return int(stack.scalar("SELECT count(*) FROM events"))


def _idle(stack: Stack) -> bool:
    return not stack.scalar("SELECT EXISTS (SELECT FROM inbox)")


def _check_durable(stack: Stack, before: int, seen: Seen, number: int, size: int) -> None:
    """Every request was answered 202, and the log has grown by exactly that many events."""
    grown = _logged(stack) - before
    if seen.answers != {"202": number} or grown != number * size:
        raise NotDurable(f"answers {seen.answers} to {number} deliveries of {size}, and {grown} events in the log")


def _check_processed(stack: Stack) -> None:
    """Every event in the log is in some lead's state, once."""
    counted = int(stack.scalar("SELECT sum((state ->> 'events')::int) FROM leads"))
    if counted != _logged(stack):
        raise NotDurable(f"{_logged(stack)} events in the log, {counted} in the leads")
