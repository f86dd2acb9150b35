"""`dripline status`"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from workers.cli._base import as_json, local, many, now, print_json, store, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.store.pauses import Alone
    from workers.store.status import Status

SECTION = "Look and act"
SHOWN = 20
"""Reasons for which something was left aside."""
FOR_YOU = {  # as in workers.store.outbox and workers.delivery, which are not imported for `dripline --help`
    "unproved": "that may have arrived: dripline outbox list --unclear",
    "not-configured": "until a setting is made: dripline outbox list --state retry",
}


@click.command
@as_json
def command(as_json: bool) -> None:
    """Show how things stand: backlog, leads by stage, outbox, quarantine."""
    from workers.store.database import transaction
    from workers.store.status import read

    with store() as engine, transaction(engine) as conn:
        status = read(conn, now())
    if as_json:
        print_json(as_data(status))
    else:
        show(status)


def as_data(status: Status) -> dict[str, Any]:
    """The same as JSON-ready data."""
    outbox = [
        {"channel": channel, "state": state, "reason": reason, "rows": rows}
        for (channel, state, reason), rows in status.outbox.items()
    ]
    oldest = status.oldest.total_seconds() if status.oldest else None
    promoted, accepted = status.opportunities
    skipped = [{"reason": reason, "rule": rule, "times": number} for (reason, rule), number in status.skipped.items()]
    candidates = {"leads": sum(status.candidates.values()), "missing": status.missing}
    return asdict(status) | {
        "skipped": skipped, "candidates": candidates,
        "oldest_s": oldest, "outbox": outbox, "opportunities": {"promoted": promoted, "accepted": accepted},
        "oldest": None,
    }  # fmt: skip


def show(status: Status) -> None:
    """For a person."""
    for title, says in headlines(status):
        click.echo(f"{title:<16}{says}")
    outbox = [(f"{channel} {state} {why}".strip(), rows) for (channel, state, why), rows in status.outbox.items()]
    for title, rows in (
        ("Leads", sorted(status.leads.items())),
        ("Outbox", outbox),
        ("Quarantine", sorted(status.quarantine.items())),
        ("Closed in quarantine", sorted(status.closed.items())),
        ("Never to be mailed", sorted(status.suppressions.items())),
        ("Left aside in the last 30 days (dripline explain shows it by lead)", left_aside(status)),
    ):
        if rows:
            click.secho(f"\n{title}", bold=True)
            table(("", ""), rows, empty="")


def headlines(status: Status) -> Iterator[tuple[str, str]]:
    """What has to be seen first: of what, and how it stands."""
    unread = ", which no process has read yet; if that stays so, see the logs for rulebook_refused"
    yield "rules in force", (status.version[:12] or "none yet: dripline apply") + (unread if status.unread else "")
    if status.outdated:
        yield "looking anew", f"at {status.outdated} of {sum(status.leads.values())} leads, by the changed rules"
    waited = f", the oldest for {status.oldest.total_seconds():.0f} s" if status.oldest else ""
    failing = f", {status.failing} failing" if status.failing else ""
    held = f", {status.held} held up by their lead" if status.held else ""
    yield "events waiting", f"{status.backlog}{waited}{failing}{held}"
    stuck = f", {status.stuck} failing: dripline quarantine leads" if status.stuck else ""
    yield "wake-ups due", f"{status.overdue}{stuck}"
    promoted, accepted = status.opportunities
    yield "opportunities", f"{promoted}, of which the CRM has {accepted}{lacking(status)}"
    for reason, says in FOR_YOU.items():
        if waiting := sum(rows for (_, _, why), rows in status.outbox.items() if why == reason):
            yield "waiting for you", f"{waiting} {says}"
    for name, reason in status.paused.items():
        yield "paused", f"{name}: {reason}"
    for each in status.alone:
        yield "not answering", left_alone(each)


def left_alone(found: Alone) -> str:
    """Who does not answer, since when, and what is there to see of it."""
    failed = f"{many(found.failures, 'failure')} in a row, since {local(found.since)}"
    again = f"tried again at {local(found.until)}: dripline outbox list --state retry"
    return f"{found.provider}, for {', '.join(found.processes)}: {failed}, {again}"


def lacking(status: Status) -> str:
    """Who might be one."""
    candidates = sum(status.candidates.values())
    return f"; {many(candidates, 'candidate')}: dripline candidates" if candidates else ""


def left_aside(status: Status) -> list[tuple[str, int]]:
    """What reached us and counts for nothing, the most frequent first."""
    told = [(f"{reason}  {rule}", number) for (reason, rule), number in status.skipped.items()]
    return sorted(told, key=lambda each: -each[1])[:SHOWN]
