"""The promotion file into the promotion rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workers.engine.expressions import compile_expression
from workers.engine.rules import PromotionRule
from workers.rulebook.bundle import TEMPLATES
from workers.rulebook.owners import address, assigned
from workers.rulebook.shape import Source
from workers.rulebook.templates import NOTE

if TYPE_CHECKING:
    from workers.engine.rules import Expression
    from workers.rulebook.declarations import Evidence, Promotion
    from workers.rulebook.names import Checker

OPPORTUNITY: Final = "opportunity"
"""The stage that promotion leads to, where the lifecycle has it."""
TAKEN: Final = {"when": "the promotion's `when` is not true", "email": "a lead has no address"}


def promotion_rule(spec: Promotion, currency: str, check: Checker) -> PromotionRule | None:
    """When a lead becomes an opportunity, or None if an expression is wrong.

    Args:
        spec: as declared.
        currency: the account's, for amounts that name none.
        check: takes what is wrong.
    """
    scope = check.names.scope()
    check_stage(spec, check)
    if check.installed:
        check.known("crm", spec.opportunity.crm, check.installed.crms)
    when = check.expression(spec.when, "boolean", scope) if spec.when else compile_expression("true", scope)
    name = check.expression(spec.opportunity.name, "text", scope)
    amount = check.optional(spec.opportunity.amount, "number", scope)
    again = check.expression(spec.again, "boolean", scope) if isinstance(spec.again, Source) else None
    evidence, at_least = criteria(spec.evidence, check) if spec.evidence else ({}, 0)
    owners = assigned(spec.owner, check)
    check_escalation(spec, owners.fallback, check)
    if spec.note is not None:
        check.known("note", spec.note, check.names.notes, f"write {TEMPLATES}{spec.note}{NOTE}")
    if when is None or name is None:
        return None
    return PromotionRule(
        at=str(spec.at),
        when=when,
        evidence=evidence,
        at_least=at_least,
        crm=str(spec.opportunity.crm),
        pipeline=str(spec.opportunity.pipeline),
        stage=str(spec.opportunity.stage),
        name=name,
        amount=amount,
        currency=str(spec.opportunity.currency or currency),
        close_in=spec.opportunity.close_in,
        owners=owners.owners,
        territories=owners.territories,
        fallback=owners.fallback,
        note=str(spec.note or ""),
        again=again,
        accept_within=spec.accept_within.length if spec.accept_within else None,
        business_time=spec.accept_within.business if spec.accept_within else False,
        escalate_to=str(spec.escalate or ""),
    )


def check_stage(spec: Promotion, check: Checker) -> None:
    """Leads are looked at from a stage on that they can be in before they are opportunities."""
    order = list(check.names.stages)
    if check.stage(spec.at) and OPPORTUNITY in order and order.index(spec.at) >= order.index(OPPORTUNITY):
        text = f"`{spec.at}` does not come before `{OPPORTUNITY}`, which promotion leads to"
        check.problems.add(spec.at.place, "never-fires", text, "name an earlier stage")


def check_escalation(spec: Promotion, fallback: str, check: Checker) -> None:
    """An escalation needs a time that runs out, and somebody who hears of it."""
    if spec.escalate is not None:
        address(spec.escalate, check)
        if "accept_within" not in spec.node.entries:
            text = "nothing says how long sales may take to accept"
            check.problems.add(spec.place("escalate"), "missing-key", text, "add `accept_within: 1 business day`")
    elif spec.accept_within is not None and not fallback:
        text = "nobody hears of it when the time is over"
        check.problems.add(spec.place("accept_within"), "missing-key", text, "add `escalate: name@company.example`")


def criteria(spec: Evidence, check: Checker) -> tuple[dict[str, Expression], int]:
    """The qualification criteria, and how many of them must hold."""
    scope = check.names.scope()
    for name in spec.of:
        if name in TAKEN:
            text = f"`{name}` is what reports call it when {TAKEN[name]}"
            check.problems.add(name.place, "reserved-name", text, "give it another name")
    compiled = {str(name): check.expression(source, "boolean", scope) for name, source in spec.of.items()}
    return {name: test for name, test in compiled.items() if test}, needed(spec, len(spec.names("of")), check)


def needed(spec: Evidence, count: int, check: Checker) -> int:
    """How many of the `count` criteria must hold."""
    said = [key for key in ("at_least", "all", "any") if key in spec.node.entries]
    if len(said) != 1:
        text = "evidence wants one of `at_least`, `all` and `any`" + (f", not {len(said)} of them" if said else "")
        check.problems.add(spec.node.place, "too-many-keys" if said else "missing-key", text, "like `at_least: 2`")
        return 0
    if not count:
        check.problems.add(
            spec.place("of"), "no-criteria", "no criterion is named", "name one: `budget: lead.budget > 0`"
        )
    if spec.at_least is None:
        return count if spec.all else 1
    if spec.at_least > count:
        text = f"{spec.at_least} criteria must hold, and there are only {count}"
        check.problems.add(spec.place("at_least"), "never-fulfilled", text, "lower `at_least`, or add criteria")
    return spec.at_least
