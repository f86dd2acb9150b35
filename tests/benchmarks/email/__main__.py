"""`python -m tests.benchmarks.email [--json FILE]`: measure, print, and exit with 1 if a limit is missed."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.email import mails, measure
from tests.benchmarks.limits import Limit, Size, at_least, at_most, command, machine, tell
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
    size = Size("--scale", 1.0, "times the usual number of mails")
    return command("tests.benchmarks.email", __doc__, size, run, report)


def run(scale: float) -> dict[str, Any]:
    """All measurements, each on servers of its own, and the limits."""
    results: dict[str, Any] = {"machine": machine()}
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


def limits(results: dict[str, Any]) -> list[Limit]:
    """What was promised, and whether it was kept."""
    ours, naive = (results[name]["mails_per_second"] for name in ("delivered", "naive"))
    return [
        at_least("mails a second", ours, MAILS),
        at_least("times naive", ours / naive, RATIO),
        at_most("MB of a worker process", results["delivered"]["worker_peak_mb"], MEMORY),
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
    tell(console, results["limits"])


if __name__ == "__main__":
    sys.exit(main())
