"""Campaigns, and the senders of webhooks."""

# ruff: noqa: TC003  (annotations are read at run time)

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from workers.rulebook.declarations.examples import EXAMPLES, Example
from workers.rulebook.shape import HOLE, NAME, WORD, Raw, Shape, Source, Text, about


@dataclass(frozen=True)
class EventTrigger(Shape):
    """An event, perhaps only with a condition."""

    title = "an event that starts or ends a run"
    frame = f"campaign: welcome\nenter:\n  - {HOLE}\nsteps:\n  - send: welcome/hello"
    event: Text = field(metadata=about("the type of event", example="form.submitted"))
    when: Source | None = field(
        default=None, metadata=about("only if this is true", example='event.form == "newsletter"')
    )


@dataclass(frozen=True)
class StageTrigger(Shape):
    """A lifecycle stage that was reached."""

    title = "a stage that starts or ends a run"
    frame = f"campaign: welcome\nenter:\n  - {HOLE}\nsteps:\n  - send: welcome/hello"
    stage: Text = field(metadata=about("the stage", example="lead"))


Trigger = EventTrigger | StageTrigger


@dataclass(frozen=True)
class CampaignFile(Shape):
    """A campaign: who enters, who leaves, and the steps between. Whoever is in it keeps to the version they entered."""

    title = "a campaign"
    campaign: Text = field(metadata=about("its name", pattern=NAME, example="welcome"))
    enter: list[Trigger] = field(
        metadata=about(
            "what starts it: `{event: …}` or `{stage: …}`, one or a list", single=True,
            example='{event: form.submitted, when: event.form == "newsletter"}',
        )
    )  # fmt: skip
    steps: list[Raw] = field(
        metadata=about("what happens, in order", example="\n  - send: welcome/hello\n  - wait: 2 days\n  - end: done")
    )
    again: Literal["never"] | timedelta = field(
        default="never", metadata=about("the least time between two entries of one lead", example="180 days")
    )
    exit: list[Trigger] = field(
        default_factory=list,
        metadata=about("what ends it", single=True, example="[{event: email.replied}, {stage: opportunity}]"),
    )
    examples: list[Example] = field(default_factory=list, metadata=EXAMPLES)


@dataclass(frozen=True)
class SourceFile(Shape):
    """A sender of webhooks; they come in at `/hooks/<source>`. Secrets stand in the environment, never here."""

    title = "a source"
    source: Text = field(metadata=about("its name, part of the URL", pattern=NAME, example="forms"))
    adapter: Text | None = field(
        default=None, metadata=about("who it is; default: its name", pattern=WORD, example="typeform")
    )
    options: dict[str, Any] = field(default_factory=dict, metadata=about("the adapter's own settings", rest=True))
