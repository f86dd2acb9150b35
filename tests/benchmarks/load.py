"""A load generator: pre-built requests over keep-alive connections, each waiting for its answer before the next.

Runs as a process of its own (`python -m tests.benchmarks.load`), reads a `Plan` from standard input, prints what it
saw as JSON. It speaks just enough HTTP/1.1 to cost little next to the server that it measures.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import uvloop

from tests.benchmarks.deliveries import build


@dataclass(frozen=True)
class Plan:
    """What to send.

    Attributes:
        kind: of deliveries, for `deliveries.build`.
        options: for the same.
        deliveries: how many.
        connections: each has one request under way.
    """

    host: str
    port: int
    kind: str
    options: dict[str, Any]
    deliveries: int
    connections: int


@dataclass(frozen=True)
class Seen:
    """What came back. Times in seconds, latencies in milliseconds."""

    answers: dict[str, int]
    seconds: float
    p50: float
    p99: float
    worst: float
    cpu_seconds: float


class _Client(asyncio.Protocol):
    def __init__(self, run: _Run) -> None:
        self.run = run
        self.answer = b""
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.next()

    def next(self) -> None:
        request = self.run.next_request()
        if request is None:
            self.transport.close()
            return
        self.sent_at = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.answer += data
        head, found, body = self.answer.partition(b"\r\n\r\n")
        if not found:
            return
        _, _, rest = head.partition(b"content-length: ")
        if len(body) >= int(rest.partition(b"\r\n")[0]):
            self.run.latencies.append(time.perf_counter() - self.sent_at)
            self.run.answers[head[9:12].decode()] += 1
            self.answer = b""
            self.next()

    def connection_lost(self, _: Exception | None) -> None:
        self.run.closed()


class _Run:
    def __init__(self, requests: list[bytes], connections: int) -> None:
        self.requests = iter(requests)
        self.answers: Counter[str] = Counter()
        self.latencies: list[float] = []
        self.open = connections
        self.done = asyncio.Event()

    def next_request(self) -> bytes | None:
        return next(self.requests, None)

    def closed(self) -> None:
        self.open -= 1
        if not self.open:
            self.done.set()


async def drive(plan: Plan) -> Seen:
    """Send all of it."""
    run = _Run(build(plan.kind, plan.deliveries, f"{plan.host}:{plan.port}", **plan.options), plan.connections)
    loop = asyncio.get_running_loop()
    started, cpu = time.perf_counter(), time.process_time()
    for _ in range(plan.connections):
        await loop.create_connection(lambda: _Client(run), plan.host, plan.port)
    await run.done.wait()
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    ordered = sorted(run.latencies)
    return Seen(
        answers=dict(run.answers),
        seconds=seconds,
        p50=percentile(ordered, 50),
        p99=percentile(ordered, 99),
        worst=percentile(ordered, 100),
        cpu_seconds=cpu_seconds,
    )


def percentile(ordered: list[float], percent: int) -> float:
    """In milliseconds, of seconds in ascending order."""
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1000


def generate(plan: Plan) -> Seen:
    """Run the plan in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.load"],
        input=json.dumps(asdict(plan)), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the load generator failed:\n{done.stderr[-2000:]}")
    return Seen(**json.loads(done.stdout))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(uvloop.run(drive(Plan(**json.load(sys.stdin)))))))
