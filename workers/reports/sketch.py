"""A campaign as boxes and lines with its numbers on them: what both pictures of it are drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.reports.progress import GoalProgress, Progress, StepProgress, WayOn

BEGIN: Final = ""
"""Id of the box where everybody enters."""
MAIL: Final = ("opened", "clicked", "bounced", "complained")
ASIDE: Final = ("skipped", "failed", "unsent")
KINDS: Final = {
    "send": "mail", "branch": "choice", "split": "choice", "end": "end", "wait": "wait", "wait_until": "wait",
    "wait_till": "wait", "wait_date": "wait",
}  # fmt: skip
"""How steps are drawn; every other one does something."""


@dataclass(frozen=True, slots=True)
class Box:
    """A step.

    Attributes:
        kind: `begin`, `mail`, `wait`, `choice`, `deed` or `end`.
        title: what it does.
        lines: what has happened here.
        here: how many wait here, or for this to be their turn.
    """

    id: str
    kind: str
    title: str
    lines: tuple[str, ...]
    here: int


@dataclass(frozen=True, slots=True)
class Arrow:
    """A way from one box to another; to nothing where the run ends."""

    start: str
    to: str
    label: str = ""


def boxes(progress: Progress) -> list[Box]:
    """Every box, the one where everybody enters first."""
    entered = f"{progress.entered:,} entered"
    lines = (entered + (f" · {progress.held_out:,} held out" if progress.held_out else ""),)
    begin = Box(BEGIN, "begin", " or ".join(progress.enter), lines, 0)
    return [begin, *(box(step) for step in progress.steps)]


def box(step: StepProgress) -> Box:
    """The box of a step."""
    title = f"{step.word.replace('_', ' ')} {step.told}".strip()
    return Box(step.id, KINDS.get(step.word, "deed"), title, tuple(lines(step)), step.here)


def lines(step: StepProgress) -> Iterator[str]:
    """What has happened at a step, as far as there is room for it."""
    happened = step.happened
    if step.word == "send":
        reads = [f"{happened[what] / step.sent:.0%} {what}" for what in MAIL if happened.get(what) and step.sent]
        yield " · ".join([f"{step.sent:,} sent", *reads])
    if step.word == "end":
        yield f"{sum(number for what, number in happened.items() if what.startswith('finished')):,} finished"
    aside = [(what, number) for what, number in happened.items() if what.partition(":")[0] in ASIDE]
    if aside:
        yield " · ".join(f"{number:,} {what.replace(':', ': ')}" for what, number in aside)
    if step.holds:
        yield " · ".join(f"{number:,} held: {why}" for why, number in step.holds.items())


def arrows(progress: Progress) -> Iterator[Arrow]:
    """Every way, from where everybody enters on."""
    yield Arrow(BEGIN, progress.steps[0].id if progress.steps else "")
    for step in progress.steps:
        if step.word != "end":
            for way in step.ways:
                yield Arrow(step.id, way.to, label(way, step))


def label(way: WayOn, step: StepProgress) -> str:
    """What stands at a way: on what condition it is taken, and how often it was."""
    if way.taken is None:
        return ""
    name = f"when {way.when}" if way.when else way.name
    if way.weight is not None:
        name += f" {way.weight / sum(each.weight or 0 for each in step.ways):.0%}"
    return f"{name}: {way.taken:,}"


def summary(progress: Progress) -> list[str]:
    """What stands above a picture: a few lines."""
    told = [f"{progress.entered:,} entered", f"{progress.under_way:,} under way"]
    found = [" · ".join([*told, f"{sum(progress.finished.values()):,} finished"])]
    if progress.left:
        found.append("left: " + " · ".join(f"{reason} {number:,}" for reason, number in progress.left.items()))
    if progress.goal:
        found.append(goal(progress.goal))
    if progress.paused:
        found.append(f"PAUSED by {progress.paused.author}: {progress.paused.reason}")
    return found


def goal(found: GoalProgress) -> str:
    """How many reached the goal."""
    told = f"goal, {found.told}: {found.taking_part.reached:,} ({found.taking_part.share:.1%})"
    return told + (f", of those held out {found.held_out.share:.1%}" if found.held_out and found.held_out.of else "")
