"""Bands, segments and lifecycle stages: where a lead stands after its events, and what it passed on the way."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from workers.engine.decay import RESOLUTION
from workers.engine.scoring import NO_EVENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.engine.call import Call
    from workers.engine.outlook import Between
    from workers.engine.rules import Band, Rulebook, ScoreModel, Stage
    from workers.engine.values import Event

SET_BY_EVENT: Final = {"crm.won": "customer"}
HALF: Final = RESOLUTION / 2
"""A score is rounded before it is compared, so that it reaches a number by so much sooner."""


# ── bands ────────────────────────────────────────────────────────────────────────────────────────────────────


def settle_bands(call: Call) -> None:
    """Put the lead into the band that each score calls for."""
    for model in call.rulebook.banded:
        settle_band(call, model)


def settle_band(call: Call, model: ScoreModel) -> None:
    """One model's band: a band with `hold` is entered when the score has been there long enough."""
    before, wanted, holding = call.state.bands.get(model.name), call.standing.band_now(model), call.state.holding
    if before == wanted:
        if holding:
            holding.pop(model.name, None)
        return
    target = model.band_of.get(wanted)
    if target is None:
        holding.pop(model.name, None)
    elif model.ranks[wanted] > model.ranks.get(before, 0):
        if not may_enter(call, model, target):
            return
        holding.pop(model.name, None)
    change_band(call, model, before, wanted)


def may_enter(call: Call, model: ScoreModel, target: Band) -> bool:
    """True once nothing holds the lead back from a higher band: neither its cool-down nor its time of holding."""
    if call.state.cooling.get(f"{model.name}|{target.name}", 0) > call.moment:
        call.state.holding.pop(model.name, None)
        return False
    if not target.hold:
        return True
    name, since = call.state.holding.get(model.name, (None, 0))
    if name != target.name:
        call.state.holding[model.name] = [target.name, call.moment]
        return False
    return bool(call.moment >= since + target.hold)


def change_band(call: Call, model: ScoreModel, before: str | None, after: str | None) -> None:
    """Leave one band and enter another, or none."""
    left = model.band_of.get(before)
    if left is not None and left.cool_down:
        call.state.cooling[f"{model.name}|{left.name}"] = call.moment + left.cool_down
    if after is None:
        del call.state.bands[model.name]
    else:
        call.state.bands[model.name] = after
        call.banded.append((model.name, after))
    call.say("banded", model.name, {"from": before, "to": after, "score": call.standing.score(model.name)})


def band_limits(call: Call, model: ScoreModel, score: float) -> Between:
    """The numbers between which the score changes nothing about the lead's band, nor about one that it waits for."""
    bands, low, high = model.bands, -inf, inf
    here, held = call.state.bands.get(model.name), call.state.holding.get(model.name)
    for band in reversed(bands):
        if band.name == here:
            low = max(low, band.leave)
            break
        if band.enter > score:
            high = band.enter
        elif held is not None and held[0] == band.name:
            low = band.enter
    return low - HALF, high - HALF


def band_wakings(call: Call, model: ScoreModel) -> list[int]:
    """When the model's band has to be looked at again whatever its score does: the end of a hold or of a cool-down."""
    instants = []
    held = call.state.holding.get(model.name)
    if held is not None:
        target = model.band_of.get(held[0])
        instants.append(held[1] + (target.hold if target else 0))
    if call.state.cooling:
        instants += [
            until
            for band in model.bands
            if (until := call.state.cooling.get(f"{model.name}|{band.name}", 0)) > call.moment
            and call.standing.score(model.name) >= band.enter
        ]
    return instants


# ── segments ─────────────────────────────────────────────────────────────────────────────────────────────────


def settle_segments(call: Call) -> None:
    """Note which segments the lead has entered and left."""
    if not call.rulebook.segments and not call.state.segments:
        return
    before, after = call.state.segments, call.standing.segments()
    if before == after:
        return
    here, there = set(before), set(after)
    entered, left = [name for name in after if name not in here], [name for name in before if name not in there]
    call.state.segments = after
    call.joined += entered
    if entered or left:  # neither, where the file has them in another order now
        call.say("segmented", (entered or left)[0], {"entered": entered, "left": left})


# ── stages ───────────────────────────────────────────────────────────────────────────────────────────────────


def rename_stage(call: Call) -> None:
    """Call the stage where the lead stands by its present name; nothing was reached by that, so nothing starts."""
    before = call.state.stage
    if (name := call.rulebook.renamed.get(before)) is not None:
        call.state.stage = name
        call.say("staged", f"stage.{name}", {"from": before, "to": name, "reason": "renamed"})


def settle_stage(call: Call, events: Sequence[Event]) -> None:
    """Move the lead to the last stage ahead whose condition holds, or where the CRM or a way back leads."""
    stages = call.rulebook.stages
    if not stages:
        return
    if not call.state.stage:
        enter_stage(call, stages[0].name, None)
    for event in events if call.sold else ():
        if event.type in SET_BY_EVENT:
            enter_stage(call, SET_BY_EVENT[event.type], event.id)
    target = way_back(call) or way_on(call)
    if target is not None:
        change_stage(call, target, None)


def way_back(call: Call) -> Stage | None:
    """The first stage that names the present one as one to come back from, and whose condition holds."""
    back = call.rulebook.back.get(call.state.stage)
    return next((stage for stage in back if holds(call, stage)), None) if back else None


def way_on(call: Call) -> Stage | None:
    """The last stage ahead whose condition holds; none from a terminal one, nor while what led back here holds on.

    None either from a stage that the rules do not know: which ones lie ahead of it, nobody can say.
    """
    fields, standing = call.state.fields, call.standing
    present = stage_of(call.rulebook, call.state.stage)
    if present is not None and present.back_from and holds(call, present):
        return None
    for stage in call.rulebook.ahead.get(call.state.stage, ()):
        if stage.when is not None and stage.when.value(NO_EVENT, fields, standing) is True:
            return stage
    return None


def holds(call: Call, stage: Stage) -> bool:
    """True if the stage's condition is true of the lead now."""
    return stage.when is not None and stage.when.value(NO_EVENT, call.state.fields, call.standing) is True


def enter_stage(call: Call, name: str, event: int | None) -> None:
    """Enter a stage, if the rulebook has it and it lies ahead."""
    stage = stage_of(call.rulebook, name)
    if stage is not None and stage_index(call.rulebook, name) > stage_index(call.rulebook, call.state.stage):
        change_stage(call, stage, event)


def change_stage(call: Call, stage: Stage, event: int | None, reason: str = "") -> None:
    """Be in a stage from now on; without another `reason`, for the stage's own."""
    detail = {"from": call.state.stage or None, "to": stage.name}
    if reason or stage.reason:
        detail["reason"] = reason or stage.reason
    call.state.stage = stage.name
    call.state.staged = call.moment
    call.reached += (stage.name, *stage.was)  # runs of older versions of a campaign may end at an old name
    call.say("staged", f"stage.{stage.name}", detail, event=event)


def stage_of(rulebook: Rulebook, name: str) -> Stage | None:
    """The stage of that name."""
    index = rulebook.order.get(name)
    return None if index is None else rulebook.stages[index]


def stage_index(rulebook: Rulebook, name: str) -> int:
    """Position of a stage in the lifecycle, -1 for none or unknown."""
    return rulebook.order.get(name, -1)
