"""Campaign files into campaigns."""

from __future__ import annotations

import json
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final, cast

from workers.engine.rules import Campaign, Trigger
from workers.engine.steps import send
from workers.rulebook.declarations import EventTrigger
from workers.rulebook.steps import read_steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.engine.steps import Step
    from workers.rulebook import declarations
    from workers.rulebook.declarations import CampaignFile
    from workers.rulebook.names import Checker
    from workers.rulebook.nodes import Node

VERSION_DIGITS: Final = 12
BY_MAIL: Final = frozenset({"email.sent", "email.delivered"})
"""What happens to a mail that nobody has touched."""


def campaign(file: CampaignFile, check: Checker) -> Campaign:
    """The campaign that a file declares."""
    steps = read_steps(cast("list[Node]", file.steps), check)
    if not file.steps:
        check.problems.add(file.place("steps"), "no-steps", "the campaign has no steps", "add one: `- send: …`")
    if file.node.entries["enter"].plain == []:
        check.problems.add(
            file.place("enter"), "never-entered", "nobody enters this campaign", "name an event or stage"
        )
    check_order(file, check)
    check_loop(file, steps, check)
    return Campaign(
        name=str(file.campaign),
        version=version_of(file),
        enter=triggers(file.enter, check),
        again=file.again if isinstance(file.again, timedelta) else None,
        exits=triggers(file.exit, check),
        steps=steps,
    )


def check_order(file: CampaignFile, check: Checker) -> None:
    """A stage that starts a run must not lie behind one that ends it: whoever comes there is turned away."""
    order = list(check.names.stages)
    ends = [each.stage for each in file.exit if not isinstance(each, EventTrigger) and each.stage in order]
    for each in file.enter:
        if isinstance(each, EventTrigger) or each.stage not in order:
            continue
        for end in ends:
            if order.index(end) <= order.index(each.stage):
                text = f"whoever has reached `{each.stage}` is past `{end}`, which ends this campaign"
                check.problems.add(each.stage.place, "never-entered", text, "correct `enter` or `exit`")


def check_loop(file: CampaignFile, steps: Sequence[Step], check: Checker) -> None:
    """A campaign that sends mail must not be started, again and again, by mail that was sent."""
    if file.again == "never" or not any(isinstance(step, send.Step) for step in steps):
        return
    for each in file.enter:
        if isinstance(each, EventTrigger) and each.event in BY_MAIL and each.when is None:
            text = f"every mail of this campaign is followed by {each.event}, which starts it again"
            check.problems.add(each.event.place, "campaign-loop", text, "add `when`, or let `again` be never")


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
