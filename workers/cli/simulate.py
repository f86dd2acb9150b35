"""`dripline simulate`"""

from __future__ import annotations

import gzip
import sys
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click

from workers.cli._base import INSTANT, as_json, local, many, plain, rule_files, table
from workers.cli._progress import progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from workers.engine.rules import Rulebook
    from workers.simulate import Heard, Result
    from workers.simulate.summary import Summary

SECTION = "Rules"
SHOWN: Final = 10
"""So many lines that could not be read, and things that were left aside, are shown."""
EVERY: Final = 1000
"""Lines between two movements of the progress bar."""
GZIP: Final = b"\x1f\x8b"
"""How a gzipped file begins."""
LEFT_OUT: Final = {
    "duplicates": "came before (the same source and event_id)",
    "unknown-message": "nobody is named but a message that was never sent",
    "after-the-end": "later than --until",
}


@click.command
@click.argument("events", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--rules", type=click.Path(path_type=Path), help="Folder of rules (default: rules, or else the example).")
@click.option("--templates", type=click.Path(path_type=Path), help="Folder of templates (default: beside the rules).")
@click.option("--until", type=INSTANT, help="Let the clock run until then (default: the last event).")
@as_json
def command(events: Path, rules: Path | None, templates: Path | None, until: datetime | None, as_json: bool) -> int:
    """Take recorded events through the rules, on a virtual clock.

    Shows what would go out and who would stand where. Nothing is sent and no database is needed. EVENTS is a file with
    one JSON object a line (it may be gzipped; - reads from a pipe), or an export of the event log. Needed are `type`,
    `occurred_at` and somebody to whom it happened:

    \b
      {"type": "form.submitted", "occurred_at": "2026-03-02T09:30:00Z", "email": "ann@acme.test",
       "properties": {"form": "demo"}, "lead": {"employees": 250}}

    Instead of `email` there may be `identities`, a list of kind:value, the strongest first. `source` and `event_id`
    together tell duplicates. Lines that are no events are left out, shown and counted. --json prints every decision
    and the final state of every lead. A great many events are shared out over all processor cores.

    \b
    Examples:
      dripline simulate events.jsonl
      dripline simulate events.jsonl.gz --rules new/rules --until 2026-06-30 --json
      zcat *.gz | dripline simulate -
    """
    from workers.rulebook import compile_rulebook
    from workers.simulate import no_collector, run
    from workers.simulate.shares import processes_for
    from workers.simulate.summary import summed

    bundle, name = rule_files(rules, templates)
    rulebook = compile_rulebook(bundle)
    bad: dict[int, str] = {}
    with no_collector():
        heard = read(events, bad)
        with progress("simulating", len(heard)) as moved:
            result = run(heard, rulebook, until, keep=as_json, moved=moved, processes=processes_for(len(heard)))
        if as_json:
            print_quickly(as_data(result, summed(result, rulebook), bad))
        else:
            show(summed(result, rulebook), rulebook, name)
    complain(bad, len(heard))
    return 1 if bad and not heard else 0


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────


def read(path: Path, bad: dict[int, str]) -> list[Heard]:
    """The events of a file; what is none goes to `bad`, by line."""
    from workers.simulate import BadLine, read_line

    heard = []
    with opened(path) as (lines, raw, size), progress("reading", size) as moved:
        for number, line in enumerate(lines, 1):
            if not number % EVERY:
                moved(raw.tell())
            if line.isspace():
                continue
            try:
                heard.append(read_line(line))
            except BadLine as error:
                bad[number] = str(error)
    return heard


@contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes], int]]:
    """The lines of a file, the file itself, and its size in bytes (0 if nobody knows it)."""
    if str(path) == "-":
        yield sys.stdin.buffer, sys.stdin.buffer, 0
        return
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == GZIP
            file.seek(0)
            yield gzip.GzipFile(fileobj=file) if zipped else file, file, path.stat().st_size  # type: ignore[misc]
    except OSError as error:  # also what is cut off or broken in a gzipped file
        raise click.ClickException(f"{path} cannot be read: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise click.ClickException(f"{path} cannot be read: it is cut off, or broken") from error


def complain(bad: Mapping[int, str], good: int) -> None:
    """Tell which lines were left out, and why."""
    for number, why in list(bad.items())[:SHOWN]:
        click.echo(f"line {number}: {why}", err=True)
    if bad:
        more = f" (the first {SHOWN} are shown)" if len(bad) > SHOWN else ""
        click.echo(f"{len(bad)} of {len(bad) + good} lines are no events and were left out{more}.", err=True)


# ── telling ──────────────────────────────────────────────────────────────────────────────────────────────────


def print_quickly(data: Any) -> None:
    """The same as `print_json`, for a great many rows."""
    import orjson

    option = orjson.OPT_NON_STR_KEYS | (orjson.OPT_INDENT_2 if sys.stdout.isatty() else 0)
    click.echo(orjson.dumps(data, default=plain, option=option).decode())


def as_data(result: Result, summary: Summary, bad: Mapping[int, str]) -> dict[str, Any]:
    """Everything as JSON-ready data."""
    return {
        "summary": summary.as_data(),
        "bad_lines": [{"line": number, "reason": why} for number, why in bad.items()],
        "leads": [
            {"id": person.id, "identities": person.identities, "wake_at": person.wake_at, **person.state.dump()}
            for person in result.people
        ],
        "decisions": [
            {"lead": lead, "at": at, "kind": kind, "rule": rule, "event": event, "detail": detail}
            for lead, (kind, at, rule, _, event, detail, _) in result.decisions
        ],
        "mails": result.mails,
        "promotions": result.promotions,
    }


def show(summary: Summary, rulebook: Rulebook, name: str) -> None:
    """The summary for a person."""
    from workers.simulate.words import against

    events = summary.counts.get("events", 0)
    who = f"{many(events, 'event')} of {many(summary.leads, 'lead')}"
    click.echo(f"{who}, by {name} (version {rulebook.version[:12]})")
    for reason, words in LEFT_OUT.items():
        if number := summary.counts.get(reason):
            click.echo(f"{many(number, 'event')} left out: {words}")
    if summary.until is None:
        return
    click.echo(f"The clock stopped at {local(summary.until)}.")
    counted("Leads by stage", summary.stages)
    for model, bands in summary.bands.items():
        names = [band.name for band in reversed(rulebook.models[model].bands)]
        counted(f"Band {model}", {band: bands[band] for band in [*names, "none"]})
    for grade, labels in summary.grades.items():
        counted(f"Grade {grade}", dict(sorted(labels.items())))
    counted("Segments", summary.segments)
    counted("Mails", {f"{campaign}.{step}  {template}": n for (campaign, step, template), n in summary.mails.items()})
    counted("Campaigns", {f"{campaign}, {state}": n for (campaign, state), n in sorted(summary.enrolments.items())})
    counted("Promoted, by owner", dict(summary.promotions.most_common()))
    if summary.candidates:
        title = f"Not promoted: {many(summary.candidates, 'lead')} far enough, and"
        counted(title, {against([name]): number for name, number in summary.missing.most_common()})
    left = {f"{reason}  {rule}": number for (reason, rule), number in summary.skipped.most_common(SHOWN)}
    counted("Left aside", left)
    if summary.due:
        click.echo(f"\nFor {many(summary.due, 'lead')} something falls due later; let the clock run on with --until.")


def counted(title: str, numbers: Mapping[str, int]) -> None:
    """A heading with numbers below it; nothing where there are none."""
    if numbers:
        click.secho(f"\n{title}", bold=True)
        table(("", ""), [(f"  {name or 'none'}", f"{number:,}") for name, number in numbers.items()], empty="")
