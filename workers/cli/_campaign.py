"""A campaign's progress, for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from workers.cli._base import local, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from workers.reports.progress import GoalProgress, Progress, StepProgress, WayOn
    from workers.reports.rates import Difference, Rate
    from workers.reports.trials import TrialProgress
    from workers.store.controls import Control

SHOWN: Final = 10
"""Reasons that are shown of many."""


def show(progress: Progress) -> None:
    """All of it."""
    head(progress)
    if progress.goal:
        show_goal(progress.goal)
    if progress.steps:
        section("Steps")
        columns = ("step", "does", "waiting", "next", "came to")
        table(columns, [row(step) for step in progress.steps], empty="")
    if progress.gone:
        section("At steps of older versions")
        table(("version", "step", "waiting"), [(g.version, g.step, f"{g.here:,}") for g in progress.gone], empty="")
    for test in progress.tests:
        show_test(test)
    show_shares(progress)
    if progress.decided:
        section("Decided")
        for control in progress.decided[:SHOWN]:
            click.echo(f"  {decided(control)}")


def section(title: str) -> None:
    """A heading."""
    click.secho(f"\n{title}", bold=True)


def head(progress: Progress) -> None:
    """What it is and how many went through it."""
    version = f", version {progress.version}" if progress.version else ""
    click.secho(f"{progress.name}: {progress.state}{version}", bold=True)
    if progress.paused:
        told = progress.paused
        click.secho(f"Paused by {told.author} at {local(told.decided_at)}: {told.reason}", fg="red")
        click.echo(f"Go on with: dripline campaign resume {progress.name}")
    held_out = f", {progress.held_out:,} held out" if progress.held_out else ""
    click.echo(f"  entered      {progress.entered:,}{held_out}" + ways(progress.enter))
    click.echo(f"  under way    {progress.under_way:,}")
    click.echo(f"  finished     {total(progress.finished)}")
    click.echo(f"  left         {total(progress.left)}" + ways(progress.exits))
    if progress.turned_away:
        click.echo(f"  not let in   {total(progress.turned_away)}")
    click.echo(f"  mails        {listed(progress.mails) or 'none yet'}")


def ways(told: tuple[str, ...]) -> str:
    """What starts or ends it."""
    return f"  [{'; '.join(told)}]" if told else ""


def total(reasons: Mapping[str, int]) -> str:
    """How many, and for which reasons."""
    named = {reason: number for reason, number in reasons.items() if reason}
    return f"{sum(reasons.values()):,}" + (f" ({listed(named)})" if named else "")


def listed(numbers: Mapping[str, int]) -> str:
    """Numbers with their words, the most frequent first."""
    ordered = sorted(numbers.items(), key=lambda each: -each[1])
    rest = sum(number for _, number in ordered[SHOWN:])
    told = [f"{word} {number:,}" for word, number in ordered[:SHOWN]]
    return ", ".join([*told, f"others {rest:,}"] if rest else told)


# ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────


def row(step: StepProgress) -> tuple[str, ...]:
    """A step in a line."""
    held = f" (held: {listed(step.holds)})" if step.holds else ""
    waiting = f"{step.here:,}{held}" if step.here else ""
    does = f"{step.word.replace('_', ' ')} {step.told}".strip()
    return step.id, does, waiting, local(step.due), "; ".join(came_to(step))


def came_to(step: StepProgress) -> Iterator[str]:
    """What has happened there."""
    plain = {
        what: number
        for what, number in step.happened.items()
        if not what.startswith(("took:", "arm:", "success:")) and what not in {"waiting", "resumed"}
    }
    if plain:
        yield listed({what.replace(":", ": "): number for what, number in plain.items()})
    if taken := [way for way in step.ways if way.taken is not None]:
        yield ", ".join(way_on(way) for way in taken)


def way_on(way: WayOn) -> str:
    """A way and how often it was taken."""
    return f"{way.name}: {way.taken:,}"


# ── goal ─────────────────────────────────────────────────────────────────────────────────────────────────────


def show_goal(goal: GoalProgress) -> None:
    """How many reached it, and how many without."""
    section(f"Goal: {goal.told}")
    click.echo(f"  taking part  {rate(goal.taking_part)}")
    if goal.held_out is not None:
        click.echo(f"  held out     {rate(goal.held_out)}")
    if goal.lift is not None:
        click.echo(f"  difference   {difference(goal.lift)}")


def rate(found: Rate) -> str:
    """A share with its bounds."""
    if not found.of:
        return "nobody yet"
    return f"{found.share:.1%}  ({found.reached:,} of {found.of:,}; between {found.low:.1%} and {found.high:.1%})"


def difference(found: Difference) -> str:
    """How much it changes, and how sure that is."""
    bounds = f"{100 * found.by:+.1f} points (between {100 * found.low:+.1f} and {100 * found.high:+.1f}): "
    if not found.certain:
        return f"{bounds}that may still be chance"
    return bounds + ("the campaign works" if found.by > 0 else "the campaign does harm")


# ── tests ────────────────────────────────────────────────────────────────────────────────────────────────────


def show_test(test: TrialProgress) -> None:
    """The arms of a test, and how it stands."""
    from workers.engine.experiments import said

    section(f"Test {test.step}: {test.measure}")
    columns = ("  arm", "of all", "worked for", "between", "too early to tell")
    rows = [
        (f"  {arm.name}", f"{arm.share:.0%}", f"{arm.rate.share:.1%}  ({arm.rate.reached:,} of {arm.rate.of:,})",
         f"{arm.rate.low:.1%} and {arm.rate.high:.1%}", f"{arm.waiting:,}" if arm.waiting else "")
        for arm in test.arms
    ]  # fmt: skip
    table(columns, rows, empty="")
    needed = f", {said(test.needed)} needed" if test.needed else ""
    click.echo(f"  evidence for a difference {said(test.evidence)}{needed}; {test.state}")


# ── pausing ──────────────────────────────────────────────────────────────────────────────────────────────────


def show_shares(progress: Progress) -> None:
    """How far it is from pausing itself."""
    if progress.shares:
        section("Pauses itself when")
    for share in progress.shares:
        click.echo(f"  {share.said(progress.days)}")


def decided(control: Control) -> str:
    """A decision in a line."""
    what = f"{control.step}: {control.value or 'no difference'}" if control.step else control.what
    why = f": {control.reason}" if control.reason else ""
    return f"{local(control.decided_at)}  {what}, by {control.author}{why}"
