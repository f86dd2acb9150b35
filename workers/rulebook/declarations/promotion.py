"""Promotion: when a lead becomes an opportunity, what is handed over, and to whom."""

# ruff: noqa: TC001, TC003  (annotations are read at run time)

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal

from workers.rulebook.declarations.company import CURRENCY
from workers.rulebook.declarations.examples import EXAMPLES, Example
from workers.rulebook.notations import Allowance, Cap
from workers.rulebook.shape import HOLE, NAME, WORD, Shape, Source, Text, about

OPPORTUNITY: Final = "opportunity: {crm: hubspot, stage: qualifiedtobuy, name: lead.company}"


@dataclass(frozen=True)
class Evidence(Shape):
    """What sales would ask first, and how much of it has to be known: `at_least` so many, `all`, or `any`."""

    title = "evidence"
    frame = f"promote:\n  at: sales-qualified\n  {OPPORTUNITY}\n  evidence:\n    {HOLE}"
    of: dict[Text, Source] = field(
        metadata=about(
            "the criteria, each an expression", pattern=NAME, beside=("at_least: 2",),
            example='{budget: lead.budget >= 5000, need: lead.seats >= 5, timing: lead.timeline == "now"}',
        )
    )  # fmt: skip
    at_least: int | None = field(default=None, metadata=about("so many of them must hold", least=1, example="2"))
    all: Literal[True] | None = field(default=None, metadata=about("all of them must hold", example="true"))
    any: Literal[True] | None = field(default=None, metadata=about("one of them must hold", example="true"))


@dataclass(frozen=True)
class Opportunity(Shape):
    """What is handed to the CRM."""

    title = "what is handed to the CRM"
    frame = f"promote:\n  at: sales-qualified\n  opportunity:\n    {HOLE}"
    crm: Text = field(metadata=about("the adapter, like hubspot", pattern=WORD, example="hubspot"))
    stage: Text = field(metadata=about("the stage of the CRM's pipeline", example="qualifiedtobuy"))
    name: Source = field(
        metadata=about(
            "the opportunity's name: an expression that gives text; one that is always the same stands in quotes "
            "inside quotes: `'\"Annual licence\"'`",
            example="'lead.company ~ \" deal\"'",
        )
    )
    pipeline: Text = field(default=Text("default"), metadata=about("the CRM's pipeline", example="default"))
    amount: Source | None = field(
        default=None,
        metadata=about("what it is worth: an expression that gives a number", example="lead.seats * 240"),
    )
    currency: Text | None = field(
        default=None, metadata=about("default: the account's", pattern=CURRENCY, example="EUR")
    )
    close_in: timedelta | None = field(
        default=None, metadata=about("from promotion to expected close", example="45 days")
    )


@dataclass(frozen=True)
class Share(Shape):
    """A salesperson's share in a round robin. `ben@…: 1` is short for `ben@…: {weight: 1}`."""

    title = "a share in a round robin"
    frame = f"""\
promote:
  at: sales-qualified
  {OPPORTUNITY}
  owner:
    round_robin:
      ana@northwind.example:
        {HOLE}
      ben@northwind.example: 1
"""
    weight: int = field(
        default=1, metadata=about("opportunities relative to the others", least=1, most=1_000, example="2")
    )
    cap: Cap | None = field(default=None, metadata=about("never more than so many", example="5 per day"))


RoundRobin = dict[Text, int | Share]
TURNS: Final = about(
    "who takes turns: e-mail address and weight, or `{weight: 2, cap: 5 per day}`; whoever is furthest behind their "
    "share and below their cap is next",
    least=1,
    most=1_000,
    example="{ana@northwind.example: {weight: 2, cap: 5 per day}, ben@northwind.example: 1}",
    beside=("fallback: vera@northwind.example",),
)


@dataclass(frozen=True)
class Territory(Shape):
    """Leads that are for certain people."""

    title = "a territory"
    frame = f"""\
promote:
  at: sales-qualified
  {OPPORTUNITY}
  owner:
    territories:
      - {HOLE}
    fallback: vera@northwind.example
"""
    when: Source = field(metadata=about("which leads", example='lead.country in ["DE", "AT", "CH"]'))
    round_robin: RoundRobin = field(
        metadata=about(TURNS["about"].doc, least=1, most=1_000, example="{vera@northwind.example: 1}")
    )


@dataclass(frozen=True)
class Owners(Shape):
    """Who gets an opportunity: the first territory that fits, else the round robin, else the fallback."""

    title = "owners"
    frame = f"promote:\n  at: sales-qualified\n  {OPPORTUNITY}\n  owner:\n    {HOLE}"
    shown = ("round_robin",)
    territories: list[Territory] = field(
        default_factory=list,
        metadata=about(
            "asked first, in order",
            example='\n  - when: lead.country in ["DE", "AT", "CH"]\n    round_robin: {vera@northwind.example: 1}',
        ),
    )
    round_robin: RoundRobin = field(default_factory=dict, metadata=TURNS)
    fallback: Text | None = field(
        default=None,
        metadata=about("who gets it when nobody else can, and hears of hand-offs nobody accepts",
                       example="sales-lead@northwind.example"),
    )  # fmt: skip


@dataclass(frozen=True)
class Promotion(Shape):
    """When a lead becomes an opportunity. At which stage, on which conditions and on how much evidence is the company's
    own decision; what is still missing for a lead is recorded and can be asked for, of one (`dripline explain`) or of
    all of them (`dripline candidates`).
    """

    title = "promotion"
    frame = f"promote:\n  {HOLE}"
    at: Text = field(metadata=about("the stage from which on a lead is looked at", example="sales-qualified"))
    opportunity: Opportunity = field(
        metadata=about("what is handed to the CRM", example="{crm: hubspot, stage: qualifiedtobuy, name: lead.company}")
    )
    when: Source | None = field(default=None, metadata=about("only if this is true", example='score("fit") >= 50'))
    evidence: Evidence | None = field(
        default=None,
        metadata=about(
            "what has to be known about the lead",
            example="{at_least: 1, of: {budget: lead.budget >= 5000, need: lead.seats >= 5}}",
        ),
    )
    owner: Text | Owners | None = field(
        default=None,
        metadata=about("e-mail address of who gets it, or how that is decided", example="ana@northwind.example"),
    )
    again: Literal["never"] | Source = field(
        default="never",
        metadata=about(
            "when a lead whose opportunity was lost may be promoted once more", example='days_since("crm.lost") > 90'
        ),
    )
    note: Text | None = field(
        default=None,
        metadata=about(
            "the hand-off note's folder below `templates/`, which holds a `note.txt`. It may say `lead`, `account`, "
            "`scores` (`scores.fit.score` and `.band`), `segments`, `evidence` (by name, true or false) and `recent` "
            "events (`at`, `type`, `points`); default: the built-in note",
            example="handoff/note",
        ),
    )
    accept_within: Allowance | None = field(
        default=None,
        metadata=about(
            "how long sales may take to accept; business time stands still on the account's own days off (`business`)",
            example="1 business day", beside=("escalate: head-of-sales@northwind.example",),
        ),
    )  # fmt: skip
    escalate: Text | None = field(
        default=None,
        metadata=about(
            "who hears of it when nobody has accepted in time; default: the owners' fallback",
            example="head-of-sales@northwind.example", beside=("accept_within: 1 business day",),
        ),
    )  # fmt: skip


@dataclass(frozen=True)
class PromoteFile(Shape):
    """`promotion.yaml`. There is one."""

    title = "the promotion's file"
    promote: Promotion = field(metadata=about("when a lead becomes an opportunity"))
    examples: list[Example] = field(default_factory=list, metadata=EXAMPLES)
