"""A/B tests that may be looked at as often as one likes, and stop by a rule that stays right all the same.

If the arms make no difference, every success falls to an arm with the arm's share of the people, whatever came before.
Against that stands the suspicion that the arms differ, by how much nobody says: a Dirichlet distribution around the
shares. How much likelier the suspicion makes the successes that were seen is the evidence E, in closed form

    E = B(a + k) / B(a) / prod(w_i ^ k_i)

with the shares w, the successes k, the distribution's parameters a proportional to w, and the Beta function B of many
variables. Without a difference E is a martingale that begins at 1, so that it ever comes to 20 happens with a chance of
at most 1 in 20, however often one looks (Ville's inequality; for such tests of proportions see Lindon and Malek,
Anytime-Valid Inference for Multinomial Count Data, NeurIPS 2022).

A person counts once the time in which success counts is over for them: an arm that works sooner is no better for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import exp, lgamma, log
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

CONCENTRATION: Final = 10.0
"""How closely the suspicion lies around the shares, for each arm: differences of a third are found soonest."""
LARGEST: Final = 700.0
"""The logarithm beyond which there is no number to show any more."""
MANY: Final = 10
MILLION: Final = 1_000_000
COLLECTING: Final = "collecting"
RUNNING: Final = "running"
WON: Final = "won"
NO_DIFFERENCE: Final = "no-difference"


@dataclass(frozen=True, slots=True)
class Arm:
    """An arm of a test.

    Attributes:
        share: the part of the people that is sent this way, 0 to 1.
        people: for whom the time in which success counts is over.
        successes: of them.
    """

    name: str
    share: float
    people: int
    successes: int

    @property
    def rate(self) -> float:
        """From 0 to 1; 0 of nobody."""
        return self.successes / self.people if self.people else 0.0


@dataclass(frozen=True, slots=True)
class Rule:
    """When a test is over.

    Attributes:
        confidence: how certain a difference has to be, 0 to 1.
        at_least: people before anything is decided.
        at_most: people after whom it ends without a difference.
    """

    confidence: float
    at_least: int
    at_most: int

    @property
    def needed(self) -> float:
        """The evidence that is enough."""
        return 1 / (1 - self.confidence)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a test says now.

    Attributes:
        state: `collecting` (too few people yet), `running`, `won` or `no-difference`.
        evidence: E; at most e to the 700th.
        winner: the arm with the highest rate, if it has won; else empty.
        people: in all arms.
    """

    state: str
    evidence: float
    winner: str
    people: int


def judge(arms: Sequence[Arm], rule: Rule | None) -> Verdict:
    """What a test says now; without a rule it says so much, and decides nothing."""
    people, logarithm = sum(arm.people for arm in arms), log_evidence(arms)
    evidence = exp(min(LARGEST, logarithm))
    if rule is None:
        return Verdict(RUNNING, evidence, "", people)
    if people < rule.at_least:
        return Verdict(COLLECTING, evidence, "", people)
    if logarithm >= log(rule.needed):
        return Verdict(WON, evidence, max(arms, key=lambda arm: arm.rate).name, people)
    return Verdict(NO_DIFFERENCE if people >= rule.at_most else RUNNING, evidence, "", people)


def log_evidence(arms: Sequence[Arm]) -> float:
    """The natural logarithm of E. Arms that nobody is sent to say nothing; nor does a single one.

    Shares add up to 1.
    """
    open_arms = [arm for arm in arms if arm.share > 0]
    weights = [CONCENTRATION * len(open_arms) * arm.share for arm in open_arms]
    seen = [arm.successes for arm in open_arms]
    gained = sum(lgamma(a + k) - lgamma(a) for a, k in zip(weights, seen, strict=True))
    spent = lgamma(sum(weights) + sum(seen)) - lgamma(sum(weights))
    return gained - spent - sum(k * log(arm.share) for arm, k in zip(open_arms, seen, strict=True))


def last_day(now: datetime, within: timedelta) -> date:
    """The last UTC day of whose people the time in which success counts is over for all."""
    return (now.astimezone(UTC) - within).date() - timedelta(days=1)


def said(evidence: float) -> str:
    """Evidence as a number that people can read."""
    return f"{evidence:,.2f}" if evidence < MANY else f"{evidence:,.0f}" if evidence < MILLION else "over a million"
