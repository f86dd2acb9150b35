"""Who enters a campaign, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workers.engine.campaigns.gates import closed
from workers.engine.campaigns.runs import forget_old, holds, matches, name_of, put, share, stands
from workers.engine.lifecycle import stage_index
from workers.engine.values import BEFORE, Enrolment, instant, mark

if TYPE_CHECKING:
    from workers.engine.call import Call
    from workers.engine.rules import Campaign, Goal, Trigger
    from workers.engine.values import Event

MOST_RUNS: Final = 50
"""Runs of one campaign that one lead can be in at a time; more are a mistake in the rules or an attack."""


def enter_on_event(call: Call, event: Event) -> None:
    """Start the campaigns that this event enters."""
    for campaign, trigger in call.rulebook.enter_by_event.get(event.type, ()):
        if matches(call, trigger, event):
            enter(call, campaign, event)


def enter_on_standing(call: Call, barred: frozenset[str]) -> None:
    """Start the campaigns that are entered by the stages, segments and bands which this call has led to."""
    for campaign in call.rulebook.standing:
        if campaign.name not in barred and any(arrived(call, trigger) for trigger in campaign.enter):
            enter(call, campaign, None)


def arrived(call: Call, trigger: Trigger) -> bool:
    """True if the lead has come, in this call, where the trigger says."""
    there = trigger.stage in call.reached or trigger.segment in call.joined or trigger.band in call.banded
    return there and holds(call, trigger)


def look_around(call: Call) -> frozenset[str]:
    """After rules were published: let leads enter that are already where a campaign begins, if it wants them.

    Returns:
        the campaigns that this lead does not enter now, because it was there before they were.
    """
    rulebook, state = call.rulebook, call.state
    if state.plan == rulebook.plan:
        return frozenset()
    call.replanned = True
    new = [campaign for campaign in rulebook.standing if campaign.name not in state.known]
    state.plan, state.known = rulebook.plan, [campaign.name for campaign in rulebook.standing]
    if call.fresh:
        return frozenset()
    for campaign in new:
        if campaign.existing and any(trigger.standing and stands(call, trigger) for trigger in campaign.enter):
            enter(call, campaign, None)
    return frozenset(campaign.name for campaign in new)


def enter(call: Call, campaign: Campaign, event: Event | None) -> None:
    """Start a run, or say why not."""
    cause = None if event is None else event.id
    key = key_for(call, campaign, event)
    name = name_of(campaign.name, key)
    before = call.state.enrolments.get(name)
    if reason := refusal(call, campaign, before):
        call.say("not_enrolled", campaign.name, {"reason": reason, **({"key": key} if key else {})}, event=cause)
        return
    run = Enrolment(campaign.version, before.run + 1 if before else 1, call.moment, campaign.first, call.moment)
    run.key = key
    if campaign.goal and so_already(call, campaign.goal):
        run.goal = BEFORE
    detail = {**run.named, "campaign_version": campaign.version}
    if is_held_out(campaign, call.lead_id):
        run.step, run.due, run.outcome = "", None, "held_out"
        call.say("held_out", campaign.name, detail, event=cause)
    else:
        call.say("enrolled", campaign.name, detail, event=cause)
    put(call, name, run)
    if key:
        forget_old(call, campaign.name)


def is_held_out(campaign: Campaign, lead_id: int) -> bool:
    """True if chance has this lead in the part that gets nothing; the same for ever."""
    return bool(campaign.hold_out) and share("hold_out", campaign.name, lead_id) < campaign.hold_out


def key_for(call: Call, campaign: Campaign, event: Event | None) -> str:
    """What tells this run from others of the same campaign; empty where there is only one at a time."""
    if campaign.key is None or event is None:
        return ""
    value = campaign.key.value(event.properties, call.state.fields, call.standing)
    return "" if value is None else mark(value)


def refusal(call: Call, campaign: Campaign, before: Enrolment | None) -> str:
    """Why the lead does not enter; empty if it does."""
    if call.state.suppressed and closed(call, campaign):
        return call.state.suppressed
    if campaign.edit == "drain":
        return "drained"
    if before and (reason := refused_again(call, campaign, before)):
        return reason
    if exit_holds(call, campaign):
        return "exit-holds"
    if campaign.goal and campaign.goal.leaves and so_already(call, campaign.goal):
        return "goal-holds"
    return "too-many-runs" if campaign.key is not None and crowded(call, campaign.name) else ""


def refused_again(call: Call, campaign: Campaign, before: Enrolment) -> str:
    """Why somebody who has been in the campaign does not enter once more; empty if they do."""
    if not before.outcome:
        return "already-in"
    if campaign.again is None:
        return "once-only"
    return "too-soon" if call.now - instant(before.entered) < campaign.again else ""


def exit_holds(call: Call, campaign: Campaign) -> bool:
    """True if the lead is where, or beyond where, the campaign ends."""
    here = stage_index(call.rulebook, call.state.stage)
    return any(
        here >= stage_index(call.rulebook, trigger.stage) if trigger.stage else stands(call, trigger)
        for trigger in campaign.exits
        if trigger.event is None
    )


def so_already(call: Call, goal: Goal) -> bool:
    """True if the goal is a condition on the lead, and holds before the campaign has done anything."""
    return goal.trigger.when is not None and stands(call, goal.trigger)


def crowded(call: Call, campaign: str) -> bool:
    """True if the lead is in as many runs of the campaign as it can be."""
    runs = (run for name, run in call.state.enrolments.items() if name.startswith(name_of(campaign, "")))
    return sum(bool(run.key) and not run.outcome for run in runs) >= MOST_RUNS
