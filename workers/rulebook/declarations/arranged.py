"""What an example arranges beside the events: pauses, runs that are under way, and other people's mails."""

# ruff: noqa: TC001  (annotations are read at run time)

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from workers.rulebook.declarations.expected import story
from workers.rulebook.shape import HOLE, Shape, Text, about
from workers.rulebook.times import Moment

PAUSED: Final = (
    story("a mail that falls due during a pause goes out behind it", given=HOLE, at="5 days")
    + "      mails: [welcome/hello, {send: trial/first-steps, at: 5 days}]"
)


@dataclass(frozen=True)
class Paused(Shape):
    """A campaign in which nothing goes on for a while, as after `dripline campaign pause`."""

    title = "a pause of an example"
    frame = PAUSED.replace(HOLE, f"paused:\n        - {HOLE}")
    shown = ("to",)
    campaign: Text = field(metadata=about("the campaign", example="welcome"))
    begin: Moment = field(metadata=about("when it begins", key="from", example="1 day"))
    end: Moment | None = field(
        default=None,
        metadata=about("when it ends; default: not while the example lasts", key="to", example="5 days"),
    )


TAKEN_ALONG: Final = """\
campaign: welcome
enter: {event: form.submitted}
edit: {move: {send-welcome-old: send-welcome-hello}}
steps:
  - send: welcome/hello
examples:
  - name: whoever was waiting for the old letter gets the new one
    given:
"""
TOO_MUCH: Final = """\
campaign: welcome
enter: {event: form.submitted}
pause_when: {bounced: 5%, complained: 0.3%, failed: 10%, at_least: 200}
steps:
  - send: welcome/hello
  - wait: 2 days
  - send: trial/first-steps
examples:
  - name: where too many bounce, nobody else is written to
    given:
"""


STOPPED: Final = """\
      events: [{at: 0d, type: form.submitted, form: demo}]
    at: 3 days
    expect: {mails: welcome/hello, held: {campaign: welcome, step: send-trial-first-steps, reason: paused}}
"""


@dataclass(frozen=True)
class UnderWay(Shape):
    """A run that the lead is in already when the example begins. Where the campaign says `move`, it was entered in an
    earlier version, which may have had other steps; else in this one.
    """

    title = "a run of an example that is under way"
    frame = f"{TAKEN_ALONG}      under_way:\n        - {HOLE}\n    at: 2 days\n    expect: {{mails: welcome/hello}}\n"
    campaign: Text = field(metadata=about("the campaign", example="welcome"))
    step: Text = field(
        metadata=about(
            "the id of the step that comes next, or of a removed one that `move` names", example="send-welcome-old"
        )
    )
    until: Moment | None = field(
        default=None, metadata=about("when the run goes on; default: as the example begins", example="1 day")
    )


@dataclass(frozen=True)
class Others(Shape):
    """What has become of a campaign's mails to other people: of those sent on a day (in UTC), as it is known at a time
    of it. Where its `pause_when` finds that too much, the campaign pauses itself then.
    """

    title = "what an example tells of other people's mails"
    shown = ("bounced",)
    frame = f"{TOO_MUCH}      others:\n        - {HOLE}\n{STOPPED}"
    campaign: Text = field(metadata=about("the campaign", example="welcome"))
    at: Moment = field(metadata=about("when it is known", example="1 day"))
    sent: int = field(metadata=about("mails sent on that day, up to then", least=1, example="400"))
    bounced: int = field(default=0, metadata=about("how many of them bounced", least=0, example="24"))
    complained: int = field(
        default=0, metadata=about("how many were complained about", least=0, example="3", beside=("bounced: 24",))
    )
    failed: int = field(
        default=0, metadata=about("how many could not be sent", least=0, example="40", beside=("bounced: 24",))
    )
