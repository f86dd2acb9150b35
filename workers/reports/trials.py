"""The tests of a campaign, for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workers.engine.experiments import COLLECTING, NO_DIFFERENCE, judge, last_day
from workers.engine.expressions.durations import say_duration
from workers.reports.rates import Rate, rate
from workers.rulebook.journey import arms_of, trials
from workers.store import campaign_counts
from workers.store.campaign_counts import utc_day

if TYPE_CHECKING:
    from datetime import date, datetime

    from sqlalchemy import Connection

    from workers.engine.experiments import Verdict
    from workers.engine.rules import Campaign
    from workers.rulebook.journey import Trial
    from workers.store.controls import Control


@dataclass(frozen=True, slots=True)
class ArmProgress:
    """An arm of a test: the share of all people that it gets, how often it worked, and how many are still out."""

    name: str
    share: float
    rate: Rate
    waiting: int


@dataclass(frozen=True, slots=True)
class TrialProgress:
    """A test as it is now.

    Attributes:
        measure: what counts as success.
        until: the last day whose people count: for later ones the time in which success counts is not over.
        evidence: how much likelier what was seen is if the arms differ; None where nothing is decided by it.
        needed: the evidence at which the test is over.
        state: in words.
        decided: when and how it was; None while it runs.
    """

    step: str
    measure: str
    until: date
    arms: tuple[ArmProgress, ...]
    evidence: float
    needed: float | None
    state: str
    decided: Control | None

    def as_data(self) -> dict[str, Any]:
        """As JSON-ready data."""
        arms = [
            {"name": arm.name, "share": arm.share, "waiting": arm.waiting, **arm.rate._asdict(), "rate": arm.rate.share}
            for arm in self.arms
        ]
        return {
            "step": self.step, "measure": self.measure, "until": self.until, "arms": arms, "evidence": self.evidence,
            "needed": self.needed, "state": self.state, "winner": self.decided.value if self.decided else None,
            "decided_at": self.decided.decided_at if self.decided else None,
        }  # fmt: skip


def read(
    conn: Connection, campaign: Campaign, decided: dict[tuple[str, str], Control], now: datetime
) -> list[TrialProgress]:
    """Every test of the campaign."""
    found = list(trials(campaign))
    ready = campaign_counts.tested(conn, {(t.campaign, t.step): last_day(now, t.within) for t in found})
    whole = campaign_counts.tested(conn, {(t.campaign, t.step): utc_day(now) for t in found})
    return [
        shown(trial, campaign, (ready[key], whole[key]), (decided.get(key), now))
        for trial in found
        for key in [(trial.campaign, trial.step)]
    ]


def shown(
    trial: Trial,
    campaign: Campaign,
    counts: tuple[dict[str, int], dict[str, int]],
    decided: tuple[Control | None, datetime],
) -> TrialProgress:
    """One test: with what counts of it and all that was counted, and what was decided about the split, and now."""
    arms, everybody = arms_of(trial, counts[0]), arms_of(trial, counts[1])
    control = decided[0] if decided[0] and decided[0].detail.get("test") == trial.name else None
    verdict = judge(arms, trial.rule)
    measure = campaign.measures[trial.step]
    when = f" when {measure.when.source}" if measure.when else ""
    return TrialProgress(
        step=trial.step,
        measure=f"{measure.event}{when} within {say_duration(trial.within)}",
        until=last_day(decided[1], trial.within),
        arms=tuple(
            ArmProgress(arm.name, arm.share, rate(arm.successes, arm.people), every.people - arm.people)
            for arm, every in zip(arms, everybody, strict=True)
        ),
        evidence=verdict.evidence,
        needed=trial.rule.needed if trial.rule else None,
        state=state(trial, verdict, control),
        decided=control,
    )


def state(trial: Trial, verdict: Verdict, decided: Control | None) -> str:
    """How a test stands, in words."""
    if decided is not None and decided.value:
        return f"{decided.value} has won; everybody takes it"
    if decided is not None:
        return "ended without a difference; the split goes on as it is"
    if trial.rule is None:
        return "is only looked at; `decide` would end it"
    if verdict.state == COLLECTING:
        return f"collecting: {verdict.people:,} of at least {trial.rule.at_least:,} people"
    if verdict.state == NO_DIFFERENCE or verdict.winner:
        return "is over; the clock decides it within minutes"
    return f"running: {verdict.people:,} of at most {trial.rule.at_most:,} people"
