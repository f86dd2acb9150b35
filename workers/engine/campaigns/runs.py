"""The runs of a lead through campaigns: finding them, changing them, and what they are called."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from workers.engine.scoring import NO_EVENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.engine.call import Call
    from workers.engine.rules import Campaign, Goal, Trigger
    from workers.engine.values import Enrolment, Event
    from workers.engine.watch import Watch

BETWEEN: Final = "|"
"""Stands between a campaign's name and the key of a run; no name has one."""
KEPT: Final = 20
"""Runs with keys of their own, of one campaign and lead, that are remembered after they have ended."""
LARGE: Final = 1 << 64
UNTIL: Final = "until"
"""How a run is held that waits for something to happen."""


def name_of(campaign: str, key: str) -> str:
    """What a run is called in the lead's state."""
    return f"{campaign}{BETWEEN}{key}" if key else campaign


def campaign_of(name: str) -> str:
    """The campaign of a run."""
    return name.partition(BETWEEN)[0]


def effect_key(kind: str, lead_id: int, campaign: str, run: Enrolment, step: str) -> str:
    """What an effect of a step is, however often it is looked at: the key under which it goes out once."""
    return f"{kind}:{lead_id}:{campaign}:{run_word(run.key, run.run)}:{step}"


def run_word(key: str, run: int) -> str:
    """What tells a run of a campaign from all others of the same lead, as part of a key."""
    return f"{blake2b(key.encode(), digest_size=6).hexdigest()}.{run}" if key else str(run)


def share(*of: object) -> float:
    """A number from 0 to 1 that is as good as drawn by chance, and the same for the same words for ever."""
    digest = blake2b(BETWEEN.join(map(str, of)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / LARGE


def put(call: Call, name: str, run: Enrolment) -> None:
    """Keep a run as it is now."""
    call.state.enrolments[name] = run
    call.touched.add(name)


def change(call: Call, name: str, **changes: Any) -> Enrolment:
    """Change a run of the lead. What has ended needs no memory of its steps."""
    if changes.get("outcome"):
        changes["done"] = []
    run = replace(call.state.enrolments[name], **changes)
    put(call, name, run)
    return run


def under_way(call: Call) -> Iterator[tuple[str, Enrolment, Campaign | None]]:
    """The runs that have not ended, each with its campaign as pinned; None if nobody knows that any more."""
    for name, run in list(call.state.enrolments.items()):
        if not run.outcome:
            yield name, run, pinned(call, name, run)


def pinned(call: Call, name: str, run: Enrolment) -> Campaign | None:
    """The campaign as the run keeps to it: the version it entered, or a later one that takes it over."""
    campaign = campaign_of(name)
    current = call.rulebook.campaigns.get(campaign)
    if current and (current.version == run.version or current.edit == "move"):
        return current
    return call.rulebook.archive.get((campaign, run.version))


def watched(call: Call) -> list[Watch]:
    """What time alone may turn for the lead's runs: what ends them, what they wait for, and their goals."""
    found: list[Watch | None] = []
    for name, run in call.state.enrolments.items() if call.rulebook.turning else ():
        campaign = pinned(call, name, run)
        if campaign is None or not campaign.turns:
            continue
        if not run.outcome:
            found.append(campaign.ending)
            found.append(campaign.awaiting.get(run.step) if run.hold == UNTIL else None)
        if not run.goal and campaign.goal and is_open(call, campaign.goal, run):
            found.append(campaign.aiming)
    return [each for each in found if each is not None]


def is_open(call: Call, goal: Goal, run: Enrolment) -> bool:
    """True as long as reaching the goal counts for the run."""
    return goal.within is None or call.moment - run.entered <= goal.within


def forget_old(call: Call, campaign: str) -> None:
    """Keep only so many ended runs of a campaign whose runs have keys: a lead's state is bounded."""
    ended = [
        (run.entered, name)
        for name, run in call.state.enrolments.items()
        if run.key and run.outcome and campaign_of(name) == campaign
    ]
    for _, name in sorted(ended)[: max(0, len(ended) - KEPT)]:
        del call.state.enrolments[name]


def matches(call: Call, trigger: Trigger, event: Event) -> bool:
    """True if the event fulfils the trigger."""
    return trigger.event == event.type and holds(call, trigger, event)


def holds(call: Call, trigger: Trigger, event: Event | None = None) -> bool:
    """True if the trigger's condition holds, or it has none."""
    if trigger.when is None:
        return True
    properties = NO_EVENT if event is None else event.properties
    return trigger.when.value(properties, call.state.fields, call.standing) is True


def stands(call: Call, trigger: Trigger) -> bool:
    """True if the lead is now where the trigger says, and its condition holds."""
    if trigger.stage is not None:
        there = call.state.stage == trigger.stage
    elif trigger.segment is not None:
        there = call.standing.segment(trigger.segment)
    elif trigger.band is not None:
        there = call.standing.band(trigger.band[0]) == trigger.band[1]
    else:
        there = trigger.event is None and trigger.timing is None
    return there and holds(call, trigger)
