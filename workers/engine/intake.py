"""What an event does to a lead's state by itself: fields it tells, points it earns, mail it rules out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from workers.engine.categories import UNSUBSCRIBED
from workers.engine.consent import take_consent, take_sign, unsubscribe
from workers.engine.counters import take_count
from workers.engine.decay import units
from workers.engine.declared import record_unusable
from workers.engine.event_types import HEARD, SALES, SUPPRESSING
from workers.engine.fields import tell_fields
from workers.engine.limits import TOO_MANY_KEYS, admit
from workers.engine.quarantine import hold, release
from workers.engine.rules import Expression
from workers.engine.values import Suppress, mark, micros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.engine.call import Call
    from workers.engine.counters import Counted
    from workers.engine.rules import EventRule
    from workers.engine.rules.intake import Earned
    from workers.engine.values import Event

NOBODY: Final[Mapping[str, Any]] = {}
"""The lead that conditions on events see."""
RECENT: Final = 5
NO_VALUE: Final = "no-value"
"""Reason of an event that fulfils a rule and gives nothing, because the rule's points have no value for it."""


def take_in(call: Call, event: Event) -> None:
    """Let one event change the state: fields, scores, counters, suppression.

    Raises:
        NeedsHistory: what it means depends on events that the state no longer remembers.
    """
    _, kind, happened, properties, told = event
    at, state, credit = micros(happened), call.state, call.rulebook.credit
    state.events += 1
    state.last = max(state.last, at)
    truths, earned, counted, engages, human, says = call.rulebook.intake[kind]
    held = truths(properties, NOBODY, call.standing)
    if held[-1] and not call.quiet:
        record_unusable(call, event)
    if told:
        tell_fields(call, event, at)
    machine = engages and properties.get("machine") is True
    if machine and not hold(state, event, credit, whole=call.whole):
        call.say("skipped", "machine", {"reason": "machine", "type": kind}, event=event.id)
        return
    if human and not machine and (credit or state.machines):
        for waiting in release(state, at, credit, whole=call.whole):
            call.say("credited", "machine", {"type": waiting.type, "sign": event.id}, event=waiting.id)
            score_credited(call, waiting)
    score(call, event, at, counted, earned[held])
    if says:
        take_word(call, event, at)


def take_word(call: Call, event: Event, at: int) -> None:
    """Let an event that is more than something to count change what else is known."""
    if event.type in SALES:
        call.changed = call.sold = True
    if event.type in SUPPRESSING:
        take_refusal(call, event, at)
    if event.type in HEARD:
        take_consent(call, event, at)
    elif event.type in call.rulebook.signs:
        take_sign(call, event, at)


def score_credited(call: Call, machine: Event) -> None:
    """Score an event of the quarantine after all."""
    intake = call.rulebook.intake[machine.type]
    held = intake.truths(machine.properties, NOBODY, call.standing)
    score(call, machine, micros(machine.at), intake.counted, intake.earned[held])


def score(call: Call, event: Event, at: int, counted: Counted | None, earned: Earned) -> None:
    """Count the event, and add the points of the rules that it fulfils; one decision says which."""
    if counted is not None:
        call.counted.append(event.type)
        take_count(call.state, event, at, counted)
    rules, sums, points, detail = earned
    if sums:
        number = event.id
        call.add_all(earned, (at, number))
        remember(call, event, at, points)
        call.say("scored", rules[0].id, detail, event=number)
    elif rules:
        score_each(call, event, at, rules)


def remember(call: Call, event: Event, at: int, points: float) -> None:
    """Keep it among the latest that scored."""
    recent, entry = call.state.recent, [at, event.id, event.type, points]
    later = recent and entry < recent[-1]
    call.state.recent = sorted([*recent, entry])[-RECENT:] if later else [*recent[1 - RECENT :], entry]


@dataclass(slots=True)
class Tally:
    """What one event earned: [rule, model, points] for each rule that counted it, ids of rules whose limit did not."""

    entries: list[tuple[str, str, float]]
    limited: list[str]


def score_each(call: Call, event: Event, at: int, rules: Sequence[EventRule]) -> None:
    """Add the points of rules that do not count every event, or not all of them alike."""
    tally = Tally([], [])
    for rule in rules:
        apply(call, rule, event, at, tally)
    if not (tally.entries or tally.limited):
        return
    detail: dict[str, Any] = {"type": event.type, "entries": tally.entries}
    if tally.limited:
        detail["limited"] = tally.limited
    if tally.entries:
        remember(call, event, at, sum([points for _, _, points in tally.entries]))
    call.say("scored", tally.entries[0][0] if tally.entries else tally.limited[0], detail, event=event.id)


def apply(call: Call, rule: EventRule, event: Event, at: int, tally: Tally) -> None:
    """Add one rule's points, as far as its limits let them."""
    if (rule.since is not None and at < rule.since) or (rule.until is not None and at >= rule.until):
        return
    points = points_of(call, rule, event)
    if points is None:
        call.say("skipped", rule.id, {"reason": NO_VALUE, "points": str(rule.points)}, event=event.id)
        return
    if not rule.ordered:
        call.add(rule, (at, event.id, units(points)))
        tally.entries.append((rule.id, rule.model, points))
        return
    changes = admit(call.state, rule, key_of(call, rule, event), [at, event.id, units(points)])
    if changes is None:
        call.say("skipped", rule.id, {"reason": TOO_MANY_KEYS}, event=event.id)
        return
    for sign, entry in changes:
        call.add(rule, entry, sign)
    if changes and changes[0][0] > 0:
        tally.entries.append((rule.id, rule.model, points))
    else:
        tally.limited.append(rule.id)


def points_of(call: Call, rule: EventRule, event: Event) -> float | None:
    """The points of a rule for an event; None where its expression has no value."""
    if not isinstance(rule.points, Expression):
        return rule.points
    value = rule.points.value(event.properties, call.state.fields, call.standing)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return min(rule.most, max(rule.least, value))


def key_of(call: Call, rule: EventRule, event: Event) -> str:
    """What makes events alike for the rule's limit, as text; the same for all if it names nothing."""
    if rule.limit is None or rule.limit.key is None:
        return ""
    return mark(rule.limit.key.value(event.properties, call.state.fields, call.standing))


def take_refusal(call: Call, event: Event, at: int) -> None:
    """Let an unsubscribing, a complaint or a bounce rule out further mail."""
    reason = suppression(event) or softly(call, event, at)
    if reason and (reason != UNSUBSCRIBED or unsubscribe(call, event, at)):
        suppress(call, event, reason)


def softly(call: Call, event: Event, at: int) -> str:
    """The reason after as many soft bounces as the rules bear in their time; empty before."""
    most, within = call.rulebook.consent.soft_bounces, call.rulebook.consent.soft_within
    if not most or event.type != "email.bounced":
        return ""
    call.state.bounces = sorted([*call.state.bounces, [at, event.id]])[-most:]
    bounces = call.state.bounces
    return "soft-bounced" if len(bounces) == most and bounces[-1][0] - bounces[0][0] <= within else ""


def suppression(event: Event) -> str:
    """Why this event means that no more mail may go to the person; empty if it does not."""
    if event.type == "email.unsubscribed":
        return UNSUBSCRIBED
    if event.type == "email.complained":
        return "complained"
    if event.type == "email.bounced" and event.properties.get("kind") == "hard":
        return "bounced"
    return ""


def suppress(call: Call, event: Event, reason: str) -> None:
    """Rule out further mail; the first reason stays, unless it concerns marketing alone and this one does not."""
    if call.state.suppressed in ("", UNSUBSCRIBED) and call.state.suppressed != reason:
        call.state.suppressed = reason
        call.say("suppressed", "email", {"reason": reason}, event=event.id, effect=Suppress(reason))
