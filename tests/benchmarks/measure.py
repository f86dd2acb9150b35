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
from tests.benchmarks.stack import Process, Used, used_by, wait_for

if TYPE_CHECKING:
    from tests.benchmarks.load import Seen
    from tests.benchmarks.stack import Stack

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
        before, began = workers.used(), time.perf_counter()
        for each in made:
            design.score.send(*each)
        wait_for(lambda: stack.scalar("SELECT count(*) FROM naive_events") == events + 1, workers, patience=300)
        seconds = time.perf_counter() - began
        after = workers.used()
    return {
        "events": events,
        "seconds": seconds,
        "events_per_second": events / seconds,
        "worker_cpu_seconds": after.cpu - before.cpu,
        "worker_peak_mb": after.peak_mb,
    }


def door(stack: Stack, kind: str, number: int, connections: int, size: int = 1) -> dict[str, Any]:
    """HTTP in, durable: deliveries from concurrent clients, nobody processing them."""
    with stack.web() as (web, port):
        _load(port, kind, WARM_UP // size, connections, size)
        logged, before = _logged(stack), _cpu(stack, web)
        seen = _load(port, kind, number, connections, size)
        after = _cpu(stack, web)
        _check_durable(stack, logged, seen, number, size)
        return _numbers(seen, number, size) | {
            "web_cpu_seconds": after["web"] - before["web"],
            "postgres_cpu_seconds": after["postgres"] - before["postgres"],
            "web_peak_mb": web.used().peak_mb,
        }


def path(stack: Stack, kind: str, number: int, connections: int, size: int = 1) -> dict[str, Any]:
    """HTTP in, durable, scored and decided: until the last event is processed, by one worker process."""
    with ExitStack() as running:
        _, port = running.enter_context(stack.web())
        worker = running.enter_context(stack.running("worker"))
        running.enter_context(stack.running("clock"))
        _load(port, kind, WARM_UP // size, connections, size)
        wait_for(lambda: _idle(stack), worker, patience=120)
        logged, before, began = _logged(stack), worker.used(), time.perf_counter()
        seen = _load(port, kind, number, connections, size)
        answered = time.perf_counter()
        wait_for(lambda: _idle(stack), worker, patience=300)
        drained = time.perf_counter()
        after = worker.used()
        _check_durable(stack, logged, seen, number, size)
        _check_processed(stack)
        # The generator counts from its first request; its own start before that is not part of the path.
        seconds = seen.seconds + drained - answered
    return _numbers(seen, number, size) | {
        "events_per_second": number * size / seconds,
        "seconds": seconds,
        "behind_seconds": drained - answered,
        "started_seconds": answered - began - seen.seconds,
        "worker_cpu_seconds": after.cpu - before.cpu,
        "worker_peak_mb": after.peak_mb,
    }


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


def _cpu(stack: Stack, web: Process) -> dict[str, float]:
    postgres: Used = used_by(stack.postgres.process.pid) if stack.postgres.process else Used(0, 0)
    return {"web": web.used().cpu, "postgres": postgres.cpu}
