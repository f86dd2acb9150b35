"""A simulation summed up: who stands where, what went out, and what stood against the rest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from workers.engine.lifecycle import stage_index
from workers.engine.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from workers.engine.rules import Rulebook
    from workers.simulate.clock import Result

NONE = "none"


@dataclass(slots=True)
class Summary:
    """What came of it, counted.

    Attributes:
        counts: events taken in, duplicates and others left out, wake-ups.
        stages: leads by stage, in the order of the lifecycle.
        bands: for each score leads by band.
        grades: for each grade leads by label.
        segments: leads by segment.
        mails: by (campaign, step, template).
        enrolments: by (campaign, `under way` or its outcome).
        promotions: by owner.
        missing: candidates that were not promoted, by what is missing.
        candidates: how many of them there are.
        decisions: by kind.
        skipped: what counts for nothing, by (reason, what it is about).
        due: leads for whom something falls due after the end.
    """

    leads: int = 0
    until: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    stages: dict[str, int] = field(default_factory=dict)
    bands: dict[str, Counter[str]] = field(default_factory=dict)
    grades: dict[str, Counter[str]] = field(default_factory=dict)
    segments: dict[str, int] = field(default_factory=dict)
    mails: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    enrolments: Counter[tuple[str, str]] = field(default_factory=Counter)
    promotions: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    candidates: int = 0
    decisions: Counter[str] = field(default_factory=Counter)
    skipped: Counter[tuple[str, str]] = field(default_factory=Counter)
    due: int = 0

    def as_data(self) -> dict[str, Any]:
        """As JSON-ready data."""
        mails = [
            {"campaign": campaign, "step": step, "template": template, "mails": number}
            for (campaign, step, template), number in self.mails.items()
        ]
        runs = [{"campaign": name, "state": state, "leads": n} for (name, state), n in self.enrolments.items()]
        own = {each.name: getattr(self, each.name) for each in fields(self)}  # `asdict` counts a Counter's items anew
        skipped = [{"reason": reason, "rule": rule, "times": n} for (reason, rule), n in self.skipped.items()]
        return own | {"mails": mails, "enrolments": runs, "skipped": skipped}


def summed(result: Result, rulebook: Rulebook) -> Summary:
    """Sum up a simulation."""
    summary = Summary(len(result.people), result.until, dict(result.counts))
    stages = Counter(person.state.stage for person in result.people)
    summary.stages = {
        name: stages[name] for name in sorted(stages, key=lambda name: stage_index(rulebook, name)) if stages[name]
    }
    summary.bands = {
        model.name: Counter(person.state.bands.get(model.name, NONE) for person in result.people)
        for model in rulebook.banded
    }
    segments = Counter(name for person in result.people for name in person.state.segments)
    summary.segments = {name: segments[name] for name in rulebook.segments}
    summary.mails = Counter((mail.campaign, mail.step, mail.template) for mail in result.mails)
    summary.promotions = Counter(each.opportunity["owner"] or NONE for each in result.promotions)
    summary.decisions = Counter(result.kinds)
    summary.skipped = result.skipped
    add_people(summary, result, rulebook)
    return summary


def add_people(summary: Summary, result: Result, rulebook: Rulebook) -> None:
    """What has to be asked of every lead."""
    summary.grades = {name: Counter() for name in rulebook.grades}
    for person in result.people:
        state = person.state
        summary.due += person.wake_at is not None
        if state.missing:
            summary.candidates += 1
            summary.missing.update(state.missing)
        for name, run in state.enrolments.items():
            summary.enrolments[name, run.outcome or "under way"] += 1
        if rulebook.grades and result.until is not None:
            standing = Standing(state, rulebook, result.until)
            for name in rulebook.grades:
                summary.grades[name][standing.grade(name) or NONE] += 1
