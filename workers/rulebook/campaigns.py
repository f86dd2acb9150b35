"""Campaign files into campaigns."""

from __future__ import annotations

import json
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, cast

from workers.engine.rules import Campaign, Cap, OnReply, PauseWhen
from workers.engine.steps import send
from workers.engine.values import MICROSECOND
from workers.rulebook.addresses import is_address
from workers.rulebook.declarations import DateTrigger, EventTrigger, Move, StageTrigger
from workers.rulebook.declarations.campaigns import OnReply as Answer
from workers.rulebook.due import check_due
from workers.rulebook.flow import check_flow, check_way_in
from workers.rulebook.steps import read_steps
from workers.rulebook.triggers import goal, triggers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from workers.engine.rules import PromotionRule, Rulebook
    from workers.engine.steps import Step
    from workers.rulebook.declarations import CampaignFile, CapsFile
    from workers.rulebook.declarations.campaigns import Pause
    from workers.rulebook.names import Checker
    from workers.rulebook.nodes import Node
    from workers.rulebook.steps import Journey

VERSION_DIGITS: Final = 12
BY_MAIL: Final = frozenset({"email.sent", "email.delivered"})
"""What happens to a mail that nobody has touched."""
NO_PART_OF_VERSION: Final = frozenset({"examples", "edit", "pause_when", "owner"})
"""Keys that change nothing for those who are under way."""


def campaign(file: CampaignFile, check: Checker) -> Campaign:
    """The campaign that a file declares."""
    before = len(check.problems)
    journey = read_steps(cast("list[Node]", file.steps), check)
    whole = bool(journey.steps) and len(check.problems) == before
    if not file.steps:
        check.problems.add(file.place("steps"), "no-steps", "the campaign has no steps", "add one: `- send: …`")
    if file.node.entries["enter"].plain == []:
        check.problems.add(
            file.place("enter"), "never-entered", "nobody enters this campaign", "name an event or stage"
        )
    check_order(file, check)
    check_way_in(file, check)
    if whole:
        check_flow(file, journey, check)
        check_due(file, journey, check)
    check_loop(file, journey.steps, check)
    check_yearly(file, check)
    check_owner(file, check)
    check_told(file, journey, check)
    return Campaign(
        name=str(file.campaign),
        version=version_of(file),
        enter=triggers(file.enter, check),
        again=file.again if isinstance(file.again, timedelta) else None,
        exits=triggers(file.exit, check),
        steps=journey.steps,
        after=journey.after,
        key=check.optional(file.key, None, check.names.scope(key_event(file))),
        existing=file.existing,
        hold_out=file.hold_out.share if file.hold_out else 0.0,
        goal=goal(file.goal, check) if file.goal else None,
        priority=file.priority,
        quiet=file.quiet_hours,
        business_days=file.send_on is not None,
        edit="move" if isinstance(file.edit, Move) else file.edit,
        moves=moves(file, journey.steps, check),
        pause_when=pause_when(file.pause_when, check) if file.pause_when else None,
        owner=str(file.owner or ""),
        on_reply=on_reply(file.on_reply) if file.on_reply else None,
    )


# ── parts ────────────────────────────────────────────────────────────────────────────────────────────────────


def key_event(file: CampaignFile) -> str | None:
    """The event that a run's key may ask about: the one that all ways in have in common."""
    events = {str(each.event) if isinstance(each, EventTrigger) else None for each in file.enter}
    return next(iter(events)) if len(events) == 1 else None


def moves(file: CampaignFile, steps: Sequence[Step], check: Checker) -> Mapping[str, str]:
    """The steps that stand for removed ones; they have to be there, and the removed ones must not."""
    if not isinstance(file.edit, Move):
        return {}
    ids = {step.id for step in steps}
    for old, new in file.edit.move.items():
        if old in ids:
            text = f"the step `{old}` is still there, so nobody has to be moved from it"
            check.problems.add(file.edit.place("move"), "needless-move", text, "remove it from `move`")
        check.known("step", new, ids, "see the ids with `dripline campaign show`")  # type: ignore[arg-type]
    return {str(old): str(new) for old, new in file.edit.move.items()}


def on_reply(declared: str | Answer) -> OnReply:
    """What a reply does."""
    return OnReply(declared.pause // MICROSECOND if isinstance(declared, Answer) else 0)


def pause_when(declared: Pause, check: Checker) -> PauseWhen:
    """When the campaign stops by itself: what it looks at has to be named, and to be more than nothing."""
    shares = {name: getattr(declared, name) for name in ("bounced", "complained", "failed")}
    if not any(shares.values()):
        text = "nothing is named that could pause the campaign"
        check.problems.add(declared.node.place, "missing-key", text, "add `bounced: 5%`, `complained` or `failed`")
    for name, each in shares.items():
        if each and not each.share:
            text = f"`{name}` is 0%, which would pause the campaign although nothing is wrong"
            check.problems.add(declared.place(name), "out-of-range", text, "write what is too much, like 5%")
    return PauseWhen({name: each.share for name, each in shares.items() if each}, declared.days, declared.at_least)


def caps(files: Iterable[CapsFile]) -> tuple[Cap, ...]:
    """All caps."""
    return tuple(
        Cap(each.limit.most, timedelta(days=each.limit.days) // MICROSECOND, each.category or "", each.over == "delay")
        for file in files
        for each in file.caps
    )


# ── what cannot be meant ─────────────────────────────────────────────────────────────────────────────────────


def check_order(file: CampaignFile, check: Checker) -> None:
    """A stage that starts a run must not lie behind one that ends it: whoever comes there is turned away."""
    order = list(check.names.stages)
    ends = [each.stage for each in file.exit if isinstance(each, StageTrigger) and each.stage in order]
    for each in file.enter:
        if not isinstance(each, StageTrigger) or each.stage not in order:
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


def check_yearly(file: CampaignFile, check: Checker) -> None:
    """What comes round every year has to find the door open again."""
    if file.again != "never":
        return
    for each in file.enter:
        if isinstance(each, DateTrigger) and each.yearly:
            text = "it comes round every year, and nobody enters this campaign twice"
            check.problems.add(each.place("yearly"), "once-only", text, "add `again: 300 days`, or remove `yearly`")


def check_owner(file: CampaignFile, check: Checker) -> None:
    """Who is told has to have an address."""
    if file.owner is not None and not is_address(file.owner):
        hint = "write it like ops@company.example"
        check.problems.add(file.owner.place, "bad-address", f"`{file.owner}` is no address", hint)


def check_told(file: CampaignFile, journey: Journey, check: Checker) -> None:
    """Where the owner is told there has to be one."""
    text = "nobody owns this campaign, and no promotion has somebody to fall back on"
    if file.on_reply and file.owner is None and not check.names.promotes:
        check.problems.add(file.place("on_reply"), "no-owner", text, "add `owner`")
    for step in journey.steps:
        if getattr(step, "wants_owner", False) and file.owner is None and not check.names.promotes:
            check.problems.add(journey.nodes[step.id].place, "no-owner", text, "add `owner`, or say whom `to` tell")


# ── versions ─────────────────────────────────────────────────────────────────────────────────────────────────


def version_of(file: CampaignFile) -> str:
    """Short hash of what the file says; comments, examples and the order of keys do not count."""
    return digest({key: value for key, value in file.node.plain.items() if key not in NO_PART_OF_VERSION})


def plan_of(rulebook: Rulebook, files: Iterable[CampaignFile]) -> str:
    """Short hash of all that decides where leads stand, and who enters a campaign or is promoted because of that.

    What a promotion hands over is no part of it: that is worked out when it happens.
    """
    ways = {str(file.campaign): [file.node.plain.get("enter"), file.existing] for file in files}
    stages = [[stage.name, stage.when and stage.when.source, stage.back_from] for stage in rulebook.stages]
    segments = {name: segment.when.source for name, segment in rulebook.segments.items()}
    grades = [[grade.name, grade.models, grade.labels] for grade in rulebook.grades.values()]
    zones = [rulebook.account.zone, rulebook.zone_fields]
    return digest([ways, stages, segments, zones, grades, criteria(rulebook.promotion)])


def criteria(rule: PromotionRule | None) -> list[Any]:
    """What a promotion asks of a lead; evidence in its order, in which it is said to be missing."""
    if rule is None:
        return []
    evidence = [[name, test.source] for name, test in rule.evidence.items()]
    return [rule.at, rule.when.source, evidence, rule.at_least, rule.again and rule.again.source]


def digest(content: object) -> str:
    """Short hash of plain data; the order of keys does not count."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:VERSION_DIGITS]
