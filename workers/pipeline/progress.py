"""What the decisions of a batch add to the progress of campaigns.

Counted are, of a campaign as a whole, `entered`, `held_out`, `not_entered:<reason>`, `goal`, `goal:held_out`, and at
the step where a run stood, `exited:<reason>`, `finished`, `finished:<outcome>` and `moved`; at the steps, `sent`,
`skipped:<reason>`, `held:<reason>`, `took:<way>`, and for everything else the word of the decision. Of a split that
tests something, `arm:<test>:<arm>` counts who was sent which way, and `success:<test>:<arm>` with whom it worked, on
the day on which they were sent there. What
becomes of a mail counts at its step: `opened`, `clicked`, `bounced`, … (`workers.store.evidence.SEEN`), `failed:…` and
`unsent:…` (`workers.store.outbox`).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from workers.engine.campaigns.runs import campaign_of
from workers.engine.values import instant
from workers.rulebook.journey import NO_WAY, test_of
from workers.store.campaign_counts import Happened, utc_day
from workers.store.enrolments import Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from workers.engine.rules import Rulebook
    from workers.engine.values import Decision
    from workers.pipeline.verdict import Verdict

WITH_REASON: Final = frozenset({"skipped", "held", "exited"})
WHOLE: Final = {"enrolled": "entered", "held_out": "held_out"}


def runs(verdicts: Iterable[Verdict]) -> Iterator[Run]:
    """The runs that have changed, as they are now."""
    for verdict in verdicts:
        for name, run in verdict.runs.items():
            yield Run(verdict.lead.id, campaign_of(name), run)


def happened(verdicts: Iterable[Verdict], rulebook: Rulebook, day: date) -> Counter[Happened]:
    """What has happened in campaigns, how often each."""
    counts: Counter[Happened] = Counter()
    tests = Tests(rulebook)
    for verdict in verdicts:
        for decision in verdict.decisions:
            if found := told(decision, verdict, tests):
                counts[Happened(*found, day_of(decision, verdict) or day)] += 1
    return counts


def told(decision: Decision, verdict: Verdict, tests: Tests) -> tuple[str, str, str] | None:
    """The campaign, the step and the word that a decision counts under; None if it is not about a campaign."""
    kind, detail = decision.kind, decision.detail
    if kind == "not_enrolled":
        return decision.rule, "", f"not_entered:{detail['reason']}"
    if "run" not in detail:  # every decision about a run says which
        return None
    campaign, _, step = decision.rule.partition(".")
    if kind in WHOLE:
        return campaign, "", WHOLE[kind]
    if kind == "goal_reached":
        return campaign, "", "goal:held_out" if detail["held_out"] else "goal"
    if kind in {"split", "measured"}:
        return campaign, step, tests.word(decision, verdict, campaign, step)
    return campaign, step or str(detail.get("step", "")), word(decision)


def day_of(decision: Decision, verdict: Verdict) -> date | None:
    """The day on which somebody was split, of what a test measures; None of everything else, which counts today."""
    if decision.kind != "measured":
        return None
    campaign, _, step = decision.rule.partition(".")
    taken = [run.arms[step] for name, run in verdict.runs.items() if step in run.arms and campaign_of(name) == campaign]
    return utc_day(instant(taken[0][1])) if taken else None


def word(decision: Decision) -> str:
    """The word of any other decision, and the reason if it has one to be told by."""
    kind, detail = decision.kind, decision.detail
    if kind in WITH_REASON:
        return f"{kind}:{detail['reason']}"
    if kind == "branched":
        return f"took:{detail['took'] or NO_WAY}"
    if kind == "finished" and detail.get("outcome"):
        return f"{kind}:{detail['outcome']}"
    return kind


class Tests:
    """Names the tests that splits are, so that one is never added to another that was there before."""

    def __init__(self, rulebook: Rulebook) -> None:
        self._rulebook = rulebook
        self._names: dict[tuple[str, str, str], str] = {}

    def word(self, decision: Decision, verdict: Verdict, campaign: str, step: str) -> str:
        """What a decision about a split counts as."""
        arm = decision.detail["arm"]
        if decision.detail.get("decided"):
            return f"took:{arm}"
        versions = (
            run.version for name, run in verdict.runs.items() if step in run.arms and campaign_of(name) == campaign
        )
        name = self._name(campaign, next(versions, ""), step)
        return f"{'arm' if decision.kind == 'split' else 'success'}:{name}:{arm}"

    def _name(self, campaign: str, version: str, step: str) -> str:
        """The test as the run's version of the campaign has it; empty if nobody knows that any more."""
        known = (campaign, version, step)
        if known not in self._names:
            current = self._rulebook.campaigns.get(campaign)
            pinned = current if current and version in ("", current.version) else self._rulebook.archive.get(known[:2])
            split = pinned.by_id.get(step) if pinned else None
            self._names[known] = test_of(pinned, split) if pinned and split else ""
        return self._names[known]
