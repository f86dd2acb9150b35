"""`python -m tests.benchmarks [--json FILE]`: measure, print, and exit with 1 if a limit is missed."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks import measure
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
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the results there")
    parser.add_argument("--scale", type=float, default=1.0, help="times the usual number of events")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # as for Ctrl-C: the servers have to be stopped
    results = run(given.scale)
    report(results)
    if given.json:
        given.json.write_text(json.dumps(results, indent=2) + "\n")
    return 0 if all(limit["met"] for limit in results["limits"]) else 1


def run(scale: float) -> dict[str, Any]:
    """All measurements, each on servers of its own, and the limits."""
    results: dict[str, Any] = {"machine": {"cpus": os.cpu_count(), "python": platform.python_version()}}
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


def limits(results: dict[str, Any]) -> list[dict[str, Any]]:
    """What was promised, and whether it was kept."""
    naive = results["naive"]["events_per_second"]
    paths = ("path_single", "path_batch")
    checks = [
        ("durable requests a second, single events", results["door_single"]["requests_per_second"], REQUESTS, True),
        *((f"{name} times naive", results[name]["events_per_second"] / naive, RATIO, True) for name in paths),
        *((f"{name} MB of the worker", results[name]["worker_peak_mb"], MEMORY, False) for name in paths),
    ]
    return [
        {"what": what, "measured": value, "limit": limit, "met": value >= limit if least else value <= limit}
        for what, value, limit, least in checks
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
    for limit in results["limits"]:
        verdict = "[green]met[/]" if limit["met"] else "[red]MISSED[/]"
        console.print(f"{verdict}  {limit['what']}: {limit['measured']:,.1f} (limit {limit['limit']:,.0f})")


if __name__ == "__main__":
    sys.exit(main())
