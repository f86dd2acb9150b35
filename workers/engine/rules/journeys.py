"""Campaigns: who enters, what ends them, what holds their mails back, and what people have set by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Protocol

from workers.engine.rules.derived import derive
from workers.engine.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime, timedelta
    from typing import Any

    from workers.engine.hours import Quiet
    from workers.engine.rules.conditions import Expression
    from workers.engine.steps import Step


class Timing(Protocol):
    """When a campaign begins by itself: at a date that a lead's field tells, or on a schedule."""

    def basis(self, fields: Mapping[str, Any]) -> str:
        """What the next time depends on, as text: while it stays the same, so does what was worked out before."""

    def next(self, after: datetime, fields: Mapping[str, Any], account_zone: str) -> datetime | None:
        """The next time after an instant, or None if there is none."""


REPLIED: Final = "email.replied"


@dataclass(frozen=True, slots=True)
class Trigger:
    """Something that starts or ends a run: one of the following, and `when` must hold, too.

    Attributes:
        event: an event of this type.
        when: a condition over the event (if one is named) and the lead; alone, it is looked at whenever the lead is.
        stage: the stage was reached.
        segment: the segment was entered; for an exit, the lead is in it.
        band: (model, band): the band was entered; for an exit, the lead is in it.
        timing: a date or a schedule; starts runs only.
    """

    event: str | None = None
    when: Expression | None = None
    stage: str | None = None
    segment: str | None = None
    band: tuple[str, str] | None = None
    timing: Timing | None = None

    @property
    def standing(self) -> bool:
        """True if it is about where the lead stands."""
        return bool(self.stage or self.segment or self.band)


@dataclass(frozen=True, slots=True)
class Goal:
    """What a campaign is for.

    Attributes:
        trigger: reaching it.
        within: microseconds after entry in which it counts; None for any time.
        leaves: whether the run ends with it.
    """

    trigger: Trigger
    within: int | None = None
    leaves: bool = True


@dataclass(frozen=True, slots=True)
class PauseWhen:
    """When a campaign stops by itself: so many of what it sent within the latest days ended badly.

    Attributes:
        shares: by what may happen to a mail (`bounced`, `complained`, `failed`), the share (0 to 1) that is too much.
        days: whole UTC days that are looked at, today included.
        at_least: mails sent in them before a share says anything.
    """

    shares: Mapping[str, float]
    days: int = 1
    at_least: int = 100


@dataclass(frozen=True, slots=True)
class OnReply:
    """What a person's reply does to their run, beside that the owner is told.

    Attributes:
        pause: microseconds for which none of the campaign's mails goes out; 0: the run ends.
    """

    pause: int = 0


@dataclass(frozen=True, slots=True)
class Campaign:
    """A journey: who enters, who leaves, and the steps between.

    Attributes:
        version: content hash of the campaign's definition.
        again: `never`, or the least time between two entries.
        steps: in the order of the file, those inside branches included; ids are unique within the campaign.
        after: the step that follows each step, "" at the end; empty where that is the next one of `steps`.
        key: runs with different values of this expression (over the event that enters) go side by side.
        existing: whether leads that are where the campaign begins when it is published enter, too.
        hold_out: the share (0 to 1) of those who enter that is sent nothing, to compare with.
        goal: what it is for.
        priority: who goes first where only so many may be sent; the highest.
        quiet: hours in which nothing is sent.
        business_days: whether things are sent on business days only.
        edit: what happens to runs of older versions: they keep to theirs (`pin`), go on in this one (`move`), or keep
            to theirs and nobody enters any more (`drain`).
        moves: for `move`, the steps of this version that stand for removed ones.
        pause_when: when it stops by itself; None for never.
        owner: who is told of that, an address; empty for the promotion's fallback.
        on_reply: what happens when somebody under way writes back; None for nothing.
        following: the same, worked out.
        by_id: steps by id.
        measures: of the splits that test something, what is counted, by the step's id.
        heeded: types of the events that matter to somebody who has entered.
        ending, aiming: what time may turn of the conditions that end a run, and of the goal; None for nothing.
        awaiting: the same of what is waited for, by the step's id.
    """

    name: str
    version: str
    enter: tuple[Trigger, ...]
    again: timedelta | None
    exits: tuple[Trigger, ...]
    steps: tuple[Step, ...]
    after: Mapping[str, str] = field(default_factory=dict)
    key: Expression | None = None
    existing: bool = False
    hold_out: float = 0.0
    goal: Goal | None = None
    priority: int = 0
    quiet: Quiet | None = None
    business_days: bool = False
    edit: str = "pin"
    moves: Mapping[str, str] = field(default_factory=dict)
    pause_when: PauseWhen | None = None
    owner: str = ""
    on_reply: OnReply | None = None
    following: Mapping[str, str] = field(init=False, repr=False, compare=False)
    by_id: Mapping[str, Step] = field(init=False, repr=False, compare=False)
    measures: Mapping[str, Trigger] = field(init=False, repr=False, compare=False)
    heeded: frozenset[str] = field(init=False, repr=False, compare=False)
    ending: Watch | None = field(init=False, repr=False, compare=False)
    aiming: Watch | None = field(init=False, repr=False, compare=False)
    awaiting: Mapping[str, Watch] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out once what every event asks for."""
        ids = [step.id for step in self.steps]
        derive(self, "following", self.after or dict(pairwise([*ids, ""])))
        derive(self, "by_id", {step.id: step for step in self.steps})
        derive(self, "measures", {s.id: found for s in self.steps if (found := getattr(s, "measure", None))})
        triggers = [*self.exits, *([self.goal.trigger] if self.goal else ()), *self.measures.values()]
        answers = {REPLIED} if self.on_reply else set()
        derive(self, "heeded", frozenset(answers).union(each.event for each in triggers if each.event))
        derive(self, "ending", watched(each.when for each in self.exits if not each.event))
        derive(self, "aiming", watched(each.trigger.when for each in [self.goal] if each and not each.trigger.event))
        awaited = {step.id: watched([getattr(step, "awaited", None)]) for step in self.steps}
        derive(self, "awaiting", {step: watch for step, watch in awaited.items() if watch})

    @property
    def turns(self) -> bool:
        """True if time alone may turn something for those who are in it."""
        return bool(self.ending or self.aiming or self.awaiting)

    @property
    def first(self) -> str:
        """Id of the first step, "" if there is none."""
        return self.steps[0].id if self.steps else ""


@dataclass(frozen=True, slots=True)
class Cap:
    """Only so many messages to one lead, over all campaigns.

    Attributes:
        most: how many in any stretch of `window` microseconds.
        category: of the mails that count, empty for all.
        delay: what would be too many waits until it may go; if not, it is skipped.
    """

    most: int
    window: int
    category: str = ""
    delay: bool = True


@dataclass(frozen=True, slots=True)
class Controls:
    """What people and results have decided since the rules were published.

    Attributes:
        paused: campaigns in which nothing goes on.
        winners: by `campaign.step` of a split, the arm that everybody takes from now on.
    """

    paused: frozenset[str] = frozenset()
    winners: Mapping[str, str] = field(default_factory=dict)


def watched(conditions: Iterable[Expression | None]) -> Watch | None:
    """What time alone may turn of these conditions; None if it turns none of them."""
    turning = [each for each in conditions if each is not None and (each.turns or each.code is None)]
    return Watch.of(turning) if turning else None


def timed(campaigns: Iterable[Campaign]) -> Iterator[tuple[str, Campaign, Trigger]]:
    """The ways into campaigns that open by date or schedule, each with a name of its own."""
    for campaign in campaigns:
        for index, trigger in enumerate(campaign.enter):
            if trigger.timing is not None:
                yield f"{campaign.name}.{index}", campaign, trigger
