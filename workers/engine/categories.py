"""Categories of marketing mail, and where a person stands with each. Pure data and the questions about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.engine.rules import Expression

GENERAL: Final = "marketing"
"""The category of a marketing mail that names no topic."""
EVERYTHING: Final = "*"
"""Stands for all categories where somebody unsubscribed from all of them."""
GIVEN: Final = "given"
PENDING: Final = "pending"
"""Given, and not yet confirmed by the link in the confirmation mail."""
WITHDRAWN: Final = "withdrawn"
RESTORED: Final = "restored"
"""Of everything: the unsubscribing was taken back, so what was said of each category before holds again."""
CONSENT: Final = "consent"
"""The lawful basis without which nothing is mailed before somebody has said yes."""
UNSUBSCRIBED: Final = "unsubscribed"
"""The only reason of suppression that concerns marketing mail alone."""
NO_CONSENT: Final = "no-consent"
MONTH: Final = 30 * 86_400_000_000


@dataclass(frozen=True, slots=True)
class Sign:
    """An event by which consent is given, such as a form with its box ticked.

    Attributes:
        when: over event and lead; None for every such event.
        text: what the person read beside the box.
    """

    event: str
    when: Expression | None
    text: str


@dataclass(frozen=True, slots=True)
class Category:
    """A kind of marketing mail that people may want or not.

    Attributes:
        title, description: as people read them in the preference centre.
        basis: the lawful basis: `consent`, `legitimate_interest` or `contract`.
        double_opt_in: whether consent counts only once it is confirmed.
        signs: what counts as giving consent, beside the event `consent.given`.
    """

    name: str
    title: str
    description: str
    basis: str
    double_opt_in: bool = False
    signs: tuple[Sign, ...] = ()


@dataclass(frozen=True, slots=True)
class ConsentPolicy:
    """What the rules say about consent.

    Attributes:
        categories: by name, in the order of the file; empty where no file declares any.
        template: the confirmation mail; empty where no category asks for one.
        at_most, within: so many confirmation mails for a category in so many microseconds.
        soft_bounces, soft_within: after so many soft bounces in so many microseconds nothing more is mailed; 0: never.
    """

    categories: Mapping[str, Category] = field(default_factory=dict)
    template: str = ""
    at_most: int = 3
    within: int = MONTH
    soft_bounces: int = 0
    soft_within: int = MONTH


NO_POLICY: Final = ConsentPolicy()


def standing(consents: Mapping[str, Sequence[Any]], category: str) -> str:
    """Where a person stands: `given`, `pending`, `withdrawn`, or empty where they never said anything.

    Args:
        consents: `LeadState.consents`.
        category: its name.
    """
    own, everything = consents.get(category), consents.get(EVERYTHING)
    if own and (everything is None or later(own, everything)):
        return str(own[0])
    if everything and everything[0] == WITHDRAWN:
        return WITHDRAWN
    return str(own[0]) if own else ""


def later(entry: Sequence[Any], than: Sequence[Any]) -> bool:
    """True if one entry of `LeadState.consents` was said after another."""
    return [*entry[1:3]] > [*than[1:3]]


def may_mail(consents: Mapping[str, Sequence[Any]], policy: ConsentPolicy, category: str) -> bool:
    """True if marketing mail of this category may go to the person."""
    said = standing(consents, category)
    if said:
        return said == GIVEN
    declared = policy.categories.get(category)
    return declared is None or not (declared.basis == CONSENT or declared.double_opt_in)


def rules_out(suppressed: str, category: str) -> bool:
    """True if this reason of suppression keeps mail of a category, `marketing` or `transactional`, from going."""
    return bool(suppressed) and (suppressed != UNSUBSCRIBED or category == GENERAL)
