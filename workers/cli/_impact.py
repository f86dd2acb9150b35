"""What other rules would have made of recorded history, for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from workers.cli._base import local, many, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from workers.simulate.impact import Group, Impact, Move

NAMED: Final = 5
"""So many leads of each change are named."""
OUTCOMES: Final = ("won", "lost", "open")


def show(impact: Impact) -> None:
    """All of it."""
    part = "" if impact.leads >= impact.of else f", a sample of {impact.of:,}"
    click.secho(f"\nOver recorded history: {many(impact.leads, 'lead')}{part}, {many(impact.events, 'event')} "
                f"until {local(impact.until)}", bold=True)  # fmt: skip
    if impact.changed:
        show_history(impact)
    else:
        click.echo("  Every lead would have come out the same.")
    if impact.at_once:
        click.secho("\nAs soon as the leads are looked at, as they stand today", bold=True)
        found = sorted(impact.at_once.items())
        rows("", [(said(*each), f"{group.number:,}", named(group)) for each, group in found])


def said(kind: str, name: str) -> str:
    """What happens to a lead when it is looked at."""
    words = {"campaign": "enters campaign", "mail": "gets mail", "stage": "comes to stage"}
    return "is promoted" if kind == "promoted" else f"{words[kind]} {name}"


def show_history(impact: Impact) -> None:
    """What would have come out differently."""
    click.echo(f"  {many(impact.changed, 'lead')} would have come out differently.")
    for line in promoted(impact):
        click.echo(f"  {line}")
    moves("Stage at the end", impact.stages)
    moves("Band at the end", impact.bands)
    moves("Grade at the end", impact.grades)
    rows("Segments at the end", [*segments("in", impact.entered), *segments("not in", impact.left)])
    rows("Scores at the end", [*scores(impact)])
    rows("Mails", [*mails(impact)])


def promoted(impact: Impact) -> Iterator[str]:
    """Who is handed to sales, and what became of those in truth."""
    old, new = impact.promoted
    yield f"Promoted: {old:,} by the rules of now, {new:,} by the new ones"
    for word, group in (("more", impact.more), ("fewer", impact.fewer),
                        ("earlier", impact.earlier), ("later", impact.later)):  # fmt: skip
        if group.number:
            yield f"  {group.number:,} {word} ({outcomes(group)}): {named(group)}"


def outcomes(group: Group) -> str:
    """`9 won, 2 lost, 3 open`."""
    return ", ".join(f"{group.outcomes[word]:,} {word}" for word in OUTCOMES if group.outcomes[word])


def named(group: Group) -> str:
    """The first of them."""
    rest = group.number - NAMED
    return ", ".join(name for name, _ in group.names[:NAMED]) + (f", … and {rest:,} more" if rest > 0 else "")


def moves(title: str, found: Mapping[Move, Group]) -> None:
    """Leads by where they come from and where they go to, most first."""
    most = sorted(found.items(), key=lambda each: -each[1].number)
    alone = title.startswith("Stage")
    rows(title, [
        (f"{'' if alone else f'{name}: '}{start} → {end}", f"{group.number:,}", named(group))
        for (name, start, end), group in most
    ])  # fmt: skip


def segments(word: str, found: Mapping[str, Group]) -> Iterator[tuple[str, str, str]]:
    """Leads by segment."""
    for name, group in sorted(found.items()):
        yield f"{word} {name}", f"{group.number:,}", named(group)


def scores(impact: Impact) -> Iterator[tuple[str, str, str]]:
    """How many leads have another score."""
    for name in sorted(impact.higher.keys() | impact.lower.keys()):
        yield name, f"higher for {impact.higher[name]:,}", f"lower for {impact.lower[name]:,}"


def mails(impact: Impact) -> Iterator[tuple[str, str, str]]:
    """Mails of which there are more or fewer."""
    for (campaign, template), (old, new) in sorted(impact.mails.items()):
        if old != new:
            yield f"{campaign}  {template}", f"{old:,} → {new:,}", ""


def rows(title: str, found: list[tuple[str, str, str]]) -> None:
    """A heading with lines below it; nothing where there are none."""
    if found and title:
        click.secho(f"\n  {title}", bold=True)
    if found:
        table(("", "", ""), [(f"    {first}", *rest) for first, *rest in found], empty="")
