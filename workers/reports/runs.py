"""A lead's runs through campaigns, and what stands behind each: why it waits, and which mails were not sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from workers.engine.campaigns.runs import campaign_of
from workers.engine.values import instant
from workers.reports.words import sentence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from workers.engine import values
    from workers.reports.story import Line

STANDS: Final = frozenset({"held", "waiting"})
"""Kinds of decisions that say why a run stays at its step."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A run through a campaign.

    Attributes:
        key: what tells it from others of the same campaign; empty where there is only one at a time.
        step: the one to come; `outcome` is empty while under way.
        why: why it stands there, one sentence; empty if nothing was recorded.
    """

    campaign: str
    key: str
    run: int
    entered: datetime
    step: str
    due: datetime | None
    outcome: str
    reason: str
    why: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """A mail that a campaign would have sent and did not, and why, one sentence."""

    at: datetime
    rule: str
    reason: str
    text: str


def enrolments(runs: Mapping[str, values.Enrolment], timeline: Sequence[Line]) -> Iterator[Enrolment]:
    """The runs of a lead."""
    for name, run in runs.items():
        campaign = campaign_of(name)
        due = None if run.due is None else instant(run.due)
        why = "" if run.outcome else standing(f"{campaign}.{run.step}", run.named, timeline)
        yield Enrolment(campaign, run.key, run.run, instant(run.entered), run.step, due, run.outcome, run.reason, why)


def standing(rule: str, named: Mapping[str, Any], timeline: Sequence[Line]) -> str:
    """Why a run stands at its step, as was recorded last."""
    about = (line for line in reversed(timeline) if line.rule == rule and is_of(line, named))
    last = next(about, None)
    return sentence(last).removeprefix(f"{rule}: ") if last is not None and last.kind in STANDS else ""


def is_of(line: Line, named: Mapping[str, Any]) -> bool:
    """True if a decision is about this run."""
    return {name: line.detail[name] for name in ("run", "key") if name in line.detail} == named


def not_sent(timeline: Iterable[Line]) -> Iterator[NotSent]:
    """The mails that were not sent, as steps of campaigns decided."""
    for line in timeline:
        if line.kind == "skipped" and "template" in line.detail:
            yield NotSent(line.at, line.rule, line.detail["reason"], sentence(line))


def refusals(timeline: Iterable[Line]) -> dict[tuple[str, int | None], str]:
    """By campaign and event, why the event did not let the lead in."""
    return {(line.rule, line.event): line.detail["reason"] for line in timeline if line.kind == "not_enrolled"}
