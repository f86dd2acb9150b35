"""Promotion: when a lead becomes an opportunity, what is handed over, and what is still missing if it does not."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from workers.engine.lifecycle import enter_stage, stage_index
from workers.engine.scoring import NO_EVENT
from workers.engine.values import Promote, instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.engine.call import Call
    from workers.engine.rules import Expression, PromotionRule

OPPORTUNITY: Final = "opportunity"
CENT: Final = Decimal("0.01")
PERSON: Final = ("email", "first_name", "last_name", "phone", "title", "company")


def consider(call: Call) -> None:
    """Promote the lead if it is due; if it is a candidate and something is missing, say what, once per change."""
    rule = call.rulebook.promotion
    if rule is None or call.state.promotions or not is_candidate(call, rule):
        return
    held = {name: holds(call, test) for name, test in rule.evidence.items()}
    missing = [] if holds(call, rule.when) else ["when"]
    if sum(held.values()) < rule.at_least:
        missing += [name for name, met in held.items() if not met]
    if not call.state.fields.get("email"):
        missing.append("email")
    if not missing:
        promote(call, rule, held)
    elif missing != call.state.missing:
        call.say("not_promoted", "promotion", {"missing": missing, "evidence": held, "at_least": rule.at_least})
    call.state.missing = missing


def is_candidate(call: Call, rule: PromotionRule) -> bool:
    """True from the stage where the company wants to look at the lead until it is an opportunity, or more than that."""
    here, ends = (stage_index(call.rulebook, name) for name in (call.state.stage, OPPORTUNITY))
    return stage_index(call.rulebook, rule.at) <= here and (ends < 0 or here < ends)


def holds(call: Call, test: Expression) -> bool:
    """True if the condition is true of the lead now."""
    return test.value(NO_EVENT, call.state.fields, call.standing) is True


def promote(call: Call, rule: PromotionRule, held: Mapping[str, bool]) -> None:
    """Turn the lead into an opportunity."""
    call.state.promotions += 1
    key = f"promotion:{call.lead_id}:{call.state.promotions}"
    opportunity = hand_over(call, rule, held)
    detail = {
        "crm": rule.crm,
        "evidence": dict(held),
        "scores": scores(call),
        "amount": opportunity["amount"],
        "currency": rule.currency,
    }
    call.say("promoted", "promotion", detail, effect=Promote(key, rule.crm, opportunity))
    enter_stage(call, OPPORTUNITY, None)


def hand_over(call: Call, rule: PromotionRule, held: Mapping[str, bool]) -> dict[str, Any]:
    """Everything the CRM gets, finished: a second try sends the very same."""
    fields = call.state.fields
    return {
        "person": {name: str(fields.get(name) or "") for name in PERSON},
        "name": str(worked_out(call, rule.name) or fields.get("company") or fields["email"]),
        "pipeline": rule.pipeline,
        "stage": rule.stage,
        "amount": money(worked_out(call, rule.amount)) if rule.amount else None,
        "currency": rule.currency,
        "close_on": (call.now + rule.close_in).date().isoformat() if rule.close_in else None,
        "owner": rule.owner,
        "note": note(call, held),
    }


def worked_out(call: Call, expression: Expression) -> Any:
    """The expression's value for the lead now."""
    return expression.value(NO_EVENT, call.state.fields, call.standing)


def money(value: object) -> str | None:
    """An amount to the cent, as text; None where the rule's expression has no value for this lead."""
    return None if value is None else str(Decimal(str(value)).quantize(CENT))


def scores(call: Call) -> dict[str, float]:
    """All scores now, for people: two decimals."""
    return {name: round(call.standing.score(name), 2) for name in call.rulebook.models}


def note(call: Call, held: Mapping[str, bool]) -> str:
    """The hand-off note: who, why now, and how it came about."""
    fields = call.state.fields
    who = " ".join(str(fields[name]) for name in ("first_name", "last_name") if fields.get(name)) or fields["email"]
    lines = [f"{who}, {fields.get('title') or 'title unknown'}, {fields.get('company') or 'company unknown'}"]
    for name, score in scores(call).items():
        band = call.standing.band(name)
        lines.append(f"Score {name}: {score:g}" + (f" ({band})" if band else ""))
    lines += [f"{'Has' if met else 'Not yet known'}: {name}" for name, met in held.items()]
    lines += [
        f"{instant(at):%Y-%m-%d} {kind} ({points:+d})"
        for at, _, kind, points in sorted(call.state.recent, reverse=True)
    ]
    return "\n".join([*lines, f"Rulebook {call.rulebook.version[:12]}"])
