"""The compiled rulebook: what the engine runs on. Built once by `workers.rulebook`, immutable, shared by threads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, timedelta

    from workers.engine.steps import Step


class Facts(Protocol):
    """What an expression may ask beyond the event and the lead's fields."""

    @property
    def now(self) -> datetime:
        """The instant of the decision, aware."""

    @property
    def stage(self) -> str:
        """The lifecycle stage."""

    def score(self, model: str) -> float:
        """The model's score now, clamped to its range."""

    def band(self, model: str) -> str | None:
        """The model's band, or None."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression.

    Attributes:
        source: the text in the rule file, for people.
        value: the function of (event properties, lead fields, facts); missing values never raise.
        type: `text`, `number`, `boolean`, `list`, `date`, `datetime` or `any`.
    """

    source: str
    value: Callable[[Mapping[str, Any], Mapping[str, Any], Facts], Any]
    type: str


@dataclass(frozen=True, slots=True)
class Band:
    """A named stretch of a score with hysteresis: entered at `enter` and above, left below `leave`."""

    name: str
    enter: float
    leave: float


@dataclass(frozen=True, slots=True)
class EventRule:
    """Points for an event. `id` is `<model>.<rule>`; `when` None means always."""

    id: str
    model: str
    event: str
    points: int
    when: Expression | None


@dataclass(frozen=True, slots=True)
class ProfileRule:
    """Points for what is true of the lead's fields now. `id` is `<model>.<rule>`."""

    id: str
    model: str
    points: int
    when: Expression


@dataclass(frozen=True, slots=True)
class ScoreModel:
    """A named score: of events (with `half_life` or without) or of the profile.

    Attributes:
        half_life: microseconds in which an entry loses half its worth; None for no decay.
        minimum, maximum: the clamp, applied when the score is read.
        bands: from lowest `enter` to highest.
    """

    name: str
    half_life: int | None
    minimum: float
    maximum: float
    bands: tuple[Band, ...]
    event_rules: tuple[EventRule, ...]
    profile_rules: tuple[ProfileRule, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """A lifecycle stage; `when` None means it is only reached by being set (promotion, CRM) or by being first."""

    name: str
    when: Expression | None


@dataclass(frozen=True, slots=True)
class Trigger:
    """Something that starts or ends a run: an event (with a condition), or a stage that was reached."""

    event: str | None
    when: Expression | None
    stage: str | None


@dataclass(frozen=True, slots=True)
class Campaign:
    """A journey: who enters, who leaves, and the steps between.

    Attributes:
        version: content hash of the campaign's definition.
        again: `never`, or the least time between two entries.
        steps: in order; ids are unique within the campaign.
    """

    name: str
    version: str
    enter: tuple[Trigger, ...]
    again: timedelta | None
    exits: tuple[Trigger, ...]
    steps: tuple[Step, ...]

    def position(self, step: str) -> int | None:
        """Index of the step with this id, or None."""
        for index, candidate in enumerate(self.steps):
            if candidate.id == step:
                return index
        return None


@dataclass(frozen=True, slots=True)
class PromotionRule:
    """When a lead becomes an opportunity, and what is handed to the CRM.

    Attributes:
        at: the stage from which on a lead is a candidate.
        when: the score and fit conditions.
        evidence: named qualification criteria, in file order.
        at_least: how many of them must hold.
        name, amount: expressions over lead and scores; `amount` None means none is given.
        close_in: from promotion to expected close.
    """

    at: str
    when: Expression
    evidence: Mapping[str, Expression]
    at_least: int
    crm: str
    pipeline: str
    stage: str
    name: Expression
    amount: Expression | None
    currency: str
    close_in: timedelta | None
    owner: str


@dataclass(frozen=True, slots=True)
class Account:
    """The company that sends: used by templates, e-mail headers and money."""

    company: str
    zone: str
    currency: str
    sender: str
    address: str


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """A configured webhook source: route name, adapter file name, and the adapter's own options (field mapping)."""

    name: str
    adapter: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rulebook:
    """All rules of one version, compiled and indexed.

    Attributes:
        version: content hash over rule and template files (sha256, hexadecimal).
        fields: declared lead fields and their types.
        events: declared event types and the types of their properties.
        by_event: event rules by event type, the index of the hot path.
        enter_by_event, exit_by_event: campaigns by event type.
        campaigns: by name; `archive` holds older definitions by (name, campaign version) for people still in them.
        templates: template files by path, as text.
    """

    version: str
    account: Account
    fields: Mapping[str, str]
    events: Mapping[str, Mapping[str, str]]
    models: Mapping[str, ScoreModel]
    stages: tuple[Stage, ...]
    campaigns: Mapping[str, Campaign]
    promotion: PromotionRule | None
    sources: Mapping[str, SourceSpec]
    templates: Mapping[str, str]
    by_event: Mapping[str, tuple[EventRule, ...]] = field(default_factory=dict)
    enter_by_event: Mapping[str, tuple[tuple[Campaign, Trigger], ...]] = field(default_factory=dict)
    exit_by_event: Mapping[str, tuple[tuple[Campaign, Trigger], ...]] = field(default_factory=dict)
    archive: Mapping[tuple[str, str], Campaign] = field(default_factory=dict)
