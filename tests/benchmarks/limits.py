"""What all benchmarks share: their command line, the machine, and what was promised of them.

Each has a function `run` that measures, whose plain data become the JSON and hold `limits`, and another one, `report`,
that tells people.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

Limit = dict[str, Any]
"""What is limited, what was measured, the limit, and whether it was met."""


class Size(NamedTuple):
    """The option that says how much is measured."""

    option: str
    usual: float
    about: str


def command(
    module: str,
    doc: str | None,
    size: Size,
    run: Callable[[Any], dict[str, Any]],
    report: Callable[[dict[str, Any]], None],
) -> int:
    """Measure, print, and write what was asked for; 1 if a limit is missed.

    Args:
        module: what is run, by `python -m`.
        doc: its documentation, whose first line says what it is for.
        size: its option.
        run: measures, given the size.
        report: prints what was measured.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=(doc or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, help="write the results there")
    parser.add_argument(size.option, dest="size", type=type(size.usual), default=size.usual, help=size.about)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # as for Ctrl-C: the servers have to be stopped
    results = run(given.size)
    report(results)
    if given.json:
        given.json.write_text(json.dumps(results, indent=2) + "\n")
    return 0 if all(limit["met"] for limit in results["limits"]) else 1


def machine() -> dict[str, Any]:
    """Where it was measured."""
    return {"cpus": os.cpu_count(), "python": platform.python_version()}


def at_least(what: str, measured: float, limit: float) -> Limit:
    """The more the better."""
    return {"what": what, "measured": measured, "limit": limit, "met": measured >= limit}


def at_most(what: str, measured: float, limit: float) -> Limit:
    """The less the better."""
    return {"what": what, "measured": measured, "limit": limit, "met": measured <= limit}


def tell(console: Console, limits: list[Limit]) -> None:
    """A line for each."""
    for each in limits:
        verdict = "[green]met[/]" if each["met"] else "[red]MISSED[/]"
        measured = f"{each['measured']:,.2f} (limit {each['limit']:,})"
        console.print(f"{verdict}  {each['what']}: {measured}", highlight=False)
