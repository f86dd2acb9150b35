"""A run of the demo, for people at a terminal."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rich.console import Console

    from workers.demo.summary import Summary

WIDTH: Final = 28
SHOWN: Final = 20
BAR: Final = "█"


def show(summary: Summary, console: Console) -> None:
    """Print everything."""
    show_post(summary, console)
    show_leads(summary, console)
    show_mails(summary, console)
    show_deals(summary, console)
    show_story(summary, console)
    show_verdict(summary, console)


def section(console: Console, title: str) -> None:
    """A headline."""
    console.print(f"\n[bold]{title}[/bold]")


def show_post(summary: Summary, console: Console) -> None:
    """What came in."""
    post = summary.post
    section(console, f"{post['deliveries']:,} webhook deliveries in {summary.days} virtual days")
    refused = {name: number for name, number in post.items() if name.startswith("refused")}
    rows = {
        "events accepted": post.get("accepted", 0),
        "duplicates (vendors retry)": post.get("duplicates", 0),
        "ignored on purpose": post.get("ignored", 0),
        **{f"in quarantine: {reason}": number for reason, number in summary.quarantine.items()},
        **{f"deliveries {name}": number for name, number in refused.items()},
    }
    show_rows(console, rows)


def show_leads(summary: Summary, console: Console) -> None:
    """Where everybody stands."""
    section(console, f"{sum(summary.stages.values()):,} leads by stage")
    show_rows(console, summary.stages, bars=True)
    for model, counts in summary.scores.items():
        section(console, f"score {model}")
        show_rows(console, {f"{place * 10:3d} to {place * 10 + 10}": n for place, n in enumerate(counts)}, bars=True)


def show_mails(summary: Summary, console: Console) -> None:
    """What was mailed."""
    total = sum(number for steps in summary.mails.values() for number in steps.values())
    section(console, f"{total:,} mails taken by the SMTP server")
    show_rows(console, {f"{name}: {step}": n for name, steps in summary.mails.items() for step, n in steps.items()})
    if summary.suppressed:
        reasons = ", ".join(f"{number} {reason}" for reason, number in summary.suppressed.items())
        console.print(f"  never to be mailed again: {reasons}", highlight=False)


def show_deals(summary: Summary, console: Console) -> None:
    """What sales got."""
    worth = sum(float(deal["amount"]) for deal in summary.deals)
    section(console, f"{len(summary.deals)} opportunities in the CRM, {worth:,.0f} EUR")
    largest = sorted(summary.deals, key=lambda deal: -float(deal["amount"]))
    show_rows(console, {f"{deal['name']} ({deal['email']})": round(float(deal["amount"])) for deal in largest[:8]})
    if len(largest) > 8:  # noqa: PLR2004 - as many as are shown
        console.print(f"  … and {len(largest) - 8} more", highlight=False)
    if summary.missing:
        names = {"when": "the scores"}
        missing = ", ".join(f"{names.get(name, name)} ({number})" for name, number in summary.missing.items())
        console.print(f"  what other candidates lack: {missing}", highlight=False)


def show_story(summary: Summary, console: Console) -> None:
    """How one of them got there."""
    if not summary.story:
        return
    section(console, f"The story of {summary.lead}")
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for at, lines in groupby(summary.story, key=lambda line: f"  {line.at:%d %b %H:%M}"):
        for number, line in enumerate(lines):
            table.add_row("" if number else at, line.text)
    console.print(table, highlight=False)


def show_verdict(summary: Summary, console: Console) -> None:
    """Whether that is what the rules say."""
    console.print()
    took = f"{summary.duration_s:.1f} s"
    if not summary.differences:
        console.print(f"[green]What went out is what the rules say, each thing exactly once[/green] ({took}).")
        return
    console.print(f"[red]What went out is not what the rules say[/red] ({took}):")
    for difference in summary.differences[:SHOWN]:
        console.print(f"  {difference}", highlight=False)
    if len(summary.differences) > SHOWN:
        console.print(f"  … and {len(summary.differences) - SHOWN} more; --json FILE has them all")


def show_rows(console: Console, rows: Mapping[str, int], *, bars: bool = False) -> None:
    """Names and numbers, with a small picture if wanted."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(min_width=30, no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    if bars:
        table.add_column(no_wrap=True, style="cyan")
    for (name, number), bar in zip(rows.items(), pictures(rows.values()), strict=True):
        table.add_row(f"  {name}", f"{number:,}", *([bar] if bars else []))
    console.print(table, highlight=False)


def pictures(numbers: Iterable[int]) -> Iterable[str]:
    """Bars, the longest of them WIDTH wide, and none for something that is there."""
    each = list(numbers)
    most = max(each, default=0) or 1
    return [BAR * max(round(number / most * WIDTH), 1 if number else 0) for number in each]
