"""Examples beside the rules: a lead, what happens to it, and what is expected to come of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from workers.rulebook.shape import HOLE, Shape, Text, about

NO_TIME: Final = timedelta()
LATER: Final = {"least": NO_TIME, "most": timedelta(days=3_660)}


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
    at: timedelta = field(metadata=about("how long after the example's beginning", example="2h", **LATER))
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
        metadata=about("what is known from the beginning, by field", example="{first_name: Ann, employees: 200}"),
    )
    events: list[ExampleEvent] = field(
        default_factory=list,
        metadata=about("what happens, in any order", example="[{at: 0d, type: form.submitted, form: demo}]"),
    )


@dataclass(frozen=True)
class Outcome(Shape):
    """Where the lead stands at the end, and what went out on the way. What is not named is not looked at."""

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
        default_factory=dict, metadata=about("grades; `none` for no grade", example="{priority: A1}")
    )
    segments: list[Text] = field(
        default_factory=list, metadata=about("segments that the lead is in", single=True, example="[enterprise]")
    )
    stage: Text | None = field(default=None, metadata=about("the lifecycle stage at the end", example="lead"))
    reached: list[Text] = field(
        default_factory=list, metadata=about("stages that were entered on the way", single=True, example="[lead]")
    )
    mails: list[Text] = field(
        default_factory=list,
        metadata=about("templates of mails that went out, in this order", single=True, example="[welcome/hello]"),
    )
    promoted: bool | None = field(default=None, metadata=about("whether the lead was handed to sales", example="false"))
    missing: list[Text] = field(
        default_factory=list,
        metadata=about(
            "what stands against promotion: names of evidence, `when`, `email`", single=True, example="[timing]"
        ),
    )
    lead: dict[str, Any] = field(
        default_factory=dict, metadata=about("fields of the lead at the end", example="{company: Acme}")
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
    at: timedelta | None = field(
        default=None, metadata=about("when to look; default: at the last event", example="3 days", **LATER)
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
