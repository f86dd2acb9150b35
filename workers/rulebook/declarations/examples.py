"""Examples beside the rules: a lead, what happens to it, and what is expected to come of it."""

# ruff: noqa: TC001  (annotations are read at run time)

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from workers.rulebook.declarations.arranged import PAUSED, STOPPED, TAKEN_ALONG, TOO_MUCH, Others, Paused, UnderWay
from workers.rulebook.declarations.expected import (
    AGAIN,
    ENDS,
    HANDED,
    NIGHT,
    NOBODY,
    SPLIT,
    TELLS,
    WHEN,
    HandedOver,
    HeldBack,
    Mailed,
    NotEnrolled,
    Notified,
    PassedOver,
    Posted,
    Ran,
    story,
)
from workers.rulebook.shape import HOLE, Shape, Text, about
from workers.rulebook.times import Moment

BEGINNING: Final = datetime(2026, 3, 2, 9, tzinfo=UTC)
"""When every example begins: a Monday, at nine o'clock UTC."""


@dataclass(frozen=True)
class ExampleEvent(Shape):
    """Something that happens to the lead. Every other key is a property of the event."""

    title = "an event of an example"
    frame = f"""\
examples:
  - name: a demo request is worth something
    given:
      events:
        - {HOLE}
    expect: {{score: {{engagement: 40}}}}
"""
    at: Moment = field(
        metadata=about(
            "when: `2h` after the example's beginning on Monday, 2 March 2026, at nine o'clock UTC, or "
            "`2026-03-05 18:30` by the clock of the lead (the account's, if the lead's zone is not given)",
            example="2h",
        )
    )
    type: Text = field(metadata=about("the type of event", example="form.submitted", beside=("form: demo",)))
    lead: dict[str, Any] = field(
        default_factory=dict,
        metadata=about("what the event tells about the person, by field", example="{company: Acme}"),
    )
    properties: dict[str, Any] = field(default_factory=dict, metadata=about("what else is known of it", rest=True))


@dataclass(frozen=True)
class Given(Shape):
    """Who the lead is, and what happens."""

    title = "what is given in an example"
    frame = f"""\
examples:
  - name: a demo request is worth something
    given:
      {HOLE}
    expect: {{score: {{engagement: 40}}}}
"""
    lead: dict[str, Any] = field(
        default_factory=dict,
        metadata=about(
            "what is known from the beginning, by field",
            example="{first_name: Ann, employees: 200}",
            frame=f"""\
examples:
  - name: a company of this size is one that we can help
    given:
      {HOLE}
    expect: {{band: {{fit: A}}}}
""",
        ),
    )
    events: list[ExampleEvent] = field(
        default_factory=list,
        metadata=about("what happens, in any order", example="[{at: 0d, type: form.submitted, form: demo}]"),
    )
    arms: dict[Text, Text] = field(
        default_factory=dict,
        metadata=about(
            "the arm that chance has for this lead, by campaign and id of the split",
            example="{welcome.length: short}",
            frame=story("some get the short letter", steps=SPLIT, given=HOLE) + "      mails: welcome/hello",
        ),
    )
    held_out: list[Text] = field(
        default_factory=list,
        metadata=about(
            "campaigns that hold this lead out; without it none does",
            single=True,
            example="[welcome]",
            frame=story("five of a hundred get nothing, to compare with", keys="hold_out: 5%", given=HOLE)
            + "      mails: []\n      runs: {campaign: welcome, outcome: held_out}",
        ),
    )
    paused: list[Paused] = field(
        default_factory=list,
        metadata=about(
            "campaigns that somebody pauses on the way",
            single=True,
            example="{campaign: welcome, from: 1 day, to: 5 days}",
            frame=PAUSED,
        ),
    )
    under_way: list[UnderWay] = field(
        default_factory=list,
        metadata=about(
            "runs that the lead is in already",
            single=True,
            example="{campaign: welcome, step: send-welcome-old, until: 1 day}",
            frame=f"{TAKEN_ALONG}      {HOLE}\n    at: 2 days\n    expect: {{mails: welcome/hello}}\n",
        ),
    )
    others: list[Others] = field(
        default_factory=list,
        metadata=about(
            "what has become of a campaign's mails to other people, by which it may pause itself",
            single=True,
            example="{campaign: welcome, at: 1 day, sent: 400, bounced: 24}",
            frame=f"{TOO_MUCH}      {HOLE}\n{STOPPED}",
        ),
    )
    published: dict[Text, Moment] = field(
        default_factory=dict,
        metadata=about(
            "campaigns that are published only then; all others are there from the beginning",
            example="{welcome: 2 days}",
            frame=f"""\
campaign: welcome
enter: {{stage: lead}}
existing: true
steps:
  - send: welcome/hello
examples:
  - name: whoever is a lead already when this is published is welcomed, too
    given:
      {HOLE}
      events: [{{at: 0d, type: form.submitted, form: demo}}]
    at: 3 days
    expect: {{mails: {{send: welcome/hello, at: 2 days}}}}
""",
        ),
    )


KNOWN: Final = f"""\
examples:
  - name: a large company that asks twice goes first
    given:
      lead: {{employees: 2000, company: Acme}}
      events:
        - {{at: 0d, type: form.submitted, form: demo}}
        - {{at: 1h, type: form.submitted, form: contact}}
    expect:
      {HOLE}
"""
POINTS: Final = f"""\
campaign: welcome
enter: {{event: form.submitted}}
steps:
  - add_score: {{model: engagement, points: 15}}
examples:
  - name: filling in a form is worth fifteen points more
    given:
      events: [{{at: 0d, type: form.submitted, form: demo}}]
    expect:
      {HOLE}
"""


@dataclass(frozen=True)
class Outcome(Shape):
    """Where the lead stands at the end, and what went out on the way. What is not named is not looked at; an empty
    list wants nothing of its kind.
    """

    title = "what comes of an example"
    frame = f"""\
examples:
  - name: a demo request is worth something
    given:
      events: [{{at: 0d, type: form.submitted, form: demo}}]
    expect:
      {HOLE}
"""
    score: dict[Text, float | tuple[float, float]] = field(
        default_factory=dict,
        metadata=about(
            "scores, as whole as they are written here, or the lowest and highest number", example="{engagement: 40}"
        ),
    )
    band: dict[Text, Text] = field(
        default_factory=dict, metadata=about("bands; `none` for no band", example="{engagement: warm}")
    )
    grade: dict[Text, Text] = field(
        default_factory=dict, metadata=about("grades; `none` for no grade", example="{priority: A1}", frame=KNOWN)
    )
    segments: list[Text] = field(
        default_factory=list,
        metadata=about("segments that the lead is in", single=True, example="[enterprise]", frame=KNOWN),
    )
    stage: Text | None = field(default=None, metadata=about("the lifecycle stage at the end", example="lead"))
    reached: list[Text] = field(
        default_factory=list, metadata=about("stages that were entered on the way", single=True, example="[lead]")
    )
    mails: list[Mailed] = field(
        default_factory=list,
        metadata=about(
            "all mails that went out, in this order; below `never`: each of them alone",
            single=True, example="[welcome/hello]",
        ),
    )  # fmt: skip
    runs: list[Ran] = field(
        default_factory=list,
        metadata=about(
            "runs of the lead through campaigns: where it stands, until when, and how they ended",
            single=True, example="[{campaign: welcome, end: welcomed}]", frame=f"{ENDS}      {HOLE}",
        ),
    )  # fmt: skip
    held: list[HeldBack] = field(
        default_factory=list,
        metadata=about(
            "what had to wait on the way",
            single=True,
            example="{campaign: welcome, reason: quiet-hours}",
            frame=f"{NIGHT}      {HOLE}",
        ),
    )
    skipped: list[PassedOver] = field(
        default_factory=list,
        metadata=about(
            "steps that were skipped",
            single=True,
            example="{campaign: welcome, reason: no-email}",
            frame=f"{NOBODY}      {HOLE}",
        ),
    )
    not_enrolled: list[NotEnrolled] = field(
        default_factory=list,
        metadata=about(
            "campaigns that the lead did not enter",
            single=True,
            example="{campaign: welcome, reason: already-in}",
            frame=f"{AGAIN}      {HOLE}",
        ),
    )
    notified: list[Notified] = field(
        default_factory=list,
        metadata=about(
            "messages to colleagues",
            single=True,
            example="{to: ana@acme.example, text: is new}",
            frame=f"{TELLS}      {HOLE}",
        ),
    )
    posted: list[Posted] = field(
        default_factory=list,
        metadata=about(
            "webhooks to other programs",
            single=True,
            example="{hook: signed, type: lead.welcomed}",
            frame=f"{TELLS}      {HOLE}",
        ),
    )
    points: dict[Text, float] = field(
        default_factory=dict,
        metadata=about(
            "points that steps of campaigns gave, in all, by score", example="{engagement: 15}", frame=POINTS
        ),
    )
    promoted: bool | None = field(default=None, metadata=about("whether the lead was handed to sales", example="false"))
    opportunity: list[HandedOver] = field(
        default_factory=list,
        metadata=about(
            "what the CRM got", single=True, example="{owner: ana@acme.example, amount: 9600}", frame=HANDED
        ),
    )
    missing: list[Text] = field(
        default_factory=list,
        metadata=about(
            "what stands against promotion: names of evidence, `when`, `email`",
            single=True,
            example="[timing, budget]",
            frame=KNOWN,
        ),
    )
    lead: dict[str, Any] = field(
        default_factory=dict, metadata=about("fields of the lead at the end", example="{company: Acme}", frame=KNOWN)
    )


@dataclass(frozen=True)
class Example(Shape):
    """One example: rules that can be read as a story, and run as a test. `check` runs all of them."""

    title = "an example"
    shown = ("expect",)
    frame = f"examples:\n  - {HOLE}"
    name: Text = field(
        metadata=about("a sentence that says what is shown", example="a demo request is worth something")
    )
    given: Given = field(
        metadata=about("who it is and what happens", example="{events: [{at: 0d, type: form.submitted, form: demo}]}")
    )
    expect: Outcome | None = field(
        default=None, metadata=about("what must come of it", example="{score: {engagement: 40}}")
    )
    never: Outcome | None = field(
        default=None, metadata=about("what must not come of it", example="{mails: [trial/first-steps]}")
    )
    at: Moment | None = field(
        default=None, metadata=about(f"when to look: {WHEN}; default: at the last event", example="3 days")
    )


EXAMPLES: Final = about(
    "examples of what these rules do; `check` runs them",
    example="\n  - name: a demo request is worth something\n"
    "    given: {events: [{at: 0d, type: form.submitted, form: demo}]}\n"
    "    expect: {score: {engagement: 40}}",
)


@dataclass(frozen=True)
class ExamplesFile(Shape):
    """A file of nothing but examples."""

    title = "a file of examples"
    examples: list[Example] = field(
        metadata=about(
            "examples of what the rules do; `check` runs them",
            example="\n  - name: a demo request is worth something\n"
            "    given: {events: [{at: 0d, type: form.submitted, form: demo}]}\n"
            "    expect: {score: {engagement: 40}}",
        )
    )
