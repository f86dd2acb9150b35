"""What an edit does to runs that are under way, where it takes them along (`edit: move`)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from workers.engine.campaigns.exits import leave
from workers.engine.campaigns.runs import UNTIL, campaign_of, change, under_way

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.engine.call import Call
    from workers.engine.rules import Campaign
    from workers.engine.values import Enrolment

PAUSED: Final = "paused"


def moved_over(call: Call) -> None:
    """Take runs of older versions over into a campaign whose edit says so."""
    for name, run, campaign in under_way(call):
        if campaign is not None and campaign.version != run.version:
            move(call, name, run, campaign)


def move(call: Call, name: str, run: Enrolment, campaign: Campaign) -> None:
    """Put one run where the edit leads it; it leaves if there is no such step."""
    step = campaign.moves.get(run.step, run.step)
    if run.step and step not in campaign.by_id:
        leave(call, name, "step-gone", None)
        return
    before = call.rulebook.archive.get((campaign_of(name), run.version))
    names = renamed(before, campaign)
    change(call, name, version=campaign.version, step=step, done=[names.get(each, each) for each in run.done])
    if run.hold not in {"", PAUSED} and not holds_still(before, campaign, run, step):
        change(call, name, due=call.moment, hold="")
    detail = {**run.named, "from": run.version, "to": campaign.version, "step": step}
    call.say("moved", campaign.name, detail)


def renamed(before: Campaign | None, after: Campaign) -> Mapping[str, str]:
    """By earlier id, mails that are still there under another: whoever got one must not get it once more."""
    free: defaultdict[str, list[str]] = defaultdict(list)
    for step in after.steps if before else ():
        if hasattr(step, "send") and before and step.id not in before.by_id:
            free[step.send].append(step.id)
    names = {}
    for step in before.steps if before and free else ():
        if hasattr(step, "send") and step.id not in after.by_id and free[step.send]:
            names[step.id] = free[step.send].pop(0)
    return names


def holds_still(before: Campaign | None, after: Campaign, run: Enrolment, step: str) -> bool:
    """True if what held a run where it stood holds it at this step, too: the same one, and still of its kind."""
    if step != run.step or run.hold != UNTIL:
        return step == run.step
    new, old = after.by_id.get(step), before.by_id.get(step) if before else None
    return type(new) is type(old) if old else hasattr(new, "hear") or hasattr(new, "ready")
