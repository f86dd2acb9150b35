"""Promotion: when a lead becomes an opportunity, what is handed over, and what is still missing if it does not."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from workers.engine.event_types import SALES
from workers.engine.hours import add_business_time
from workers.engine.lifecycle import enter_stage, stage_index, stage_of
from workers.engine.scoring import NO_EVENT
from workers.engine.values import Notify, Promote, instant, micros

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from workers.engine.call import Call
    from workers.engine.rules import Expression, Owner, PromotionRule
    from workers.engine.values import Event
    from workers.engine.watch import Watch

OPPORTUNITY: Final = "opportunity"
CENT: Final = Decimal("0.01")
PERSON: Final = ("email", "first_name", "last_name", "phone", "title", "company")


def consider(call: Call) -> None:
    """Promote the lead if it is due; if it is a candidate and something is missing, say what, once per change."""
    rule = call.rulebook.promotion
    if rule is None or not is_candidate(call, rule):
        call.state.missing = None
        return
    held = {name: holds(call, test) for name, test in rule.evidence.items()}
    missing = missing_for(call, rule, held)
    if not missing:
        promote(call, rule, held)
        return
    if missing != call.state.missing:
        call.say("not_promoted", "promotion", {"missing": missing, "evidence": held, "at_least": rule.at_least})
    call.state.missing = missing


def promote_by_step(call: Call) -> None:
    """Promote because a campaign says so, whatever the stage; what has to be there has to be there all the same."""
    rule, ends = call.rulebook.promotion, stage_index(call.rulebook, OPPORTUNITY)
    if rule is None or (call.state.promotions and not call.state.lost):
        return
    if call.state.promotions == 0 and 0 <= ends <= stage_index(call.rulebook, call.state.stage):
        return
    held = {name: holds(call, test) for name, test in rule.evidence.items()}
    if missing := missing_for(call, rule, held):
        call.say("not_promoted", "promotion", {"missing": missing, "evidence": held, "at_least": rule.at_least})
    else:
        promote(call, rule, held)


def missing_for(call: Call, rule: PromotionRule, held: Mapping[str, bool]) -> list[str]:
    """What stands against promotion now: `when`, names of evidence, `email`."""
    missing = [] if holds(call, rule.when) else ["when"]
    if sum(held.values()) < rule.at_least:
        missing += [name for name, met in held.items() if not met]
    if not call.state.fields.get("email"):
        missing.append("email")
    return missing


def is_candidate(call: Call, rule: PromotionRule) -> bool:
    """True from the stage where the company wants to look at the lead until it is an opportunity, or more than that.

    Who was promoted before is looked at again only after the opportunity was lost, and if the rules allow it.
    """
    here, ends = (stage_index(call.rulebook, name) for name in (call.state.stage, OPPORTUNITY))
    present = stage_of(call.rulebook, call.state.stage)
    if here < stage_index(call.rulebook, rule.at) or (present is not None and present.terminal):
        return False
    if call.state.promotions:
        return call.state.lost and rule.again is not None and holds(call, rule.again)
    return ends < 0 or here < ends


def watched(call: Call) -> Iterator[Watch]:
    """What may come to be, or cease to be, so that the lead is promoted."""
    rule = call.rulebook.promotion
    if rule is None:
        return
    if is_candidate(call, rule):
        yield call.rulebook.considered
    elif call.state.promotions and call.state.lost:
        yield call.rulebook.reconsidered


def holds(call: Call, test: Expression) -> bool:
    """True if the condition is true of the lead now."""
    return test.value(NO_EVENT, call.state.fields, call.standing) is True


def promote(call: Call, rule: PromotionRule, held: Mapping[str, bool]) -> None:
    """Turn the lead into an opportunity."""
    call.state.promotions += 1
    call.state.lost = False
    call.state.missing = None
    key = f"promotion:{call.lead_id}:{call.state.promotions}"
    opportunity = hand_over(call, rule, held)
    detail = {
        "key": key,
        "crm": rule.crm,
        "evidence": dict(held),
        "scores": call.scores(),
        "amount": opportunity["amount"],
        "currency": rule.currency,
    }
    effect = Promote(key, rule.crm, opportunity, owners_for(call, rule), rule.fallback)
    call.say("promoted", "promotion", detail, effect=effect)
    if rule.accept_within is not None:
        call.state.handoff = [key, micros(acceptance_due(call, rule, rule.accept_within))]
    enter_stage(call, OPPORTUNITY, None)


def owners_for(call: Call, rule: PromotionRule) -> tuple[Owner, ...]:
    """Who takes turns for this lead: its territory's people, or everybody's."""
    return next((owners for test, owners in rule.territories if holds(call, test)), rule.owners)


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
        "close_on": (local(call) + rule.close_in).date().isoformat() if rule.close_in else None,
        "owner": rule.fallback,
        "note": note(call, held),
        "note_template": rule.note,
        "facts": facts(call, held),
    }


def local(call: Call) -> datetime:
    """Now, in the account's zone."""
    return call.now.astimezone(ZoneInfo(call.rulebook.account.zone))


def worked_out(call: Call, expression: Expression) -> Any:
    """The expression's value for the lead now."""
    return expression.value(NO_EVENT, call.state.fields, call.standing)


def money(value: object) -> str | None:
    """An amount to the cent, as text; None where the rule's expression has no number for this lead."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    return str(Decimal(str(value)).quantize(CENT))


def facts(call: Call, held: Mapping[str, bool]) -> dict[str, Any]:
    """What a hand-off note may say: fields, where the lead stands, evidence, and the latest scoring events."""
    recent = [
        {"at": instant(at).isoformat(), "type": kind, "points": points}
        for at, _, kind, points in sorted(call.state.recent, reverse=True)
    ]
    scores = {name: {"score": score, "band": call.standing.band(name)} for name, score in call.scores().items()}
    segments = list(call.state.segments)
    grades = {name: grade for name in call.rulebook.grades if (grade := call.standing.grade(name)) is not None}
    return {
        "lead": dict(call.state.fields), "scores": scores, "grades": grades, "segments": segments,
        "stage": call.state.stage, "evidence": dict(held), "recent": recent,
    }  # fmt: skip


def note(call: Call, held: Mapping[str, bool]) -> str:
    """The built-in hand-off note: who, why now, and how it came about."""
    fields = call.state.fields
    who = " ".join(str(fields[name]) for name in ("first_name", "last_name") if fields.get(name)) or fields["email"]
    lines = [f"{who}, {fields.get('title') or 'title unknown'}, {fields.get('company') or 'company unknown'}"]
    for name, score in call.scores().items():
        band = call.standing.band(name)
        lines.append(f"Score {name}: {score:g}" + (f" ({band})" if band else ""))
    lines += [f"In: {', '.join(call.state.segments)}"] if call.state.segments else []
    lines += [f"{'Has' if met else 'Not yet known'}: {name}" for name, met in held.items()]
    lines += [
        f"{instant(at):%Y-%m-%d} {kind} ({points:+g})"
        for at, _, kind, points in sorted(call.state.recent, reverse=True)
    ]
    return "\n".join([*lines, f"Rulebook {call.rulebook.version[:12]}"])


# ── after the hand-off ───────────────────────────────────────────────────────────────────────────────────────


def follow_up(call: Call, events: Sequence[Event]) -> None:
    """Note what became of the hand-off: accepted, lost, or nobody answered in time."""
    for event in events if call.sold else ():
        if event.type in SALES and call.state.handoff:
            call.say("accepted", "promotion", {"key": call.state.handoff[0], "by": event.type}, event=event.id)
            call.state.handoff = []
        if event.type in {"crm.lost", "crm.won"}:
            call.state.lost = event.type == "crm.lost"  # one that was lost may be won after all
    if call.state.handoff and call.state.handoff[1] <= call.moment:
        escalate(call, call.state.handoff[0])


def escalate(call: Call, key: str) -> None:
    """Tell somebody that a hand-off was not accepted in time, once."""
    rule = call.rulebook.promotion
    call.state.handoff = []
    to = rule.escalate_to or rule.fallback if rule else ""
    who = call.state.fields.get("email", "")
    text = f"{who} was handed to sales as {key} and nobody has accepted it in time."
    effect = Notify(f"escalation:{key}", to, f"Not accepted: {who}", text) if to else None
    call.say("escalated", "promotion", {"key": key, "to": to or None}, effect=effect)


def acceptance_due(call: Call, rule: PromotionRule, within: timedelta) -> datetime:
    """When the time to accept is over; business time stands still on the account's days off, in the account's zone."""
    if not rule.business_time:
        return call.now + within
    account = call.rulebook.account
    return add_business_time(call.now, within, ZoneInfo(account.zone), account.business, None)
