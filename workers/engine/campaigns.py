"""Campaigns: who enters, who leaves, and which step comes next. A wait is a due time in the state, nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from workers.engine.lifecycle import stage_index
from workers.engine.quarantine import is_machine
from workers.engine.steps import Visit
from workers.engine.values import Enrolment, instant, micros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.engine.call import Call
    from workers.engine.rules import Campaign, Trigger
    from workers.engine.values import Event


def take_events(call: Call, events: Sequence[Event]) -> None:
    """Let events and the stages reached during this call end runs, then start new ones."""
    if call.state.suppressed:
        leave_all(call, call.state.suppressed)
    entered = call.rulebook.enter_by_event
    for event in events:
        if (call.state.enrolments or event.type in entered) and not is_machine(event):
            leave_on_event(call, event)
            enter_on_event(call, event)
    for stage in call.reached:
        leave_on_stage(call, stage)
        enter_on_stage(call, stage)


def leave_all(call: Call, reason: str) -> None:
    """End every run of a lead that may not be mailed."""
    for name in list(call.state.enrolments):
        leave(call, name, reason, None)


def leave_on_event(call: Call, event: Event) -> None:
    """End the runs whose campaign names this event as an exit."""
    for name, run in list(call.state.enrolments.items()) if call.state.enrolments else ():
        campaign = None if run.outcome else pinned(call, name)
        if campaign and any(matches(call, trigger, event) for trigger in campaign.exits):
            leave(call, name, event.type, event.id)


def leave_on_stage(call: Call, stage: str) -> None:
    """End the runs whose campaign names this stage as an exit."""
    for name in list(call.state.enrolments):
        campaign = pinned(call, name)
        if campaign and any(trigger.stage == stage for trigger in campaign.exits):
            leave(call, name, f"stage {stage}", None)


def leave(call: Call, name: str, reason: str, event: int | None) -> None:
    """End a run that is under way; one that has ended stays as it ended."""
    enrolment = call.state.enrolments[name]
    if not enrolment.outcome:
        call.state.enrolments[name] = replace(enrolment, due=None, outcome="exited", reason=reason)
        call.say("exited", name, {"run": enrolment.run, "reason": reason, "step": enrolment.step}, event=event)


def enter_on_event(call: Call, event: Event) -> None:
    """Start the campaigns that this event enters."""
    for campaign, trigger in call.rulebook.enter_by_event.get(event.type, ()):
        if matches(call, trigger, event):
            enter(call, campaign, event.id)


def enter_on_stage(call: Call, stage: str) -> None:
    """Start the campaigns that this stage enters."""
    for campaign in call.rulebook.campaigns.values():
        if any(trigger.stage == stage for trigger in campaign.enter):
            enter(call, campaign, None)


def enter(call: Call, campaign: Campaign, event: int | None) -> None:
    """Start a run, or say why not."""
    before = call.state.enrolments.get(campaign.name)
    if reason := refusal(call, campaign, before):
        call.say("not_enrolled", campaign.name, {"reason": reason}, event=event)
        return
    run = before.run + 1 if before else 1
    first = campaign.steps[0].id
    call.state.enrolments[campaign.name] = Enrolment(campaign.version, run, call.moment, first, call.moment)
    call.say("enrolled", campaign.name, {"run": run, "campaign_version": campaign.version}, event=event)


def refusal(call: Call, campaign: Campaign, before: Enrolment | None) -> str:
    """Why the lead does not enter; empty if it does."""
    if call.state.suppressed:
        return call.state.suppressed
    if before and not before.outcome:
        return "already-in"
    if before and campaign.again is None:
        return "once-only"
    if before and campaign.again and call.now - instant(before.entered) < campaign.again:
        return "too-soon"
    here = stage_index(call.rulebook, call.state.stage)
    if any(trigger.stage and here >= stage_index(call.rulebook, trigger.stage) for trigger in campaign.exits):
        return "exit-holds"
    return ""


def matches(call: Call, trigger: Trigger, event: Event) -> bool:
    """True if the event fulfils the trigger."""
    if trigger.event != event.type:
        return False
    return trigger.when is None or trigger.when.value(event.properties, call.state.fields, call.standing) is True


def pinned(call: Call, name: str) -> Campaign | None:
    """The campaign as it was when the lead entered it; None if nobody knows it any more."""
    version = call.state.enrolments[name].version
    current = call.rulebook.campaigns.get(name)
    if current and current.version == version:
        return current
    return call.rulebook.archive.get((name, version))


def go_on(call: Call) -> None:
    """Run every step that is due."""
    for name, enrolment in list(call.state.enrolments.items()):
        if enrolment.due is not None and enrolment.due <= call.moment:
            campaign = pinned(call, name)
            if campaign is None:
                leave(call, name, "campaign-gone", None)
            else:
                walk(call, campaign, enrolment)


def walk(call: Call, campaign: Campaign, enrolment: Enrolment) -> None:
    """Take a run from its present step to the next wait or to its end."""
    start = campaign.position(enrolment.step) if enrolment.step else len(campaign.steps)
    if start is None:
        leave(call, campaign.name, "step-gone", None)
        return
    visit = Visit(call.lead_id, campaign.name, enrolment.run, call.state, call.now)
    for index in range(start, len(campaign.steps)):
        step = campaign.steps[index]
        verdict = step.run(visit)
        rule = f"{campaign.name}.{step.id}"
        call.say(verdict.kind, rule, {"run": enrolment.run, **verdict.detail}, effect=verdict.effect)
        if verdict.ends:
            call.state.enrolments[campaign.name] = replace(enrolment, step="", due=None, outcome="finished")
            return
        if verdict.until is not None:
            following = campaign.steps[index + 1].id if index + 1 < len(campaign.steps) else ""
            call.state.enrolments[campaign.name] = replace(enrolment, step=following, due=micros(verdict.until))
            return
    call.state.enrolments[campaign.name] = replace(enrolment, step="", due=None, outcome="finished")
    call.say("finished", campaign.name, {"run": enrolment.run})
