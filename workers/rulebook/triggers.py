"""What starts a run, what ends one, and what it is for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from workers.engine.campaigns.timings import Dated, Scheduled
from workers.engine.rules import Goal, Trigger
from workers.engine.values import MICROSECOND
from workers.rulebook.declarations import (
    BandTrigger,
    DateTrigger,
    EventTrigger,
    ScheduleTrigger,
    SegmentTrigger,
    StageTrigger,
)
from workers.rulebook.declarations.campaigns import EventGoal, StageGoal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.engine.rules import Timing
    from workers.rulebook import declarations
    from workers.rulebook.declarations.campaigns import ConditionGoal
    from workers.rulebook.names import Checker


def triggers(declared: Sequence[declarations.Enter | declarations.Trigger], check: Checker) -> tuple[Trigger, ...]:
    """What starts or ends a run."""
    return tuple(trigger(each, check) for each in declared)


def trigger(declared: declarations.Enter | declarations.Trigger, check: Checker) -> Trigger:
    """An event, a stage, a segment, a band, a date or a schedule, with its condition; or a condition alone."""
    if isinstance(declared, EventTrigger):
        known = check.event(declared.event)
        when = check.optional(declared.when, "boolean", check.names.scope(declared.event)) if known else None
        return Trigger(str(declared.event), when)
    when = check.optional(declared.when, "boolean", check.names.scope())
    if isinstance(declared, StageTrigger):
        check.stage(declared.stage)
        return Trigger(stage=str(declared.stage), when=when)
    if isinstance(declared, SegmentTrigger):
        check.segment(declared.segment)
        return Trigger(segment=str(declared.segment), when=when)
    if isinstance(declared, BandTrigger):
        return Trigger(band=band(declared, check), when=when)
    if isinstance(declared, DateTrigger | ScheduleTrigger):
        return Trigger(timing=timing(declared, check), when=when)
    return Trigger(when=when)


def band(declared: BandTrigger, check: Checker) -> tuple[str, str]:
    """The score and the band that a trigger names."""
    if len(declared.band) != 1:
        text = "`band` wants one score and its band"
        check.problems.add(declared.place("band"), "wrong-type", text, "write it like {engagement: hot}")
        return ("", "")
    ((model, name),) = declared.band.items()
    if check.score(model):  # type: ignore[arg-type]  # keys of a dict know their places, too
        check.known("band", name, check.names.bands[model], f"declare it in the file of the score `{model}`")  # type: ignore[arg-type]
    return str(model), str(name)


def timing(declared: DateTrigger | ScheduleTrigger, check: Checker) -> Timing:
    """When runs begin by themselves."""
    zone, zone_fields = str(declared.zone), check.names.zone_fields
    if isinstance(declared, ScheduleTrigger):
        return Scheduled(declared.schedule, zone, zone_fields)
    check.day_field(declared.date)
    if declared.before and declared.after:
        text = "`before` and `after` together"
        check.problems.add(declared.node.keys["after"], "too-many-keys", text, "remove one")
    offset = (declared.after or timedelta()) - (declared.before or timedelta())
    return Dated(str(declared.date), offset, declared.at, declared.yearly, zone, zone_fields)


def goal(declared: EventGoal | StageGoal | ConditionGoal, check: Checker) -> Goal:
    """What the campaign is for."""
    within = declared.within // MICROSECOND if declared.within else None
    if isinstance(declared, EventGoal):
        known = check.event(declared.event)
        when = check.optional(declared.when, "boolean", check.names.scope(declared.event)) if known else None
        return Goal(Trigger(str(declared.event), when), within, declared.leave)
    if not isinstance(declared, StageGoal):
        return Goal(Trigger(when=check.optional(declared.when, "boolean", check.names.scope())), within, declared.leave)
    check.stage(declared.stage)
    return Goal(Trigger(stage=str(declared.stage)), within, declared.leave)
