"""How a run ends before its last step: an exit, the goal, or mail that may not be sent any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.engine.campaigns.gates import closed
from workers.engine.campaigns.notices import NOBODY, ON_REPLY, card, owner_of
from workers.engine.campaigns.runs import campaign_of, change, effect_key, is_open, matches, pinned, stands, under_way
from workers.engine.rules.journeys import REPLIED
from workers.engine.values import Notify, micros

if TYPE_CHECKING:
    from workers.engine.call import Call
    from workers.engine.rules import Campaign, Trigger
    from workers.engine.values import Enrolment, Event


def heed(call: Call, event: Event) -> None:
    """Let an event end runs, reach goals, and count for the tests that people took part in."""
    for name, run in list(call.state.enrolments.items()) if call.state.enrolments else ():
        campaign = pinned(call, name, run)
        if campaign is None or event.type not in campaign.heeded:
            continue
        if run.arms:
            measure(call, name, campaign, event)
        if campaign.goal and matches(call, campaign.goal.trigger, event):
            reach_goal(call, name, campaign, event.id)
        if not run.outcome and campaign.on_reply and event.type == REPLIED:
            hear_reply(call, name, campaign, event)
        if not run.outcome and any(matches(call, trigger, event) for trigger in campaign.exits):
            leave(call, name, event.type, event.id)


def hear_reply(call: Call, name: str, campaign: Campaign, event: Event) -> None:
    """Somebody wrote back: whoever owns the campaign hears of it, and none of its mails gets in between."""
    run = change(call, name, replied=max(call.state.enrolments[name].replied, micros(event.at)))
    who = str(call.state.fields.get("email") or f"lead {call.lead_id}")
    news = f"{who} has replied: {event.properties.get('subject') or '(no subject)'}"
    if to := owner_of(call.rulebook, campaign):
        key = effect_key("notice", call.lead_id, campaign.name, run, f"{ON_REPLY}.{event.id}")
        text = f"{news}\n\n{card(call.state, campaign.name)}"
        notice = Notify(key, to, f"{campaign.name}: {who} has replied", text)
        call.say("notified", f"{campaign.name}.{ON_REPLY}", {"run": run.run, "to": to}, event=event.id, effect=notice)
    else:
        call.say("skipped", f"{campaign.name}.{ON_REPLY}", {"run": run.run, "reason": NOBODY}, event=event.id)
    if campaign.on_reply and not campaign.on_reply.pause:
        leave(call, name, event.type, event.id)


def measure(call: Call, name: str, campaign: Campaign, event: Event) -> None:
    """Note what a test counts, once for everybody who took part."""
    for step, trigger in campaign.measures.items():
        run = call.state.enrolments[name]
        arm = run.arms.get(step)
        within: int = getattr(campaign.by_id[step], "measured_within", 0)
        if arm is None or len(arm) > 2 or not matches(call, trigger, event):  # noqa: PLR2004  (measured already)
            continue
        if call.moment - arm[1] <= within:
            change(call, name, arms={**run.arms, step: [arm[0], arm[1], 1]})
            detail = {**run.named, "arm": arm[0]}
            call.say("measured", f"{campaign.name}.{step}", detail, event=event.id)


def reach_goal(call: Call, name: str, campaign: Campaign, event: int | None) -> None:
    """Note that the goal was reached, once per run and in its time; ends the run if the goal does."""
    run, goal = call.state.enrolments[name], campaign.goal
    if goal is None or run.goal or not is_open(call, goal, run):
        return
    run = change(call, name, goal=call.moment)
    detail = {**run.named, "held_out": run.outcome == "held_out", "step": run.step}
    call.say("goal_reached", campaign.name, detail, event=event)
    if goal.leaves and not run.outcome:
        change(call, name, due=None, outcome="goal", reason="goal")


def leave_all(call: Call, reason: str) -> None:
    """End the runs of a lead that may not be mailed, or not what they send."""
    for name, run in list(call.state.enrolments.items()):
        if closed(call, pinned(call, name, run)):
            leave(call, name, reason, None)


def leave_on_standing(call: Call) -> None:
    """Reach goals and end runs because of where the lead stands now."""
    for name, run in list(call.state.enrolments.items()):
        campaign = pinned(call, name, run)
        if campaign and campaign.goal and not run.goal and came(call, campaign.goal.trigger, run):
            reach_goal(call, name, campaign, None)
    for name, _, campaign in under_way(call):
        for trigger in campaign.exits if campaign else ():
            if ends(call, trigger):
                leave(call, name, said(trigger), None)
                break


def came(call: Call, trigger: Trigger, run: Enrolment) -> bool:
    """True if the lead stands where the goal is; for a stage, if it came there after it entered."""
    if trigger.event is not None:
        return False
    if trigger.stage is not None:
        return trigger.stage in call.reached and call.moment >= run.entered
    return stands(call, trigger)


def ends(call: Call, trigger: Trigger) -> bool:
    """True if where the lead stands ends a run. A stage ends it when it is reached, or was passed on the way."""
    if trigger.event is not None:
        return False
    if trigger.stage is not None:
        return trigger.stage in call.reached
    return stands(call, trigger)


def said(trigger: Trigger) -> str:
    """An exit in words, to be counted by."""
    if trigger.stage:
        return f"stage {trigger.stage}"
    if trigger.segment:
        return f"segment {trigger.segment}"
    if trigger.band:
        return f"band {trigger.band[0]} {trigger.band[1]}"
    return "condition"


def leave(call: Call, name: str, reason: str, event: int | None) -> None:
    """End a run that is under way; one that has ended stays as it ended."""
    run = call.state.enrolments[name]
    if not run.outcome:
        change(call, name, due=None, outcome="exited", reason=reason)
        detail = {**run.named, "reason": reason, "step": run.step}
        call.say("exited", campaign_of(name), detail, event=event)
