"""What an event does to a lead's state by itself: fields it tells, points it earns, mail it rules out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING, Any, Final

from workers.engine.categories import UNSUBSCRIBED
from workers.engine.consent import HEARD, take_consent, take_sign, unsubscribe
from workers.engine.counters import take_count
from workers.engine.decay import units
from workers.engine.declared import record_unusable
from workers.engine.fields import tell_fields
from workers.engine.limits import TOO_MANY_KEYS, admit
from workers.engine.quarantine import ENGAGEMENT, hold, is_human, is_machine, release
from workers.engine.rules import Expression
from workers.engine.values import Suppress, mark, micros

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workers.engine.call import Call
    from workers.engine.rules import EventRule
    from workers.engine.values import Event

NOBODY: Final[Mapping[str, Any]] = {}
"""The lead that conditions on events see."""
RECENT: Final = 5
SALES: Final = frozenset({"crm.accepted", "crm.stage_changed", "crm.won", "crm.lost"})
"""What says how a hand-off and its opportunity are doing."""
SUPPRESSING: Final = frozenset({"email.unsubscribed", "email.complained", "email.bounced"})
TOLD_ELSEWHERE: Final = SALES | SUPPRESSING | HEARD


def take_in(call: Call, event: Event) -> None:
    """Let one event change the state: fields, scores, counters, suppression.

    Raises:
        NeedsHistory: what it means depends on events that the state no longer remembers.
    """
    at, state = micros(event.at), call.state
    state.events += 1
    state.last = max(state.last, at)
    rules, truths = call.rulebook.intake[event.type]
    held = truths(event.properties, NOBODY, call.standing)
    if held[-1] and not call.quiet:
        record_unusable(call, event)
    if event.lead:
        tell_fields(call, event, at)
    credit = call.rulebook.credit
    if event.type in ENGAGEMENT and is_machine(event) and not hold(state, event, credit, whole=call.whole):
        call.say("skipped", "machine", {"reason": "machine", "type": event.type}, event=event.id)
        return
    if (credit or state.machines) and is_human(event):
        for machine in release(state, at, credit, whole=call.whole):
            call.say("credited", "machine", {"type": machine.type, "sign": event.id}, event=machine.id)
            score_credited(call, machine)
    score(call, event, at, compress(rules, held) if True in held else ())
    if event.type in TOLD_ELSEWHERE or event.type in call.rulebook.signs:
        take_word(call, event, at)


def take_word(call: Call, event: Event, at: int) -> None:
    """Let an event that is more than something to count change what else is known."""
    if event.type in SALES:
        call.changed = True
    if event.type in SUPPRESSING:
        take_refusal(call, event, at)
    if event.type in HEARD:
        take_consent(call, event, at)
    elif event.type in call.rulebook.signs:
        take_sign(call, event, at)


def score_credited(call: Call, machine: Event) -> None:
    """Score an event of the quarantine after all."""
    rules, truths = call.rulebook.intake[machine.type]
    score(call, machine, micros(machine.at), compress(rules, truths(machine.properties, NOBODY, call.standing)))


def score(call: Call, event: Event, at: int, rules: Iterable[EventRule]) -> None:
    """Count the event, and add the points of the rules that it fulfils; one decision says which."""
    wanted = call.rulebook.counted.get(event.type)
    if wanted is not None:
        call.changed = True
        take_count(call.state, event, wanted)
    if not rules:
        return
    tally, plain = Tally([], []), []
    for rule in rules:
        if rule.units is None:
            apply(call, rule, event, at, tally)
        else:  # by far the most frequent
            plain.append(rule)
            tally.entries.append((rule.id, rule.model, rule.points))  # type: ignore[arg-type]
    if plain:
        call.add_all(plain, (at, event.id))
    if tally.entries or tally.limited:
        tell_score(call, event, at, tally)


@dataclass(slots=True)
class Tally:
    """What one event earned: [rule, model, points] for each rule that counted it, ids of rules whose limit did not."""

    entries: list[tuple[str, str, float]]
    limited: list[str]


def tell_score(call: Call, event: Event, at: int, tally: Tally) -> None:
    """Record what an event earned."""
    detail: dict[str, Any] = {"type": event.type, "entries": tally.entries}
    if tally.limited:
        detail["limited"] = tally.limited
    if tally.entries:
        points = tally.entries[0][2] if len(tally.entries) == 1 else sum([each[2] for each in tally.entries])
        recent, entry = call.state.recent, [at, event.id, event.type, points]
        later = recent and entry < recent[-1]
        call.state.recent = sorted([*recent, entry])[-RECENT:] if later else [*recent[1 - RECENT :], entry]
    rule = tally.entries[0][0] if tally.entries else tally.limited[0]
    call.say("scored", rule, detail, event=event.id)


def apply(call: Call, rule: EventRule, event: Event, at: int, tally: Tally) -> None:
    """Add one rule's points, as far as its limits let them."""
    if (rule.since is not None and at < rule.since) or (rule.until is not None and at >= rule.until):
        return
    points = points_of(call, rule, event)
    if points is None:
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
