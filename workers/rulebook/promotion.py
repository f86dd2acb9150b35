"""The promotion file into the promotion rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.engine.expressions import compile_expression
from workers.engine.rules import PromotionRule
from workers.rulebook.addresses import is_address

if TYPE_CHECKING:
    from workers.engine.rules import Expression
    from workers.rulebook.declarations import Evidence, Promotion
    from workers.rulebook.names import Checker


def promotion_rule(spec: Promotion, currency: str, check: Checker) -> PromotionRule | None:
    """When a lead becomes an opportunity, or None if an expression is wrong.

    Args:
        spec: as declared.
        currency: the account's, for amounts that name none.
        check: takes what is wrong.
    """
    scope = check.names.scope()
    check.stage(spec.at)
    if check.installed:
        check.known("crm", spec.opportunity.crm, check.installed.crms)
    if spec.owner is not None and not is_address(spec.owner):
        check.problems.add(
            spec.owner.place, "bad-address", f"`{spec.owner}` is no e-mail address", "write name@company.example"
        )
    when = check.expression(spec.when, "boolean", scope) if spec.when else compile_expression("true", scope)
    name = check.expression(spec.opportunity.name, "text", scope)
    amount = check.optional(spec.opportunity.amount, "number", scope)
    evidence, at_least = criteria(spec.evidence, check) if spec.evidence else ({}, 0)
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
        owner=str(spec.owner or ""),
    )


def criteria(spec: Evidence, check: Checker) -> tuple[dict[str, Expression], int]:
    """The qualification criteria, and how many of them must hold."""
    scope = check.names.scope()
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
