"""`python -m tests.benchmarks [--json FILE]`: measure, print, and exit with 1 if a limit is missed."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks import measure
from tests.benchmarks.limits import Limit, Size, at_least, at_most, command, machine, tell
from tests.benchmarks.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

RATIO = 8.0
"""The whole path, against the naive design measured in the same run."""
REQUESTS = 4_000
"""Durable single-event requests a second."""
MEMORY = 200.0
"""MB of a worker process at its peak."""
CLIENTS = 128
"""Concurrent senders of single events."""
BATCHES = 16
"""Concurrent senders of batches: a mail provider has few."""
BATCH = 100


def main() -> int:
    """Run all of it."""
    size = Size("--scale", 1.0, "times the usual number of events")
    return command("tests.benchmarks", __doc__, size, run, report)


def run(scale: float) -> dict[str, Any]:
    """All measurements, each on servers of its own, and the limits."""
    results: dict[str, Any] = {"machine": machine()}
    with servers() as stack:
        results["naive"] = measure.naive(stack, int(3_000 * scale))
    with servers() as stack:
        results["door_single"] = measure.door(stack, "single", int(20_000 * scale), CLIENTS)
    with servers() as stack:
        results["door_batch"] = measure.door(stack, "batch", int(400 * scale), BATCHES, BATCH)
    with servers() as stack:
        results["path_single"] = measure.path(stack, "single", int(40_000 * scale), CLIENTS)  # as many as in batches
    with servers() as stack:
        results["path_batch"] = measure.path(stack, "batch", int(400 * scale), BATCHES, BATCH)
    results["limits"] = limits(results)
    return results


@contextmanager
def servers() -> Iterator[Stack]:
    """Fresh ones, whose addresses the naive design finds in the environment."""
    stack = Stack()
    os.environ.update({name: value for name, value in stack.environ().items() if name.startswith("BENCHMARK_")})
    try:
        yield stack
    finally:
        stack.close()


def limits(results: dict[str, Any]) -> list[Limit]:
    """What was promised, and whether it was kept."""
    naive = results["naive"]["events_per_second"]
    paths = ("path_single", "path_batch")
    return [
        at_least("durable requests a second, single events", results["door_single"]["requests_per_second"], REQUESTS),
        *(at_least(f"{name} times naive", results[name]["events_per_second"] / naive, RATIO) for name in paths),
        *(at_most(f"{name} MB of the worker", results[name]["worker_peak_mb"], MEMORY) for name in paths),
    ]


TITLES = {
    "naive": "one message and one session per event (baseline)",
    "door_single": "HTTP in, durable: single events",
    "door_batch": f"HTTP in, durable: batches of {BATCH}",
    "path_single": "HTTP to scored and decided: single events",
    "path_batch": f"HTTP to scored and decided: batches of {BATCH}",
}


def report(results: dict[str, Any]) -> None:
    """The same for people."""
    console = Console()
    table = Table("measured", "events/s", "times baseline", "p50 ms", "p99 ms", "CPU µs/event", "MB", box=None)
    baseline = results["naive"]["events_per_second"]
    for name, title in TITLES.items():
        row = results[name]
        speed = row["events_per_second"]
        cpu = sum(row["cpu_seconds"].values()) / row["events"] * 1e6
        memory = row.get("worker_peak_mb", row.get("web_peak_mb"))
        times = [f"{row[each]:.0f}" if each in row else "" for each in ("p50", "p99")]
        table.add_row(title, f"{speed:,.0f}", f"{speed / baseline:.1f}", *times, f"{cpu:.0f}", f"{memory:.0f}")
    console.print(table)
    tell(console, results["limits"])


if __name__ == "__main__":
    sys.exit(main())
