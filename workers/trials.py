"""A/B tests in campaigns: looked at now and then, and decided once they may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workers.engine.experiments import NO_DIFFERENCE, WON, judge, last_day, said
from workers.log import get_logger
from workers.rulebook.journey import arms_of, trials
from workers.store import campaign_counts, controls
from workers.store.controls import DECIDED, DRIPLINE, Control
from workers.store.locks import hold_controls

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from workers.engine.experiments import Arm, Rule, Verdict
    from workers.rulebook.journey import Trial
    from workers.store.rulebooks import Active

log = get_logger(__name__)


def decide(conn: Connection, active: Active, now: datetime) -> list[Control]:
    """Decide the tests that are over; from the next batch on everybody takes the better arm. Returns what was decided.

    Callers take turns: however many look, a test is decided once. One that was edited is another test.
    """
    hold_controls(conn)
    decided = controls.latest(conn)
    every = [trial for campaign in active.rulebook.campaigns.values() for trial in trials(campaign)]
    running = [trial for trial in every if is_open(trial, decided.get((trial.campaign, trial.step)))]
    if not running:
        return []
    counts = campaign_counts.tested(conn, {(t.campaign, t.step): last_day(now, t.within) for t in running})
    made = []
    for trial in running:
        arms = arms_of(trial, counts[trial.campaign, trial.step])
        verdict = judge(arms, trial.rule)
        if trial.rule is not None and verdict.state in {WON, NO_DIFFERENCE}:
            control = decision(trial, arms, verdict, trial.rule, now)
            controls.append(conn, control)
            log.info("test_decided", campaign=trial.campaign, step=trial.step, winner=verdict.winner)
            made.append(control)
    return made


def is_open(trial: Trial, control: Control | None) -> bool:
    """True if there is something to decide about a test."""
    return trial.rule is not None and (control is None or control.detail.get("test") != trial.name)


def decision(trial: Trial, arms: Sequence[Arm], verdict: Verdict, rule: Rule, now: datetime) -> Control:
    """The decision about a test, with its numbers."""
    shown = sorted(arms, key=lambda arm: -arm.rate)
    rates = ", ".join(f"{arm.name} {arm.rate:.1%} of {arm.people:,}" for arm in shown)
    odds = f"evidence {said(verdict.evidence)}, {said(rule.needed)} needed"
    reason = f"{rates}; {odds}" if verdict.winner else f"{rates}; {odds} among {rule.at_most:,} people"
    detail: dict[str, Any] = {
        "test": trial.name, "evidence": verdict.evidence, "confidence": rule.confidence, "people": verdict.people,
        "arms": {arm.name: {"share": arm.share, "people": arm.people, "successes": arm.successes} for arm in arms},
    }  # fmt: skip
    return Control(trial.campaign, DECIDED, DRIPLINE, reason, now, trial.step, verdict.winner, detail)
