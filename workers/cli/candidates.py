"""`dripline candidates`"""

from __future__ import annotations

import csv
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TextIO

import click

from workers.cli._base import as_json, guarded, local, many, now, print_json, rulebook_of, store, table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from workers.engine.rules import PromotionRule
    from workers.reports.candidates import Group, Near, Overview

SECTION = "Look and act"
NO_RULE = "The rules in force promote nobody: dripline docs promote"
NOBODY: dict[str, Any] = {
    "stage": None,
    "at_least": 0,
    "leads": 0,
    "outdated": 0,
    "lacks": [],
    "groups": [],
    "nearest": [],
}


@click.command
@click.option("--missing", "names", multiple=True, metavar="NAME", help="Only leads that lack just this; repeatable.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="The nearest so many.")
@click.option("--csv", "file", type=click.File("w", encoding="utf-8"), help="Write all of them there; - is this one.")
@as_json
def command(names: tuple[str, ...], limit: int, file: TextIO | None, as_json: bool) -> None:
    """Show who is nearly an opportunity, and what is missing.

    A candidate is a lead that has come to the stage where `promote` looks at it, and lacks something: `when` is not
    true, there is not enough evidence, or no `email` is known. Those come first that lack least, then those with the
    latest event. Where two pieces of evidence are wanted, and one is there, any one of the others would do: `--missing
    budget` shows all whom a budget would make an opportunity.

    \b
    Examples:
      dripline candidates
      dripline candidates --missing budget
      dripline candidates --missing budget --csv ask-for-budget.csv
    """
    from workers.reports import candidates
    from workers.store.database import transaction

    with store() as engine, transaction(engine) as conn:
        rulebook = rulebook_of(conn)
        rule = rulebook.promotion
        if rule is None:
            click.echo(NO_RULE, err=as_json or file is not None)
            if as_json:
                print_json(NOBODY)
            return
        known(names, rule)
        found = candidates.overview(conn, rulebook, rule)
        groups = candidates.lacking_just(names, found.groups) if names else found.groups
        people = candidates.nearest(conn, rulebook, groups, now(), None if file else limit)
        if file is not None:
            number = write(people, candidates.scores_asked(rulebook), file)
            click.echo(f"{many(number, 'lead')}.", err=True)
        elif as_json:
            print_json({**found.as_data(), "nearest": [asdict(each) for each in people]})
        else:
            show(found, rule)
            show_people(list(people), groups, names)


def known(names: Iterable[str], rule: PromotionRule) -> None:
    """See whether the promotion asks for these.

    Raises:
        click.UsageError: it does not.
    """
    from workers.reports.candidates import criteria
    from workers.text import suggestion

    for name in names:
        if name not in criteria(rule):
            raise click.UsageError(f"The promotion asks for no {name!r}; {suggestion(name, criteria(rule))}")


def write(people: Iterable[Near], models: Collection[str], file: TextIO) -> int:
    """Write them as CSV; returns how many."""
    writer, number = csv.writer(file), 0
    writer.writerow(("lead", "id", "stage", "short", "missing", *models, "last_event"))
    for each in people:
        scores = (f"{round(each.scores[model], 1):g}" for model in models)
        missing = " ".join(each.missing)
        writer.writerow((guarded(each.lead), each.id, each.stage, each.short, missing, *scores, each.last.isoformat()))
        number += 1
    return number


def show(found: Overview, rule: PromotionRule) -> None:
    """How many lack what, for a person."""
    one = sum(group.leads for group in found.groups if group.short == 1)
    click.echo(f"{many(found.leads, 'candidate')} for promotion, {one:,} of which lack one thing only.")
    evidence = f", and {rule.at_least} of {', '.join(rule.evidence)}" if rule.evidence else ""
    click.echo(f"Wanted from the stage {found.stage} on: `when`{evidence}.")
    if found.outdated:
        click.echo(f"Still to be looked at anew by the changed rules: {many(found.outdated, 'lead')}.")
    if found.leads:
        click.echo()
        rows = [(each.name, each.condition, f"{each.leads:,}", f"{each.alone:,}") for each in found.lacks]
        table(("missing", "condition", "leads", "nothing else"), rows, empty="")


def show_people(people: list[Near], groups: Iterable[Group], names: Collection[str]) -> None:
    """The nearest, for a person."""
    just = f"just {' and '.join(names)}" if names else ""
    if not people:
        click.echo(f"Nobody lacks {just}." if just else "Nobody stands there and lacks something.")
        return
    total = sum(group.leads for group in groups)
    shown = f"the nearest {len(people):,} of {total:,}" if total > len(people) else f"{total:,}"
    click.secho(f"\nLeads that lack {just or 'something'}: {shown}", bold=True)
    rows = [
        (
            each.lead,
            each.stage,
            lacks(each),
            *(f"{round(score, 1):g}" for score in each.scores.values()),
            local(each.last),
        )
        for each in people
    ]
    table(("lead", "stage", "lacks", *people[0].scores, "last event"), rows, empty="")
    click.echo(f"\nWhich part of a condition is not true, and why: dripline explain {people[0].lead}")


def lacks(near: Near) -> str:
    """What a lead lacks: `when; budget`, or `1 of budget, need` where one of them would do."""
    from workers.reports.candidates import NO_EVIDENCE

    others = [name for name in near.missing if name in NO_EVIDENCE]
    pieces = [name for name in near.missing if name not in NO_EVIDENCE]
    enough = near.short - len(others)
    choice = f"{enough} of " if 0 < enough < len(pieces) else ""
    return "; ".join([*others, *([choice + ", ".join(pieces)] if pieces else [])])
