"""A run's way through the steps: what is due goes on, until the next wait or the end."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Final

from workers.engine.campaigns.edits import PAUSED, moved_over
from workers.engine.campaigns.entry import enter, enter_on_standing
from workers.engine.campaigns.exits import leave, leave_on_standing
from workers.engine.campaigns.gates import category_of, note_contact
from workers.engine.campaigns.runs import UNTIL, campaign_of, change, under_way
from workers.engine.lifecycle import change_stage, stage_of
from workers.engine.promotion import promote_by_step
from workers.engine.steps import EnterCampaign, LeaveCampaign, PromoteLead, SetStage, Verdict, Visit
from workers.engine.values import Send, micros

if TYPE_CHECKING:
    from workers.engine.call import Call
    from workers.engine.rules import Campaign
    from workers.engine.steps import Action, Step
    from workers.engine.values import Enrolment, Event

MOST_STEPS: Final = 500
"""Steps that one run takes in one go: `check` refuses campaigns in which that could be more."""
MOST_ROUNDS: Final = 20
"""How often, in one call, campaigns may start each other; the rest goes on a moment later."""
DONE: Final = Verdict("skipped", {"reason": "done-before"})
"""For a step that an edit has led back to, after it has had its effect."""


def hear(call: Call, event: Event) -> None:
    """Let the runs that wait for this event go on; while their campaign is paused, as far as the step behind the wait.

    So what happens during a pause is remembered by where the run stands.
    """
    for name, run, campaign in under_way(call) if call.state.enrolments else ():
        if run.hold == UNTIL and campaign is not None:
            step = campaign.by_id.get(run.step)
            heard = getattr(step, "hear", None)
            verdict = heard(visit(call, campaign, run), event) if heard else None
            if step is not None and verdict is not None:
                tell(call, campaign, step, run, verdict, event.id)
                take(call, name, campaign, step, verdict)


def go_on(call: Call) -> None:
    """Run every step that is due, those of the most important campaigns first."""
    if not call.state.enrolments:
        return
    moved_over(call)
    for _ in range(MOST_ROUNDS):
        due = [
            (-(campaign.priority if campaign else 0), run.due or 0, name, campaign)
            for name, run, campaign in under_way(call)
            if is_due(call, run, campaign)
        ]
        if not due:
            return
        for _, _, name, campaign in sorted(due, key=itemgetter(0, 1, 2)):
            if not call.state.enrolments[name].outcome:
                proceed(call, name, campaign)


def is_due(call: Call, run: Enrolment, campaign: Campaign | None) -> bool:
    """True if there is something to do: a due time has come, a pause is over, or what is waited for holds now."""
    if run.due is not None and run.due <= call.moment:
        return True
    if campaign is None:  # what a pause holds would stand there for ever
        return run.due is None
    if run.hold == PAUSED:
        return not is_paused(call, campaign)
    if run.hold == UNTIL:
        ready = getattr(campaign.by_id.get(run.step), "ready", None)
        return ready is not None and ready(visit(call, campaign, run))
    return False


def is_paused(call: Call, campaign: Campaign) -> bool:
    """True while nothing goes out in a campaign."""
    return campaign.name in call.rulebook.controls.paused


def proceed(call: Call, name: str, campaign: Campaign | None) -> None:
    """Let one run go on, or say why it cannot.

    A pause ends no wait and puts none off: a run that has begun to wait waits on, and is held at the step behind.
    """
    if campaign is None:
        leave(call, name, "campaign-gone", None)
    elif (run := call.state.enrolments[name]).hold != UNTIL and is_paused(call, campaign):
        change(call, name, due=None, hold=PAUSED)
        call.say("held", f"{campaign.name}.{run.step}", {**run.named, "reason": PAUSED})
    else:
        if run.hold == PAUSED:
            change(call, name, due=call.moment, hold="")
            call.say("resumed", f"{campaign.name}.{run.step}", run.named)
        walk(call, name, campaign)


def walk(call: Call, name: str, campaign: Campaign) -> None:
    """Take a run from its present step to the next wait or to its end."""
    for _ in range(MOST_STEPS):
        run = call.state.enrolments[name]
        if not run.step:
            finish(call, name)
            return
        step = campaign.by_id.get(run.step)
        if step is None:
            leave(call, name, "step-gone", None)
            return
        done = step.id in run.done and run.hold != UNTIL
        verdict = DONE if done else step.run(visit(call, campaign, run))
        tell(call, campaign, step, run, verdict)
        if not take(call, name, campaign, step, verdict) or is_paused(call, campaign):
            return


def tell(  # noqa: PLR0917  (one line of the log, put together)
    call: Call, campaign: Campaign, step: Step, run: Enrolment, verdict: Verdict, event: int | None = None
) -> None:
    """Record what a step decided."""
    detail = {**run.named, **verdict.detail}
    call.say(verdict.kind, f"{campaign.name}.{step.id}", detail, event=event, effect=verdict.effect)


def take(call: Call, name: str, campaign: Campaign, step: Step, verdict: Verdict) -> bool:
    """Put the run where a step's verdict leads, and do what it wants; True if the run goes on at once."""
    run = call.state.enrolments[name]
    if isinstance(verdict.effect, Send):
        note_contact(call, category_of(call.rulebook, verdict.effect.template))
    if verdict.effect is not None:
        run = change(call, name, done=[*run.done, step.id])
    if verdict.arm:
        change(call, name, arms={**run.arms, step.id: [verdict.arm, call.moment]})
    if verdict.action is not None:
        act(call, verdict.action)
    if call.state.enrolments[name].outcome:  # what the step did has ended its own run
        return False
    if verdict.ends:
        change(call, name, step="", due=None, hold="", outcome="finished", reason=verdict.outcome)
        return False
    following = verdict.goto if verdict.goto is not None else campaign.following[step.id]
    if verdict.until is None:
        change(call, name, step=following, due=call.moment, hold="")
        return True
    stays = bool(verdict.hold)
    change(call, name, step=step.id if stays else following, due=micros(verdict.until), hold=verdict.hold)
    return False


def finish(call: Call, name: str) -> None:
    """End a run that has no step left."""
    run = change(call, name, step="", due=None, hold="", outcome="finished")
    call.say("finished", campaign_of(name), run.named)


def act(call: Call, action: Action) -> None:
    """Do what a step wants done to the lead; where it comes by that counts at once, for this run and all others."""
    before = len(call.reached)
    match action:
        case SetStage(stage, reason):
            if (found := stage_of(call.rulebook, stage)) is not None and call.state.stage != stage:
                change_stage(call, found, None, reason)
        case EnterCampaign(name):
            if (campaign := call.rulebook.campaigns.get(name)) is not None:
                enter(call, campaign, None)
        case LeaveCampaign(name):
            for run in [each for each, _, _ in under_way(call) if campaign_of(each) == name]:
                leave(call, run, "left-by-step", None)
        case PromoteLead():
            promote_by_step(call)
    if len(call.reached) > before:
        arrive(call, before)


def arrive(call: Call, before: int) -> None:
    """Let runs end and begin because of the stages that were reached after the first `before` ones."""
    earlier, joined, banded = call.reached[:before], call.joined, call.banded
    call.reached, call.joined, call.banded = call.reached[before:], [], []
    call.look_again()
    leave_on_standing(call)
    enter_on_standing(call, frozenset())
    call.reached, call.joined, call.banded = [*earlier, *call.reached], joined, banded


def visit(call: Call, campaign: Campaign, run: Enrolment) -> Visit:
    """What a step gets to see."""
    return Visit(call, campaign, run)
