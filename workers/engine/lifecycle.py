"""Bands and lifecycle stages: where a lead stands after its events, and what it passed on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workers.engine.scoring import NO_EVENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.engine.call import Call
    from workers.engine.rules import Rulebook
    from workers.engine.values import Event

SET_BY_EVENT: Final = {"crm.won": "customer"}


def settle_bands(call: Call) -> None:
    """Put the lead into the band that each score calls for."""
    state = call.state
    for model in call.rulebook.models.values():
        if not model.bands:
            continue
        before, after = state.bands.get(model.name), call.standing.band_now(model)
        if before == after:
            continue
        if after is None:
            del state.bands[model.name]
        else:
            state.bands[model.name] = after
        detail = {"from": before, "to": after, "score": call.standing.score(model.name)}
        call.say("banded", model.name, detail)


def settle_stage(call: Call, events: Sequence[Event]) -> None:
    """Move the lead forward to the last stage whose condition holds, or where the CRM says it is. Never back."""
    stages = call.rulebook.stages
    if not stages:
        return
    if not call.state.stage:
        enter_stage(call, stages[0].name, None)
    for event in events:
        if event.type in SET_BY_EVENT:
            enter_stage(call, SET_BY_EVENT[event.type], event.id)
    here = stage_index(call.rulebook, call.state.stage)
    for stage in reversed(stages[here + 1 :]):
        if stage.when is not None and stage.when.value(NO_EVENT, call.state.fields, call.standing) is True:
            enter_stage(call, stage.name, None)
            return


def enter_stage(call: Call, name: str, event: int | None) -> None:
    """Enter a stage, if the rulebook has it and it lies ahead."""
    before = call.state.stage
    if stage_index(call.rulebook, name) <= stage_index(call.rulebook, before):
        return
    call.state.stage = name
    call.state.staged = call.moment
    call.reached.append(name)
    call.say("staged", f"stage.{name}", {"from": before or None, "to": name}, event=event)


def stage_index(rulebook: Rulebook, name: str) -> int:
    """Position of a stage in the lifecycle, -1 for none or unknown."""
    return next((index for index, stage in enumerate(rulebook.stages) if stage.name == name), -1)
