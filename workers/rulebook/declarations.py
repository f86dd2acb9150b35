"""The kinds of rule files and what each may hold. The first key of a file's declaration is the word for its kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Literal

from workers.rulebook.shape import EVENT_TYPE, NAME, WORD, Raw, Shape, Source, Text, about

FieldType = Literal["text", "integer", "decimal", "boolean", "date", "datetime", "email", "country", "list"]
MOST_POINTS: Final = 10_000
MOST_SCORE: Final = 1_000_000
SHORTEST_HALF_LIFE: Final = timedelta(days=1)
"""Sums are exact integers of about one bit for each half-life of a lead's history: shorter ones would not stay small."""
CURRENCY: Final = (r"[A-Z]{3}", "the three capital letters of ISO 4217, like EUR")
STAGE: Final = NAME


# ── who we are, what we know, what happens ───────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Account(Shape):
    """Who we are: in every mail's `From` and footer, and in its unsubscribe headers."""

    company: Text = field(metadata=about("the company's name"))
    zone: Text = field(metadata=about("IANA time zone in which dates are read, like Europe/Berlin"))
    currency: Text = field(metadata=about("three letters, like EUR", pattern=CURRENCY))
    sender: Text = field(metadata=about('who mails come from, like "Nora at Northwind <nora@northwind.example>"'))
    address: Text = field(metadata=about("the postal address that the law wants in every mail"))


@dataclass(frozen=True)
class AccountFile(Shape):
    """`account.yaml`."""

    account: Account = field(metadata=about("who we are"))


@dataclass(frozen=True)
class Field(Shape):
    """A field of the lead. `first_name: text` is short for `first_name: {type: text}`."""

    shorthand = True
    type: FieldType = field(metadata=about("what its values are"))


@dataclass(frozen=True)
class FieldsFile(Shape):
    """`fields.yaml`: what is known about a person, and what rules may ask as `lead.<name>`."""

    fields: dict[Text, Field] = field(metadata=about("fields by name", pattern=WORD))


@dataclass(frozen=True)
class EventsFile(Shape):
    """`events.yaml`: what happens, and what rules may ask about it as `event.<name>`."""

    events: dict[Text, dict[Text, FieldType]] = field(
        metadata=about("the properties and their types, by event type", pattern=EVENT_TYPE)
    )


@dataclass(frozen=True)
class Stage(Shape):
    """A lifecycle stage."""

    when: Source | None = field(default=None, metadata=about("a lead that this is true of has come this far"))


@dataclass(frozen=True)
class StagesFile(Shape):
    """`lifecycle.yaml`: the way from a stranger to a customer, in order."""

    stages: dict[Text, Stage] = field(metadata=about("the stages, first to last", pattern=STAGE))


# ── scores ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Band(Shape):
    """A named stretch of a score. Whoever is in it stays until the score falls below `leave`, so nobody flips."""

    enter: float = field(metadata=about("entered at this score"))
    leave: float = field(metadata=about("left below this score"))


@dataclass(frozen=True)
class Rule(Shape):
    """Points: for an event, or, without `event`, for what is true of the lead now."""

    points: int = field(metadata=about("whole points, may be negative", least=-MOST_POINTS, most=MOST_POINTS))
    event: Text | None = field(default=None, metadata=about("the type of event that earns them"))
    when: Source | None = field(default=None, metadata=about("only if this is true"))


@dataclass(frozen=True)
class ScoreFile(Shape):
    """A score: the sum of the points of its rules."""

    score: Text = field(metadata=about("its name", pattern=NAME))
    rules: dict[Text, Rule] = field(metadata=about("what earns points, by name", pattern=NAME))
    half_life: timedelta | None = field(
        default=None, metadata=about("points lose half their worth in this time", least=SHORTEST_HALF_LIFE)
    )
    range: tuple[float, float] = field(
        default=(0.0, 100.0), metadata=about("lowest and highest score", least=-MOST_SCORE, most=MOST_SCORE)
    )
    bands: dict[Text, Band] = field(default_factory=dict, metadata=about("bands by name", pattern=NAME))


# ── promotion ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Evidence(Shape):
    """What sales would ask first, and how much of it has to be known."""

    of: dict[Text, Source] = field(metadata=about("the criteria, each an expression", pattern=NAME))
    at_least: int | None = field(default=None, metadata=about("so many of them must hold", least=1))
    all: Literal[True] | None = field(default=None, metadata=about("all of them must hold"))
    any: Literal[True] | None = field(default=None, metadata=about("one of them must hold"))


@dataclass(frozen=True)
class Opportunity(Shape):
    """What is handed to the CRM."""

    crm: Text = field(metadata=about("the adapter, like hubspot", pattern=WORD))
    stage: Text = field(metadata=about("the stage of the CRM's pipeline"))
    name: Source = field(metadata=about("the opportunity's name: an expression that gives text"))
    pipeline: Text = field(default=Text("default"), metadata=about("the CRM's pipeline"))
    amount: Source | None = field(default=None, metadata=about("what it is worth: an expression that gives a number"))
    currency: Text | None = field(default=None, metadata=about("default: the account's", pattern=CURRENCY))
    close_in: timedelta | None = field(default=None, metadata=about("from promotion to expected close"))


@dataclass(frozen=True)
class Promotion(Shape):
    """When a lead becomes an opportunity."""

    at: Text = field(metadata=about("the stage from which on a lead is looked at"))
    opportunity: Opportunity = field(metadata=about("what is handed to the CRM"))
    when: Source | None = field(default=None, metadata=about("only if this is true"))
    evidence: Evidence | None = field(default=None, metadata=about("what has to be known about the lead"))
    owner: Text | None = field(default=None, metadata=about("e-mail address of who gets it"))


@dataclass(frozen=True)
class PromoteFile(Shape):
    """`promotion.yaml`."""

    promote: Promotion = field(metadata=about("when a lead becomes an opportunity"))


# ── campaigns ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class EventTrigger(Shape):
    """An event, perhaps only with a condition."""

    event: Text = field(metadata=about("the type of event"))
    when: Source | None = field(default=None, metadata=about("only if this is true"))


@dataclass(frozen=True)
class StageTrigger(Shape):
    """A lifecycle stage that was reached."""

    stage: Text = field(metadata=about("the stage"))


Trigger = EventTrigger | StageTrigger


@dataclass(frozen=True)
class CampaignFile(Shape):
    """A campaign: who enters, who leaves, and the steps between."""

    campaign: Text = field(metadata=about("its name", pattern=NAME))
    enter: list[Trigger] = field(metadata=about("what starts it: `{event: …}` or `{stage: …}`", single=True))
    steps: list[Raw] = field(metadata=about("what happens, in order"))
    again: Literal["never"] | timedelta = field(
        default="never", metadata=about("the least time between two entries of one lead")
    )
    exit: list[Trigger] = field(default_factory=list, metadata=about("what ends it", single=True))


# ── sources ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class SourceFile(Shape):
    """A sender of webhooks; they come in at `/hooks/<source>`. Secrets stand in the environment, never here."""

    source: Text = field(metadata=about("its name, part of the URL", pattern=NAME))
    adapter: Text | None = field(default=None, metadata=about("who it is; default: its name", pattern=WORD))
    options: dict[str, Any] = field(default_factory=dict, metadata=about("the adapter's own settings", rest=True))


KINDS: Final[tuple[type[Shape], ...]] = (
    SourceFile,
    AccountFile,
    FieldsFile,
    EventsFile,
    StagesFile,
    ScoreFile,
    PromoteFile,
    CampaignFile,
)
"""All kinds. `SourceFile` comes first: a source's own settings may have any name, those of other kinds among them."""

STANDARD_EVENTS: Final = {
    "email.sent": {},
    "email.delivered": {},
    "email.opened": {"machine": "boolean"},
    "email.clicked": {"url": "text", "machine": "boolean"},
    "email.bounced": {"kind": "text", "reason": "text"},
    "email.complained": {},
    "email.unsubscribed": {},
    "email.replied": {},
    "form.submitted": {"form": "text"},
    "page.viewed": {"url": "text"},
    "content.downloaded": {},
    "webinar.attended": {},
    "meeting.booked": {},
    "product.signed_up": {},
    "social.engaged": {},
    "chat.started": {},
    "crm.stage_changed": {"stage": "text"},
    "crm.won": {},
    "crm.lost": {"reason": "text"},
}
"""Event types that need no declaration, and what may be asked of them; `events.yaml` adds to it."""
