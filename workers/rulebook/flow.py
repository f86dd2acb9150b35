"""Ways through campaigns that nobody can take, and those that never end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workers.engine.campaigns.walk import MOST_STEPS
from workers.engine.steps import NOWHERE
from workers.rulebook.declarations import BandTrigger, EventTrigger, SegmentTrigger, StageTrigger
from workers.rulebook.names import Passage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from workers.engine.rules import Campaign, Trigger
    from workers.engine.steps import Step
    from workers.rulebook.declarations import CampaignFile
    from workers.rulebook.names import Checker
    from workers.rulebook.steps import Journey

NEXT: Final = (NOWHERE,)


def check_flow(file: CampaignFile, journey: Journey, check: Checker) -> None:
    """What is wrong with the ways through one campaign, all of whose steps could be read."""
    reached = reachable(journey)
    check_unreachable(journey, reached, check)
    check_exits(file, journey, check)
    check_own(file, journey, check)
    for step in soon(journey):
        if (leads_to := getattr(step, "leads_to", None)) is not None:
            check.passages.append(Passage(str(file.campaign), leads_to, journey.nodes[step.id].place))
    if len(journey.steps) > MOST_STEPS:
        text = f"the campaign has {len(journey.steps)} steps"
        hint = f"it can have {MOST_STEPS}: split it, and let one campaign start the other"
        check.problems.add(file.place("steps"), "too-many-steps", text, hint)


# ── one campaign ─────────────────────────────────────────────────────────────────────────────────────────────


def ways(step: Step, journey: Journey) -> Iterator[str]:
    """The steps that a run may go on with; "" is the end."""
    for way in getattr(step, "ways", NEXT):
        yield way or journey.after[step.id]


def reachable(journey: Journey) -> frozenset[str]:
    """The steps that a run can come to."""
    return frozenset(step.id for step in walked(journey, journey.steps[:1]))


def soon(journey: Journey) -> Sequence[Step]:
    """The steps that a run can come to without waiting."""
    return [*walked(journey, journey.steps[:1], through_waits=False)]


def walked(journey: Journey, first: Sequence[Step], *, through_waits: bool = True) -> Iterator[Step]:
    """These steps and all behind them."""
    by_id = {step.id: step for step in journey.steps}
    open_ones, seen = [step.id for step in first], {""}
    while open_ones:
        if (each := open_ones.pop()) in seen:
            continue
        seen.add(each)
        yield by_id[each]
        if through_waits or not getattr(by_id[each], "waits", False):
            open_ones += ways(by_id[each], journey)


def check_unreachable(journey: Journey, reached: frozenset[str], check: Checker) -> None:
    """Steps that nobody comes to; of several in a row, the first."""
    told: set[str] = set()
    for step in journey.steps:
        if step.id not in reached and step.id not in told:
            told |= {behind.id for behind in walked(journey, [step])}
            text = "nobody comes to this step: the run is over before"
            check.problems.add(journey.nodes[step.id].place, "unreachable", text, "remove it, or what ends the run")


def check_exits(file: CampaignFile, journey: Journey, check: Checker) -> None:
    """Exits that can never happen, and waits for what ends the run."""
    for each in file.exit:
        if isinstance(each, StageTrigger) and each.stage in check.names.unreached:
            text = f"nobody comes into `{each.stage}`: it is where everybody begins"
            check.problems.add(each.stage.place, "never-exits", text, "name a later stage, or remove it")
    ends = {str(each.event) for each in file.exit if isinstance(each, EventTrigger) and each.when is None}
    for step in journey.steps:
        wanted = getattr(getattr(step, "wait_until", None), "event", None)
        if wanted in ends:
            text = f"{wanted} ends the run, so it never goes on from here because of that"
            check.problems.add(journey.nodes[step.id].place, "never-happens", text, "correct `exit`, or the wait")


def check_own(file: CampaignFile, journey: Journey, check: Checker) -> None:
    """A campaign that starts itself: whoever comes to that step is in it."""
    for step in journey.steps:
        if getattr(step, "leads_to", None) == ("campaign", file.campaign):
            text = f"whoever comes here is in `{file.campaign}`, and nobody is twice at a time"
            hint = "remove it; `again` says who may enter once more"
            check.problems.add(journey.nodes[step.id].place, "never-enters", text, hint)


def check_way_in(file: CampaignFile, check: Checker) -> None:
    """A segment or a band that starts a run must not be one that ends it: whoever comes there is turned away."""
    kinds = (SegmentTrigger, BandTrigger)
    ends = {where(each) for each in file.exit if isinstance(each, kinds) and each.when is None}
    for each in file.enter:
        if isinstance(each, kinds) and where(each) in ends:
            text = "this starts the campaign, and ends it"
            check.problems.add(each.node.place, "never-entered", text, "correct `enter` or `exit`")


def where(trigger: SegmentTrigger | BandTrigger) -> tuple[str, ...]:
    """Where a lead stands, by a trigger."""
    if isinstance(trigger, SegmentTrigger):
        return ("segment", str(trigger.segment))
    return ("band", *(str(word) for pair in trigger.band.items() for word in pair))


# ── from campaign to campaign ────────────────────────────────────────────────────────────────────────────────


def check_circles(campaigns: Mapping[str, Campaign], check: Checker) -> None:
    """Campaigns that start each other for ever, and none of them waits.

    Where one of them is entered once only, it comes to an end there.
    """
    told: set[frozenset[str]] = set()
    for passage in check.passages:
        for target in started(passage.leads_to, campaigns):
            way = way_back(target, passage.campaign, campaigns, check, (passage.campaign,))
            if way and frozenset(way) not in told and all(campaigns[name].again for name in way):
                told.add(frozenset(way))
                text = f"these campaigns start each other without end: {' → '.join((*way, way[0]))}"
                hint = "let one of them `wait`, or be entered once only (`again: never`)"
                check.problems.add(passage.place, "campaign-loop", text, hint)


def way_back(
    here: str, home: str, campaigns: Mapping[str, Campaign], check: Checker, path: tuple[str, ...]
) -> tuple[str, ...]:
    """The campaigns on the way from one back to another; empty if there is none."""
    if here == home:
        return path if len(path) > 1 else ()
    if here in path:
        return ()
    for passage in check.passages:
        if passage.campaign == here:
            for target in started(passage.leads_to, campaigns):
                if way := way_back(target, home, campaigns, check, (*path, here)):
                    return way
    return ()


def started(leads_to: tuple[str, str], campaigns: Mapping[str, Campaign]) -> Iterator[str]:
    """The campaigns that a step starts, as far as that is certain."""
    what, name = leads_to
    if what == "campaign" and name in campaigns:
        yield name
    for campaign in campaigns.values() if what != "campaign" else ():
        if any(begins(trigger, what, name) for trigger in campaign.enter):
            yield campaign.name


def begins(trigger: Trigger, what: str, name: str) -> bool:
    """True if the trigger fires for everybody to whom this happens."""
    return trigger.when is None and (trigger.stage if what == "stage" else trigger.event) == name
