"""`python -m tests.benchmarks.campaigns [--json FILE]`: measure, print, and exit with 1 if a limit is missed.

Two databases, of 10,000 leads and of 1,000,000, in PostgreSQL with fsync on; each lead is under way in one of 20
campaigns. The states of the leads are the engine's own, made from events by 100 scoring rules and multiplied; beside
its row each has an identity, a run, a mail that was sent, an event in the log and a decision.

- **due**: 10,000 wake-ups that fall due at one instant, from the clock's look to the mail in the outbox and the next
  wait. In the small database these are all leads, in the large one every hundredth, far apart from each other.
- **events**: 10,000 events about as many different leads, from the statement in which the door commits them to all
  that comes of them. In the large database those are any leads.

Both are the median of three rounds after one to warm up, by the code of the clock and the workers in one thread
(`turns`); the figures are processor time, of that code and of PostgreSQL with all its processes, for a unit. Before
each round everything is vacuumed and written to disk. So the first touch of every page writes it to the log as a whole,
which costs the large database more and is counted. Left out are reading from a disk (everything is in the system's
cache, though only a part of it in PostgreSQL's 128 MB) and autovacuum, which is switched off. Time on the wall is shown
beside, and depends on the disk. No large table may be read from end to end while the large database is measured.

- **burst**: 100,000 of the million leads fall due at one instant while a mail server takes 800 mails a second by the
  rules, and 100 events a second come in by HTTP about any leads. `dripline web`, `clock` and `worker` (two processes of
  five threads) run as in production. Told is how long an event waits between its 202 and the commit of what came of it;
  how many mails went out a second; how often each was claimed. No mail may come twice or be missing.
- **answers**: how long commands take with the million leads, the start of Python included.

It takes about eight minutes and 4 GB of disk; with `--leads 100000`, three.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.campaigns import burst, commands, journey, measure, people
from tests.benchmarks.campaigns.people import Crowd
from tests.benchmarks.limits import Limit, Size, at_least, at_most, command, machine, tell
from tests.benchmarks.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

LEADS = 1_000_000
WAVE = 10_000
"""Wake-ups, or events, of a round; and leads of the small database."""
WAVES = 4
"""Rounds; the first is not counted."""
BURST = 100_000
"""Mails that fall due at once; with fewer leads, a tenth of them."""
RATE = 800
"""Mails a second that go out at the most."""
EVENTS = 100.0
"""New events a second meanwhile."""

DUE_RATIO = 1.5
EVENT_RATIO = 1.3
BEHIND = 3_000.0
"""Milliseconds: 99 of 100 events that come in during the burst wait no longer."""
KEPT = 0.9
"""Part of the rate that is reached while there are mails enough."""
CLAIMS = 1.5
"""How often a mail is claimed, on the average."""
ANSWER = 10.0
"""Seconds that anybody waits for an answer."""


def main() -> int:
    """Run all of it."""
    size = Size("--leads", LEADS, "of the large database; a power of ten")
    return command("tests.benchmarks.campaigns", __doc__, size, run, report)


def run(leads: int) -> dict[str, Any]:
    """All measurements and the limits."""
    results: dict[str, Any] = {"machine": machine(), "leads": leads}

    def found(name: str, value: object) -> None:
        results[name] = value
        Console(stderr=True).print(name, value)

    with filled(Crowd(WAVE, WAVE, WAVES, 0, datetime.now(UTC))) as (stack, crowd):
        found("due_small", measure.waves(stack, crowd))
        found("events_small", measure.processed(stack, crowd))
    with filled(Crowd(leads, WAVE, WAVES, min(BURST, leads // 10), datetime.now(UTC))) as (stack, crowd):
        found("bytes", int(stack.scalar("SELECT pg_database_size(current_database())")))
        found("due_large", measure.waves(stack, crowd))
        found("events_large", measure.processed(stack, crowd))
        found("answers", commands.answers(stack, RATE))
        found("burst", burst.burst(stack, crowd, RATE, EVENTS))
    results["limits"] = limits(results)
    return results


@contextmanager
def filled(crowd: Crowd) -> Iterator[tuple[Stack, Crowd]]:
    """Fresh servers with a crowd in the database."""
    stack = Stack(journey.files(RATE))
    try:
        people.fill(stack, crowd)
        yield stack, crowd
    finally:
        stack.close()


def limits(results: dict[str, Any]) -> list[Limit]:
    """What was promised, and whether it was kept."""
    times, seen = f"times {WAVE:,}", results["burst"]
    return [
        at_most(f"due: {results['leads']:,} leads {times}", ratio(results, "due"), DUE_RATIO),
        at_most(f"events: {results['leads']:,} leads {times}", ratio(results, "events"), EVENT_RATIO),
        at_most("ms that 99% of the events in the burst wait", seen["burst"]["p99"], BEHIND),
        at_least("part of the rate that was reached", seen["mails_per_second"] / seen["rate"], KEPT),
        at_most("part of the rate over the whole second with most", seen["most_in_a_second"] / seen["rate"], 2.05),
        at_most("claims of a mail", seen["claims_per_mail"], CLAIMS),
        at_most("seconds until the slowest answer", max(results["answers"].values()), ANSWER),
    ]


def ratio(results: dict[str, Any], what: str) -> float:
    """Processor time of the large database by that of the small one."""
    large, small = (float(results[f"{what}_{size}"]["cpu"]) for size in ("large", "small"))
    return large / small


def report(results: dict[str, Any]) -> None:
    """The same for people."""
    console = Console()
    table = Table("µs a unit", "leads", "CPU", "of it Python", "of it PostgreSQL", "wall", box=None)
    for name, unit in (("due", "wake-up"), ("events", "event")):
        for size, leads in (("small", WAVE), ("large", results["leads"])):
            row = results[f"{name}_{size}"]
            figures = [f"{row[each]:.0f}" for each in ("cpu", "python", "postgres", "wall")]
            table.add_row(unit, f"{leads:,}", *figures)
    console.print(table)
    report_burst(console, results["burst"])
    for name, seconds in results["answers"].items():
        console.print(f"{name}: {seconds:.1f} s")
    console.print(f"a look of the clock: {results['due_large']['look_ms']:.1f} ms of processor time")
    tell(console, results["limits"])


def report_burst(console: Console, seen: dict[str, Any]) -> None:
    """What became of the burst."""
    console.print(
        f"{seen['mails']:,} mails, decided after {seen['decided_seconds']:.0f} s, all out after "
        f"{seen['drained_seconds']:.0f} s; {seen['mails_per_second']:,.0f} a second, {seen['most_in_a_second']:,} in "
        f"the fullest one; claimed {seen['claims_per_mail']:.2f} times each"
    )
    for stretch in ("quiet", "deciding", "draining", "burst"):
        row = seen[stretch]
        told = ", ".join(f"{name} {row[name]:,.0f} ms" for name in ("p50", "p99", "worst"))
        console.print(f"events that come in, {stretch}: {told}")


if __name__ == "__main__":
    sys.exit(main())
