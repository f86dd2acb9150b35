"""When a lead becomes an opportunity, and whose it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from workers.engine.rules.conditions import Expression


@dataclass(frozen=True, slots=True)
class Owner:
    """A salesperson in a round robin.

    Attributes:
        email: who.
        weight: share of the opportunities, relative to the others.
        cap: most opportunities in a window of `cap_days` days; None for no cap.
    """

    email: str
    weight: int = 1
    cap: int | None = None
    cap_days: int = 1


@dataclass(frozen=True, slots=True)
class PromotionRule:
    """When a lead becomes an opportunity, and what is handed to the CRM.

    Attributes:
        at: the stage from which on a lead is a candidate.
        when: the score and fit conditions.
        evidence: named qualification criteria, in file order.
        at_least: how many of them must hold.
        name, amount: expressions over lead and scores; `amount` None means none is given.
        close_in: from promotion to expected close.
        territories: who is asked first: the first whose condition holds; `owners` if none does.
        fallback: who gets it when everybody else is at their cap; also told when a hand-off is not accepted.
        note: the hand-off note's folder below `templates/`; empty for the built-in one.
        again: when a lead that was lost may be promoted once more; None for never.
        accept_within: how long sales may take to accept before `escalate_to` is told; None for no limit.
        business_time: whether that time runs on business days only.
    """

    at: str
    when: Expression
    evidence: Mapping[str, Expression]
    at_least: int
    crm: str
    pipeline: str
    stage: str
    name: Expression
    amount: Expression | None
    currency: str
    close_in: timedelta | None
    owners: tuple[Owner, ...]
    territories: tuple[tuple[Expression, tuple[Owner, ...]], ...] = ()
    fallback: str = ""
    note: str = ""
    again: Expression | None = None
    accept_within: timedelta | None = None
    business_time: bool = False
    escalate_to: str = ""
