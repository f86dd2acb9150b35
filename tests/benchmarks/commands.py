"""`python -m tests.benchmarks.commands [--json FILE]`: how fast the commands are that people wait for.

`dripline simulate` takes the events of `rules_engines` through its 100 scoring rules and 20 segments, and the recorded
days of the demo, over and over with other people, through the example company with all its campaigns, as JSONL files;
`dripline check` looks at 1,000 rules. Each is run as people run it, in a process of its own, and what
counts is the time until it is done, starting included; on a machine that does other work as well, the processor time
says more, and is shown. Beside them, in the same run, stands what the same files take to be parsed and nothing else:
orjson and PyYAML.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
import yaml
from rich.console import Console
from rich.table import Table

from tests.benchmarks import rules_engines
from tests.benchmarks.limits import Limit, Size, at_least, at_most, command, machine, tell
from tests.folders import write_files
from workers.config import Settings
from workers.demo import record
from workers.demo.behaviour import DAYS
from workers.demo.expect import Mirror
from workers.demo.signing import Keys
from workers.rulebook import compile_rulebook, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from integrations.contracts import Incoming

EVENTS: Final = 200_000
LEAST: Final = 50_000
"""Events a second through `dripline simulate`, by 100 scoring rules and 20 segments."""
RULES: Final = 1_000
MOST: Final = 2.0
"""Seconds for `dripline check` of so many rules."""
PERIODS: Final = 6
"""How often each person of the recording comes back, with as many days between."""
ROUNDS: Final = 3
ROOT: Final = Path(__file__).parents[2]


# ── what is given ────────────────────────────────────────────────────────────────────────────────────────────


def recording() -> list[tuple[str, Incoming]]:
    """Every event of the recorded deliveries, in the order in which they came, with its source."""
    rulebook = compile_rulebook(read(ROOT / "rules", ROOT / "templates"))
    mirror = Mirror(rulebook, Settings.from_environ(Keys().settings).adapters)
    return [
        (delivery.source, incoming) for delivery in record.read() for incoming in mirror.read(delivery, delivery.at)
    ]


def lines(recorded: list[tuple[str, Incoming]]) -> Iterator[bytes]:
    """The recording as lines of the event log, endlessly: everybody comes back a few times, and then others come."""
    for crowd in count():
        for period in range(PERIODS):
            later = timedelta(days=DAYS * period)
            for source, incoming in recorded:
                yield line(incoming, source, f"{crowd}.{period}", later)


def line(incoming: Incoming, source: str, which: str, later: timedelta) -> bytes:
    """One event of a person of a crowd, some days later."""
    name, _, domain = dict(incoming.identities)["email"].partition("@")
    email = f"{name}.{which.partition('.')[0]}@{domain}"
    told = {
        "type": incoming.type,
        "occurred_at": (incoming.occurred_at + later).isoformat(),
        "email": email,
        "source": source,
        "event_id": f"{incoming.event_id}.{which}",
        "properties": dict(incoming.properties),
        "lead": {**incoming.lead, "email": email},
    }
    return orjson.dumps(told) + b"\n"


def scored(number: int) -> Iterator[bytes]:
    """The events of `rules_engines` as lines of the event log, in the order in which they happened."""
    for lead, event in sorted(rules_engines.happenings(number), key=lambda pair: pair[1].at):
        told = {
            "type": event.type,
            "occurred_at": event.at.isoformat(),
            "email": f"person{lead}@company{lead % 97}.test",
            "source": "site",
            "event_id": str(event.id),
            "properties": dict(event.properties),
            "lead": dict(event.lead),
        }
        yield orjson.dumps(told) + b"\n"


def rule_files(rules: int) -> dict[str, str]:
    """So many scoring rules, a hundred in a file, of the kinds that people write."""
    conditions = (
        "event: form.submitted, when: 'event.form == \"form-{0}\"'",
        "event: form.submitted, when: '\"/page-{0}\" in event.url'",
        "when: lead.employees >= {0}",
    )
    written = [f"  r{n}: {{{conditions[n % 3].format(n)}, points: {1 + n % 9}}}\n" for n in range(rules)]
    scores = {
        f"rules/scoring/s{start // 100}.yaml": f"score: s{start // 100}\nhalf_life: 30 days\nrules:\n"
        + "".join(written[start : start + 100])
        for start in range(0, rules, 100)
    }
    return {
        "rules/account.yaml": 'account: {company: A, zone: UTC, currency: EUR, sender: "A <a@a.test>", address: B}\n',
        "rules/fields.yaml": "fields: {employees: integer}\n",
        "rules/events.yaml": "events: {form.submitted: {form: text, url: text}}\n",
        **scores,
    }


# ── measuring ────────────────────────────────────────────────────────────────────────────────────────────────


class Spent(NamedTuple):
    """Seconds that something takes, on the clock and of processor time."""

    elapsed: float
    cpu: float


def dripline(*arguments: object) -> Spent:
    """What a command takes, with all processes that it begins."""
    command = [sys.executable, "-m", "workers.cli", *map(str, arguments)]
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Spent(time.perf_counter() - began, used.ru_utime + used.ru_stime)


def best(work: Callable[[], Spent]) -> dict[str, float]:
    """The least of a few rounds: what else the machine does only ever adds to it."""
    rounds = [work() for _ in range(ROUNDS)]
    return {"elapsed": min(each.elapsed for each in rounds), "cpu": min(each.cpu for each in rounds)}


def alone(work: Callable[[], object]) -> Spent:
    """What something takes here."""
    began, cpu = time.perf_counter(), time.process_time()
    work()
    return Spent(time.perf_counter() - began, time.process_time() - cpu)


def simulated(folder: Path, lines: Iterable[bytes], rules: Path) -> dict[str, dict[str, float]]:
    """What each way to simulate a file takes, and parsing it."""
    file = folder / "events.jsonl"
    file.write_bytes(b"".join(lines))
    return {
        "parsed": best(lambda: alone(lambda: [orjson.loads(each) for each in file.read_bytes().splitlines()])),
        "simulate": best(lambda: dripline("simulate", file, "--rules", rules)),
        "simulate_json": best(lambda: dripline("simulate", file, "--rules", rules, "--json")),
    }


def checked(folder: Path, rules: int) -> dict[str, dict[str, float]]:
    """What a check of so many rules takes, and parsing their files."""
    files = rule_files(rules)
    write_files(folder, files)
    return {
        "parsed": best(lambda: alone(lambda: [yaml.safe_load(text) for text in files.values()])),
        "check": best(lambda: dripline("check", folder / "rules")),
    }


def run(scale: float) -> dict[str, Any]:
    """All measurements, and the limits."""
    events, rules = max(1_000, int(EVENTS * scale)), max(100, int(RULES * scale))
    with tempfile.TemporaryDirectory(prefix="dripline-benchmark-") as name:
        folder = Path(name)
        write_files(folder / "scoring", rules_engines.bundle())
        seconds = {
            "scoring": simulated(folder, scored(events), folder / "scoring" / "rules"),
            "company": simulated(folder, islice(lines(recording()), events), ROOT / "rules"),
            "check": checked(folder / "many", rules),
        }
    return {
        "machine": machine(),
        "events": events,
        "rules": rules,
        "seconds": seconds,
        "limits": limits(events / seconds["scoring"]["simulate"]["elapsed"], seconds["check"]["check"]["elapsed"]),
    }


def limits(simulate: float, check: float) -> list[Limit]:
    """What was promised, and whether it was kept: events a second, and seconds."""
    return [
        at_least("events a second, simulate by scoring rules", simulate, LEAST),
        at_most("seconds, check", check, MOST),
    ]


# ── telling ──────────────────────────────────────────────────────────────────────────────────────────────────


TITLES: Final = (
    ("scoring", "parsed", "the events of 100 scoring rules and 20 segments parsed by orjson"),
    ("scoring", "simulate", "dripline simulate"),
    ("scoring", "simulate_json", "dripline simulate --json"),
    ("company", "parsed", "the events of the example company parsed by orjson"),
    ("company", "simulate", "dripline simulate"),
    ("company", "simulate_json", "dripline simulate --json"),
    ("check", "parsed", "the rules parsed by PyYAML"),
    ("check", "check", "dripline check"),
)


def report(results: dict[str, Any]) -> None:
    """The same for people."""
    console = Console()
    events, found = results["events"], results["seconds"]
    table = Table(f"{events:,} events, {results['rules']:,} rules", "seconds", "of processor", "a second", box=None)
    for part, name, title in TITLES:
        spent = found[part][name]
        speed = f"{events / spent['elapsed']:,.0f}" if part != "check" else ""
        table.add_row(title, f"{spent['elapsed']:.2f}", f"{spent['cpu']:.2f}", speed)
    console.print(table)
    tell(console, results["limits"])


def main() -> int:
    """Run all of it."""
    size = Size("--scale", 1.0, "times the usual number of events and rules")
    return command("tests.benchmarks.commands", __doc__, size, run, report)


if __name__ == "__main__":
    sys.exit(main())
