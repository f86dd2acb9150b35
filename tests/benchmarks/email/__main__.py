"""`python -m tests.benchmarks.email [--json FILE]`: measure, print, and exit with 1 if a limit is missed."""

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

from tests.benchmarks.email import mails, measure
from tests.benchmarks.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

MAILS = 2_000
"""A second, on two cores, everything on the same machine."""
RATIO = 8.0
"""Against the naive design measured in the same run."""
MEMORY = 200.0
"""MB of a worker process at its peak."""


def main() -> int:
    """Run all of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.email", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the results there")
    parser.add_argument("--scale", type=float, default=1.0, help="times the usual number of mails")
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
    results["stages"] = measure.stages(int(3_000 * scale))
    with servers() as stack:
        results["naive"] = measure.baseline(stack, int(1_000 * scale))
    with servers() as stack:
        results["delivered"] = measure.delivered(stack, int(20_000 * scale))
    results["limits"] = limits(results)
    return results


@contextmanager
def servers() -> Iterator[Stack]:
    """Fresh ones."""
    stack = Stack(mails.files())
    try:
        yield stack
    finally:
        stack.close()


def limits(results: dict[str, Any]) -> list[dict[str, Any]]:
    """What was promised, and whether it was kept."""
    ours, naive = (results[name]["mails_per_second"] for name in ("delivered", "naive"))
    checks = [
        ("mails a second", ours, MAILS, True),
        ("times naive", ours / naive, RATIO, True),
        ("MB of a worker process", results["delivered"]["worker_peak_mb"], MEMORY, False),
    ]
    return [
        {"what": what, "measured": value, "limit": limit, "met": value >= limit if least else value <= limit}
        for what, value, limit, least in checks
    ]


TITLES = {
    "naive": "Jinja2 from a string, EmailMessage, a connection for each mail (baseline)",
    "delivered": "outbox to SMTP: rendered, tracked, multipart, settled",
}


def report(results: dict[str, Any]) -> None:
    """The same for people."""
    console = Console()
    table = Table("measured", "mails/s", "times baseline", "bytes/mail", "CPU µs/mail", box=None)
    for name, title in TITLES.items():
        row = results[name]
        speed, mails_ = row["mails_per_second"], row["mails"]
        cpu = ", ".join(f"{who} {seconds / mails_ * 1e6:,.0f}" for who, seconds in row["cpu_seconds"].items())
        times = speed / results["naive"]["mails_per_second"]
        table.add_row(title, f"{speed:,.0f}", f"{times:.1f}", f"{row['bytes_per_mail']:,.0f}", cpu)
    console.print(table)
    for stage, micros in results["stages"].items():
        console.print(f"{stage.replace('_', ' ')}: {micros:,.0f} µs of processor time a mail")
    for limit in results["limits"]:
        verdict = "[green]met[/]" if limit["met"] else "[red]MISSED[/]"
        console.print(f"{verdict}  {limit['what']}: {limit['measured']:,.1f} (limit {limit['limit']:,.0f})")


if __name__ == "__main__":
    sys.exit(main())
