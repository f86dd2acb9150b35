"""What an example may expect of campaigns: runs, mails with their times, what was held back, skipped, and told."""

# ruff: noqa: TC001  (annotations are read at run time)

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from workers.rulebook.shape import HOLE, Shape, Text, about
from workers.rulebook.times import Moment, Zone

DRIP: Final = """\
  - send: welcome/hello
  - wait: 2 days
  - send: trial/first-steps
  - end: welcomed
"""
SPLIT: Final = """\
  - split: {arms: {short: {steps: [{send: welcome/hello}]}, long: {steps: [{send: trial/first-steps}]}}}
    id: length
"""
TOLD: Final = """\
  - notify: {to: ana@acme.example, text: "{{ lead.company }} is new"}
  - webhook: {hook: signed, type: lead.welcomed, fields: [email, company]}
"""
FORM: Final = "{at: 0d, type: form.submitted, form: demo}"


def story(
    name: str, *, keys: str = "", steps: str = DRIP, given: str = "", events: tuple[str, ...] = (FORM,), at: str = ""
) -> str:
    """A campaign with an example of it, up to what is expected, as a frame for the manual.

    Args:
        name: of the example.
        keys: of the campaign, beside the way in and the steps.
        steps: its steps.
        given: what is given beside the events.
        events: what happens.
        at: when one looks; empty for the last event.
    """
    return (
        f"campaign: welcome\nenter: {{event: form.submitted}}\n{keys}{keys and chr(10)}steps:\n{steps}"
        f"examples:\n  - name: {name}\n    given:\n      {given}{given and chr(10) + '      '}"
        f"events: [{', '.join(events)}]\n    {at and f'at: {at}'}{at and chr(10) + '    '}expect:\n"
    )


MAILS: Final = story("two mails, two days apart", at="3 days")
WAITS: Final = story("two days between two mails", at="1 day")
ENDS: Final = story("two mails, and that is all", at="3 days")
LEAVES: Final = story(
    "whoever answers hears from a person",
    keys="exit: {event: email.replied}",
    events=(FORM, "{at: 1 day, type: email.replied}"),
)
REACHES: Final = story(
    "a meeting is what it is for",
    keys="goal: {event: meeting.booked, leave: false}",
    events=(FORM, "{at: 1 day, type: meeting.booked}"),
)
CHANCE: Final = story("some get the short letter", steps=SPLIT, given="arms: {welcome.length: short}")
KEYED: Final = story("each form is answered", keys="key: event.form")
NIGHT: Final = story(
    "nobody gets mail in the night",
    keys='quiet_hours: {from: "20:00", to: "07:00"}',
    events=(FORM.replace("0d", "2026-03-02 23:00"),),
)
NOBODY: Final = story("without an address there is no mail", given="lead: {email: null}")
AGAIN: Final = story("one welcome at a time", events=(FORM, FORM.replace("0d", "1 day")))
TELLS: Final = story("Ana hears of everybody new", steps=TOLD, given="lead: {company: Acme}")
CHAT: Final = story("the team hears of everybody new", steps=TOLD.replace("to: ana@acme.example", "hook: slack"),
                    given="lead: {company: Acme}")  # fmt: skip
HANDED: Final = f"""\
promote:
  at: sales-qualified
  opportunity: {{crm: hubspot, stage: new, name: lead.company, amount: lead.seats * 240, currency: EUR}}
  owner: ana@acme.example
examples:
  - name: Ana gets an opportunity that is worth forty seats
    given:
      lead: {{company: Acme, employees: 2000, seats: 40}}
      events: [{{at: 0d, type: form.submitted, form: demo}}]
    expect:
      {HOLE}
"""
WHOSE: Final = "whose clock `{}` is on: `lead` (the account's, if the lead's is not known), `account`, or a time zone"
WHEN: Final = "`2 days` after the beginning, or `2026-03-05 09:00` by the clock"
Ending = Literal["under way", "finished", "exited", "goal", "held_out"]
Refusal = Literal[
    "already-in", "once-only", "too-soon", "drained", "exit-holds", "too-many-runs",
    "unsubscribed", "bounced", "soft-bounced", "complained",
]  # fmt: skip


def entry_of(before: str, key: str) -> str:
    """A frame: a whole rule file around one entry of a list that is expected."""
    return f"{before}      {key}:\n        - {HOLE}"


@dataclass(frozen=True)
class Mailed(Shape):
    """A mail that went out. `welcome/hello` is short for `{send: welcome/hello}`."""

    shorthand = True
    title = "a mail of an example"
    frame = entry_of(MAILS, "mails") + "\n        - trial/first-steps"
    send: Text = field(metadata=about("the template", example="welcome/hello"))
    at: Moment | None = field(default=None, metadata=about(f"when it went out: {WHEN}", example="2026-03-02 10:00"))
    zone: Zone = field(
        default="lead",  # type: ignore[assignment]  # a notation is read as what it says
        metadata=about(WHOSE.format("at"), example="account", beside=("at: 2026-03-02 10:00",)),
    )
    campaign: Text | None = field(default=None, metadata=about("the campaign that sent it", example="welcome"))


@dataclass(frozen=True)
class Ran(Shape):
    """A run: one way of the lead through a campaign. `welcome` is short for `{campaign: welcome}`, and says that the
    lead has been in it. Of several runs through one campaign the latest is looked at, with `key` the latest of that
    key.
    """

    shorthand = True
    title = "a run of an example"
    frame = entry_of(WAITS, "runs")
    campaign: Text = field(metadata=about("the campaign", example="welcome"))
    key: Text | None = field(
        default=None,
        metadata=about("what the campaign's `key` gave for this run", example="demo", frame=entry_of(KEYED, "runs")),
    )
    run: int | None = field(
        default=None, metadata=about("which run of the lead it is: 2 after one re-entry", least=1, example="1")
    )
    outcome: Ending | None = field(
        default=None,
        metadata=about(
            "`under way`; `finished` at an `end` or the last step; `exited`; `goal`, where that ends runs; `held_out`",
            example="under way",
        ),
    )
    step: Text | None = field(
        default=None,
        metadata=about(
            "the id of the step that comes next, or of the one that something is awaited at (`dripline campaign show` "
            "tells them)",
            example="send-trial-first-steps",
        ),
    )
    until: Moment | None = field(
        default=None, metadata=about(f"when the run goes on: {WHEN}", example="2026-03-04 10:00")
    )
    zone: Zone = field(
        default="lead",  # type: ignore[assignment]
        metadata=about(WHOSE.format("until"), example="account", beside=("until: 2026-03-04 10:00",)),
    )
    goal: bool | None = field(
        default=None, metadata=about("whether the goal was reached", example="true", frame=entry_of(REACHES, "runs"))
    )
    arms: dict[Text, Text] = field(
        default_factory=dict,
        metadata=about(
            "the arm that was taken, by the id of the split", example="{length: short}", frame=entry_of(CHANCE, "runs")
        ),
    )
    end: Text | None = field(
        default=None,
        metadata=about("the word of the `end` step at which it finished", example="welcomed",
                       frame=entry_of(ENDS, "runs")),
    )  # fmt: skip
    exit: Text | None = field(
        default=None,
        metadata=about(
            "why it exited: the event's type, `stage opportunity`, `segment enterprise`, `band engagement hot`, "
            "`condition`, `left-by-step`, or why nothing may be mailed (`unsubscribed`, `bounced`, …)",
            example="email.replied",
            frame=entry_of(LEAVES, "runs"),
        ),
    )


@dataclass(frozen=True)
class HeldBack(Shape):
    """A mail that had to wait although its turn had come, or a step while its campaign was paused."""

    shorthand = True
    title = "what an example holds back"
    frame = entry_of(NIGHT, "held")
    campaign: Text = field(metadata=about("the campaign", example="welcome"))
    step: Text | None = field(default=None, metadata=about("the id of the step", example="send-welcome-hello"))
    reason: Literal["quiet-hours", "cap", "paused", "replied"] | None = field(
        default=None,
        metadata=about("why: `quiet-hours` (days off, too), `cap`, `paused`, `replied`", example="quiet-hours"),
    )
    until: Moment | None = field(default=None, metadata=about(f"until when: {WHEN}", example="2026-03-03 07:00"))
    zone: Zone = field(
        default="lead",  # type: ignore[assignment]
        metadata=about(WHOSE.format("until"), example="account", beside=("until: 2026-03-03 07:00",)),
    )


@dataclass(frozen=True)
class PassedOver(Shape):
    """A step that did nothing for this lead; the run went on behind it."""

    shorthand = True
    title = "what an example skips"
    frame = entry_of(NOBODY, "skipped")
    campaign: Text = field(metadata=about("the campaign", example="welcome"))
    step: Text | None = field(default=None, metadata=about("the id of the step", example="send-welcome-hello"))
    reason: Text | None = field(
        default=None,
        metadata=about(
            "why: `no-email`, `no-consent`, `unsubscribed`, `cap`, `bad-value`, `so-already`, `nobody-to-tell`, …",
            example="no-email",
        ),
    )


@dataclass(frozen=True)
class NotEnrolled(Shape):
    """A campaign that the lead did not enter, although what starts it happened."""

    shorthand = True
    title = "what an example keeps out"
    frame = entry_of(AGAIN, "not_enrolled")
    campaign: Text = field(metadata=about("the campaign", example="welcome"))
    key: Text | None = field(
        default=None,
        metadata=about(
            "what the campaign's `key` gave",
            example="demo",
            frame=entry_of(AGAIN.replace("steps:", "key: event.form\nsteps:", 1), "not_enrolled"),
        ),
    )
    reason: Refusal | None = field(
        default=None,
        metadata=about(
            "why: in it (`already-in`), was in it (`once-only`), not long enough ago (`too-soon`), `drained`, "
            "`exit-holds`, or why nothing may be mailed",
            example="already-in",
        ),
    )


@dataclass(frozen=True)
class Notified(Shape):
    """A message to a colleague, by e-mail or in a chat. `ana@acme.example` is short for `{to: ana@acme.example}`."""

    shorthand = True
    title = "a message of an example"
    frame = entry_of(TELLS, "notified")
    to: Text | None = field(default=None, metadata=about("to whom", example="ana@acme.example"))
    hook: Text | None = field(
        default=None,
        metadata=about(
            "the hook that took it, instead of an e-mail",
            example="slack",
            frame=entry_of(CHAT, "notified"),
        ),
    )
    subject: Text | None = field(default=None, metadata=about("words of its subject", example="Acme"))
    text: Text | None = field(default=None, metadata=about("words of its text", example="Acme is new"))
    at: Moment | None = field(default=None, metadata=about(f"when: {WHEN}", example="0d"))
    zone: Zone = field(
        default="lead",  # type: ignore[assignment]
        metadata=about(WHOSE.format("at"), example="account", beside=("at: 2026-03-02 10:00",)),
    )


@dataclass(frozen=True)
class Posted(Shape):
    """A webhook to another program. `signed` is short for `{hook: signed}`."""

    shorthand = True
    title = "a webhook of an example"
    frame = entry_of(TELLS, "posted")
    hook: Text = field(metadata=about("the hook that took it", example="signed"))
    type: Text | None = field(default=None, metadata=about("what it is called there", example="lead.welcomed"))
    lead: dict[str, Any] = field(
        default_factory=dict, metadata=about("fields of the lead that went along", example="{company: Acme}")
    )
    at: Moment | None = field(default=None, metadata=about(f"when: {WHEN}", example="0d"))
    zone: Zone = field(
        default="lead",  # type: ignore[assignment]
        metadata=about(WHOSE.format("at"), example="account", beside=("at: 2026-03-02 10:00",)),
    )


@dataclass(frozen=True)
class HandedOver(Shape):
    """An opportunity that the CRM got. `ana@acme.example` is short for `{owner: ana@acme.example}`."""

    shorthand = True
    title = "an opportunity of an example"
    frame = HANDED.replace(HOLE, f"opportunity:\n        - {HOLE}")
    owner: Text | None = field(default=None, metadata=about("whose it is", example="ana@acme.example"))
    name: Text | None = field(default=None, metadata=about("what it is called", example="Acme"))
    amount: float | None = field(default=None, metadata=about("what it is worth", example="9600"))
    currency: Text | None = field(default=None, metadata=about("in which currency", example="EUR"))
    pipeline: Text | None = field(default=None, metadata=about("the pipeline it is in", example="default"))
    stage: Text | None = field(default=None, metadata=about("the CRM's stage that it begins at", example="new"))
    crm: Text | None = field(default=None, metadata=about("the CRM", example="hubspot"))
