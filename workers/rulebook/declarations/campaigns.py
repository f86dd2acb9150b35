"""Campaigns, and the senders of webhooks."""

# ruff: noqa: TC001, TC003  (annotations are read at run time)

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import time, timedelta
from typing import Any, Final, Literal

from workers.engine.campaigns.timings import MORNING
from workers.engine.hours import Quiet, Schedule
from workers.rulebook.declarations.examples import EXAMPLES, Example
from workers.rulebook.notations import Cap, Percentage
from workers.rulebook.shape import HOLE, NAME, WORD, Raw, Shape, Source, Text, about
from workers.rulebook.times import Zone

FRAME: Final = f"campaign: welcome\nenter:\n  - {HOLE}\nsteps:\n  - send: welcome/hello"
ONLY_IF: Final = about("only if this is true", example='lead.country == "DE"')


@dataclass(frozen=True)
class EventTrigger(Shape):
    """An event, perhaps only with a condition."""

    title = "an event that starts or ends a run"
    frame = FRAME
    event: Text = field(metadata=about("the type of event", example="form.submitted"))
    when: Source | None = field(
        default=None, metadata=about("only if this is true", example='event.form == "newsletter"')
    )


@dataclass(frozen=True)
class StageTrigger(Shape):
    """A lifecycle stage that was reached."""

    title = "a stage that starts or ends a run"
    frame = FRAME
    stage: Text = field(metadata=about("the stage", example="lead"))
    when: Source | None = field(default=None, metadata=ONLY_IF)


@dataclass(frozen=True)
class SegmentTrigger(Shape):
    """A segment: it starts a run when the lead comes into it, and ends one while the lead is in it."""

    title = "a segment that starts or ends a run"
    frame = FRAME
    segment: Text = field(metadata=about("the segment", example="enterprise"))
    when: Source | None = field(default=None, metadata=ONLY_IF)


@dataclass(frozen=True)
class BandTrigger(Shape):
    """A band of a score: it starts a run when the lead comes into it, and ends one while the lead is in it."""

    title = "a band that starts or ends a run"
    frame = FRAME
    band: dict[str, str] = field(metadata=about("the score and its band", example="{engagement: hot}"))
    when: Source | None = field(default=None, metadata=ONLY_IF)


@dataclass(frozen=True)
class ConditionTrigger(Shape):
    """A condition on the lead; it ends the run at the very instant at which it comes true, by an event or by time."""

    title = "a condition that ends a run"
    frame = f"campaign: welcome\nenter: {{event: form.submitted}}\nexit:\n  - {HOLE}\nsteps:\n  - send: welcome/hello"
    when: Source = field(metadata=about("the condition", example='lead.country == "DE"'))


@dataclass(frozen=True)
class DateTrigger(Shape):
    """A date that a field of the lead tells, or so long before or after it."""

    title = "a date that starts a run"
    frame = FRAME
    date: Text = field(metadata=about("the field, of type date or datetime", example="renewal"))
    before: timedelta | None = field(default=None, metadata=about("how long before that date", example="30 days"))
    after: timedelta | None = field(default=None, metadata=about("how long after it", example="7 days"))
    at: time = field(
        default=MORNING, metadata=about("the local time from which that is counted; default: 09:00", example='"10:30"')
    )
    yearly: bool = field(
        default=False,
        metadata=about(
            "on every anniversary, from the date itself on (a birthday); 29 February is the 28th in other years",
            example="true",
            frame=f"campaign: birthday\nenter:\n  - {HOLE}\nagain: 300 days\nsteps:\n  - send: welcome/hello",
        ),
    )
    zone: Zone = field(
        default="lead",  # type: ignore[assignment]  # a notation is read as what it says
        metadata=about(
            "whose clock it is: `lead` (the account's, if the lead's is not known), `account`, or a time zone",
            example="account",
        ),
    )
    when: Source | None = field(default=None, metadata=ONLY_IF)


@dataclass(frozen=True)
class ScheduleTrigger(Shape):
    """A day and time that comes round, for every lead of which the condition is true then."""

    title = "a schedule that starts runs"
    frame = FRAME
    schedule: Schedule = field(
        metadata=about(
            "`day 08:30`, `monday 09:00`, `monday and thursday 09:00`, `month on 1 at 09:00`, `month on last at 09:00`",
            example="monday 09:00",
        )
    )
    zone: Zone = field(
        default="account",  # type: ignore[assignment]
        metadata=about("whose clock it is: `account`, `lead`, or a time zone", example="lead"),
    )
    when: Source | None = field(default=None, metadata=ONLY_IF)


Enter = EventTrigger | StageTrigger | SegmentTrigger | BandTrigger | DateTrigger | ScheduleTrigger
Trigger = EventTrigger | StageTrigger | SegmentTrigger | BandTrigger | ConditionTrigger


@dataclass(frozen=True)
class EventGoal(Shape):
    """An event that the campaign is for."""

    title = "an event that is a goal"
    frame = f"campaign: welcome\nenter: {{event: form.submitted}}\ngoal:\n  {HOLE}\nsteps:\n  - send: welcome/hello"
    event: Text = field(metadata=about("the type of event", example="form.submitted"))
    when: Source | None = field(default=None, metadata=about("only if this is true", example='event.form == "demo"'))
    within: timedelta | None = field(default=None, metadata=about("how long after entry it counts", example="30 days"))
    leave: bool = field(default=True, metadata=about("whether the run ends with it", example="false"))


@dataclass(frozen=True)
class StageGoal(Shape):
    """A stage that the campaign is for."""

    title = "a stage that is a goal"
    frame = EventGoal.frame
    stage: Text = field(metadata=about("the stage", example="opportunity"))
    within: timedelta | None = field(default=None, metadata=about("how long after entry it counts", example="30 days"))
    leave: bool = field(default=True, metadata=about("whether the run ends with it", example="false"))


@dataclass(frozen=True)
class ConditionGoal(Shape):
    """A condition on the lead that the campaign is for. Of whom it is true already does not enter, if the run would end
    with it; else it does not count for them.
    """

    title = "a condition that is a goal"
    frame = EventGoal.frame
    when: Source = field(metadata=about("the condition", example='score("engagement") >= 60'))
    within: timedelta | None = field(default=None, metadata=about("how long after entry it counts", example="30 days"))
    leave: bool = field(default=True, metadata=about("whether the run ends with it", example="false"))


@dataclass(frozen=True)
class Move(Shape):
    """Runs of older versions go on in this one, at the step that they stand at."""

    title = "an edit that takes people along"
    frame = f"campaign: welcome\nenter: {{event: form.submitted}}\nedit:\n  {HOLE}\nsteps:\n  - send: welcome/hello"
    move: dict[str, str] = field(
        metadata=about("for each removed step, the one to go on with", example="{send-welcome-old: send-welcome-hello}")
    )


@dataclass(frozen=True)
class Pause(Shape):
    """Too much of what it sent within the latest days went wrong. Then nothing of it goes out any more, the reason is
    recorded, and its owner told; `dripline campaign resume NAME` lets it go on where it was, with the backlog spread.
    """

    title = "when a campaign stops by itself"
    frame = (
        f"campaign: welcome\nenter: {{event: form.submitted}}\npause_when:\n  {HOLE}\nsteps:\n  - send: welcome/hello"
    )
    shown = ("bounced",)
    bounced: Percentage | None = field(default=None, metadata=about("share of its mails that bounced", example="5%"))
    complained: Percentage | None = field(default=None, metadata=about("share of complaints", example="0.3%"))
    failed: Percentage | None = field(default=None, metadata=about("share that could not be sent", example="20%"))
    days: int = field(default=1, metadata=about("days to look at, today included", least=1, most=90, example="2"))
    at_least: int = field(default=100, metadata=about("mails sent before shares say anything", least=1, example="50"))


@dataclass(frozen=True)
class OnReply(Shape):
    """Somebody who has written back hears from a person first: for so long none of the campaign's mails goes out. Waits
    go on meanwhile, and the owner is told, or whom promotion falls back on. Out-of-office replies are no replies.
    """

    title = "what a reply does"
    frame = (
        "campaign: welcome\nenter: {event: form.submitted}\nowner: ops@acme.example\n"
        f"on_reply:\n  {HOLE}\nsteps:\n  - send: welcome/hello"
    )
    pause: timedelta = field(metadata=about("for how long its mails wait, from the reply on", example="5 days"))


@dataclass(frozen=True)
class CampaignFile(Shape):
    """A campaign: who enters, who leaves, and the steps between. Whoever is in it keeps to the version they entered,
    unless `edit` says otherwise.
    """

    title = "a campaign"
    campaign: Text = field(metadata=about("its name", pattern=NAME, example="welcome"))
    enter: list[Enter] = field(
        metadata=about(
            "what starts it: `{event: …}`, `{stage: …}`, `{segment: …}`, `{band: …}`, `{date: …}` or `{schedule: …}`, "
            "one or a list", single=True,
            example='{event: form.submitted, when: event.form == "newsletter"}',
        )
    )  # fmt: skip
    steps: list[Raw] = field(
        metadata=about(
            "what happens, in order; `dripline docs send`, `wait`, `branch`, … tell of each",
            example="\n  - send: welcome/hello\n  - wait: 2 days\n  - end: done",
        )
    )
    again: Literal["never"] | timedelta = field(
        default="never",
        metadata=about(
            "the least time between two entries of one lead, or `never`; default: never", example="180 days"
        ),
    )
    key: Source | None = field(
        default=None,
        metadata=about(
            "an expression: runs for different values of it go side by side, one per form, per order, and `again` "
            "holds for each of them",
            example="event.form",
        ),
    )
    existing: bool = field(
        default=False,
        metadata=about(
            "whether leads that are in the stage, segment or band already enter when this is published; default: no",
            example="true",
            beside=("enter: {segment: enterprise}",),
        ),
    )
    exit: list[Trigger] = field(
        default_factory=list,
        metadata=about(
            "what ends it, at once, also while it waits; who may not be mailed any more leaves without it",
            single=True,
            example="[{event: email.replied}, {stage: opportunity}]",
        ),
    )
    goal: EventGoal | StageGoal | ConditionGoal | None = field(
        default=None,
        metadata=about(
            "what it is for: reaching it is counted, for those who are held out, too, and ends the run, unless `leave` "
            "is false",
            example="\n  event: meeting.booked\n  within: 30 days",
        ),
    )
    hold_out: Percentage | None = field(
        default=None,
        metadata=about(
            "share of those who enter that gets nothing: `dripline campaign show` compares how many of them reach the "
            "goal. It is always the same people",
            example="5%",
        ),
    )
    priority: int = field(
        default=0,
        metadata=about(
            "where a cap lets only some mails go, those of the campaign with the highest number do; default: 0",
            least=-100,
            most=100,
            example="10",
        ),
    )
    quiet_hours: Quiet | None = field(
        default=None,
        metadata=about(
            "hours in which none of its mails goes out; one that is due then waits until they are over, and the run "
            "with it",
            example='{from: "20:00", to: "08:00"}',
        ),
    )
    send_on: Literal["business days"] | None = field(
        default=None,
        metadata=about(
            "`business days`: mails that fall due on the account's days off, or on a public holiday of the lead's "
            "country if the account keeps those, wait for the next day of work: for the same time of day, or with "
            "`quiet_hours` for their end",
            example="business days", beside=('quiet_hours: {from: "20:00", to: "08:00"}',),
        ),
    )  # fmt: skip
    edit: Literal["pin", "move", "drain"] | Move = field(
        default="pin",
        metadata=about(
            "what an edit does to people in older versions: they keep to theirs (`pin`), go on in this one (`move`, "
            "with the steps to go on with for removed ones), or keep to theirs and nobody enters any more (`drain`); "
            "default: pin. `dripline apply --dry-run` tells how many people stand where, and what becomes of them",
            example="move",
        ),
    )
    pause_when: Pause | None = field(default=None, metadata=about("when it stops by itself", example="{bounced: 5%}"))
    on_reply: Literal["exit"] | OnReply | None = field(
        default=None,
        metadata=about(
            "what happens when somebody writes back: `exit` ends the run, `pause` holds its mails for so long; the "
            "owner is told",
            example="{pause: 5 days}", beside=("owner: ops@acme.example",),
        ),
    )  # fmt: skip
    owner: Text | None = field(
        default=None,
        metadata=about("who is told when it has stopped by itself, and of replies", example="ops@acme.example"),
    )
    examples: list[Example] = field(default_factory=list, metadata=EXAMPLES)


@dataclass(frozen=True)
class MailCap(Shape):
    """Only so many mails to a lead in a stretch of time, over all campaigns; the most important campaigns go first."""

    title = "a cap"
    frame = f"caps:\n  - {HOLE}"
    limit: Cap = field(
        metadata=about(
            "how many in how long: in any stretch of that length, not by the calendar", example="3 per week"
        ),
    )
    category: Literal["marketing", "transactional"] | None = field(
        default=None, metadata=about("the mails that count; default: all", example="marketing")
    )
    over: Literal["delay", "skip"] = field(
        default="delay",
        metadata=about(
            "what becomes of a mail too many: it waits (`delay`) until there is room, or is left out (`skip`)",
            example="skip",
        ),
    )


@dataclass(frozen=True)
class CapsFile(Shape):
    """How many mails a lead may get."""

    title = "caps on mail"
    caps: list[MailCap] = field(metadata=about("the caps; each holds", single=True, example="\n  - limit: 3 per week"))


@dataclass(frozen=True)
class SourceFile(Shape):
    """A sender of webhooks; they come in at `/hooks/<source>`. Secrets stand in the environment, never here."""

    title = "a source"
    source: Text = field(metadata=about("its name, part of the URL", pattern=NAME, example="forms"))
    adapter: Text | None = field(
        default=None, metadata=about("who it is; default: its name", pattern=WORD, example="typeform")
    )
    options: dict[str, Any] = field(default_factory=dict, metadata=about("the adapter's own settings", rest=True))
