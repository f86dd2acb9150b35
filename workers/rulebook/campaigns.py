"""Campaign files into campaigns."""

from __future__ import annotations

import json
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final, cast

from workers.engine.rules import Campaign, Trigger
from workers.rulebook.declarations import EventTrigger
from workers.rulebook.steps import read_steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.rulebook import declarations
    from workers.rulebook.declarations import CampaignFile
    from workers.rulebook.names import Checker
    from workers.rulebook.nodes import Node

VERSION_DIGITS: Final = 12


def campaign(file: CampaignFile, check: Checker) -> Campaign:
    """The campaign that a file declares."""
    steps = read_steps(cast("list[Node]", file.steps), check)
    if not file.steps:
        check.problems.add(file.place("steps"), "no-steps", "the campaign has no steps", "add one: `- send: …`")
    if file.node.entries["enter"].plain == []:
        check.problems.add(
            file.place("enter"), "never-entered", "nobody enters this campaign", "name an event or stage"
        )
    return Campaign(
        name=str(file.campaign),
        version=version_of(file),
        enter=triggers(file.enter, check),
        again=file.again if isinstance(file.again, timedelta) else None,
        exits=triggers(file.exit, check),
        steps=steps,
    )


def triggers(declared: Sequence[declarations.Trigger], check: Checker) -> tuple[Trigger, ...]:
    """What starts or ends a run."""
    return tuple(trigger(each, check) for each in declared)


def trigger(declared: declarations.Trigger, check: Checker) -> Trigger:
    """An event with its condition, or a stage."""
    if isinstance(declared, EventTrigger):
        known = check.event(declared.event)
        when = check.optional(declared.when, "boolean", check.names.scope(declared.event)) if known else None
        return Trigger(str(declared.event), when, None)
    check.stage(declared.stage)
    return Trigger(None, None, str(declared.stage))


def version_of(file: CampaignFile) -> str:
    """Short hash of what the file says; comments, examples and the order of keys do not count."""
    said = {key: value for key, value in file.node.plain.items() if key != "examples"}
    content = json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:VERSION_DIGITS]
