"""The compiled rulebook: what the engine runs on. Built once by `workers.rulebook`, immutable, shared by threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from workers.engine.decay import KEEP, units
from workers.engine.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime, timedelta

    from workers.engine.counters import Counted, Span
    from workers.engine.decay import Decay
    from workers.engine.expressions.code import Code
    from workers.engine.steps import Step
    from workers.engine.watch import Turn


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

    def grade(self, name: str) -> str | None:
        """The grade, or None while one of its models is in no band."""

    def segment(self, name: str) -> bool:
        """True if the lead is in the segment."""

    def count(self, event: str, within: Span | None = None) -> int:
        """How many events of a type there were, ever or within a span that ends now."""

    def distinct(self, event: str, name: str, within: Span | None = None) -> int:
        """How many different values a property had (at most `counters.MOST_VALUES`)."""

    def first(self, event: str) -> datetime | None:
        """When the first event of a type happened, or None."""

    def last(self, event: str) -> datetime | None:
        """When the latest event of a type happened, or None."""

    def days_since(self, event: str) -> float | None:
        """Days since the latest event of a type, or None if there was none."""


class Ask(NamedTuple):
    """One thing that an expression looks at: `Ask("score", "fit")`, `Ask("count", "email.clicked", span=…)`.

    Attributes:
        what: `field`, `property`, `score`, `band`, `grade`, `segment`, `stage`, `now`, `count`, `distinct`, `first`,
            `last` or `days_since`.
        name: of the field, score, …, or the event type; empty for `stage` and `now`.
        detail: for `distinct` the property.
        span: for `count` and `distinct` the stretch of time; None for ever.
    """

    what: str
    name: str = ""
    detail: str = ""
    span: Span | None = None

    @property
    def moves(self) -> bool:
        """True if time alone may change the answer."""
        return self.what in {"score", "days_since", "now"} or self.span is not None


Test = Callable[[Mapping[str, Any], Mapping[str, Any], Facts], Any]
"""What an expression becomes: a function of (event properties, lead fields, facts); missing values never raise."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression.

    Attributes:
        source: the text in the rule file, for people.
        value: the compiled function.
        type: `text`, `number`, `boolean`, `list`, `date`, `datetime` or `any`.
        asks: everything it may look at.
        turns: for a condition, what of it time alone may turn.
        code: what it was compiled of; None for one that was made by hand.
    """

    source: str
    value: Test
    type: str
    asks: frozenset[Ask] = frozenset()
    turns: tuple[Turn, ...] = ()
    code: Code | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Band:
    """A named stretch of a score with hysteresis: entered at `enter` and above, left below `leave`.

    Attributes:
        hold: microseconds for which the score must have been there before the band is entered.
        cool_down: microseconds after leaving the band before it can be entered again.
    """

    name: str
    enter: float
    leave: float
    hold: int = 0
    cool_down: int = 0


@dataclass(frozen=True, slots=True)
class Limit:
    """Only so many events count: the earliest `most` of each key in each window.

    Attributes:
        key: what makes events alike (`event.form`); None counts all together.
        window: `hour`, `day`, `week` or `month` of UTC, or microseconds of a block; None for ever.
    """

    most: int
    key: Expression | None = None
    window: str | int | None = None


@dataclass(frozen=True, slots=True)
class EventRule:
    """Points for an event. `id` is `<model>.<rule>`; `when` None means always.

    Attributes:
        part: which of the model's sums the points go to.
        decay: how that sum loses its worth.
        points: a number, or an expression over the event, then kept between `least` and `most`.
        limit, every: which of several such events count (`every` 3: the third, the sixth, …).
        since, until: microseconds between which an event must have happened.
        units: the points in the unit that is added up, if every event counts and all of them alike; else None.
    """

    id: str
    model: str
    event: str
    points: float | Expression
    when: Expression | None = None
    part: str = ""
    decay: Decay = KEEP
    least: float = -10_000
    most: float = 10_000
    limit: Limit | None = None
    every: int = 1
    since: int | None = None
    until: int | None = None
    units: int | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out once what every event asks for."""
        plain = self.since is None and self.until is None and not self.ordered
        derive(self, "units", units(self.points) if plain and not isinstance(self.points, Expression) else None)

    @property
    def ordered(self) -> bool:
        """True if which events count depends on the others."""
        return self.limit is not None or self.every > 1


@dataclass(frozen=True, slots=True)
class ProfileRule:
    """Points for what is true of the lead now. `id` is `<model>.<rule>`."""

    id: str
    model: str
    points: float | Expression
    when: Expression
    least: float = -10_000
    most: float = 10_000


@dataclass(frozen=True, slots=True)
class Part:
    """One sum of entries that lose their worth alike, with a clamp of its own."""

    name: str
    decay: Decay
    minimum: float = float("-inf")
    maximum: float = float("inf")


@dataclass(frozen=True, slots=True)
class Group:
    """Parts and profile rules that share a clamp."""

    name: str
    parts: tuple[Part, ...] = ()
    profile_rules: tuple[ProfileRule, ...] = ()
    minimum: float = float("-inf")
    maximum: float = float("inf")


@dataclass(frozen=True, slots=True)
class ScoreModel:
    """A named score: of events, of the profile, of both, or a formula over other scores.

    Attributes:
        minimum, maximum: the clamp, applied when the score is read, like those of groups and parts.
        bands: from lowest `enter` to highest.
        groups: what is added up; empty for a formula.
        parts, profile_rules: those of all groups; `fading` are the parts that lose their worth.
        free: True if no part and no group has a clamp of its own.
    """

    name: str
    minimum: float
    maximum: float
    bands: tuple[Band, ...] = ()
    groups: tuple[Group, ...] = ()
    formula: Expression | None = None
    parts: tuple[Part, ...] = field(init=False, repr=False, compare=False)
    fading: tuple[Part, ...] = field(init=False, repr=False, compare=False)
    profile_rules: tuple[ProfileRule, ...] = field(init=False, repr=False, compare=False)
    free: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out once what every event asks for."""
        derive(self, "parts", tuple(part for group in self.groups for part in group.parts))
        derive(self, "fading", tuple(part for part in self.parts if part.decay is not KEEP))
        derive(self, "profile_rules", tuple(rule for group in self.groups for rule in group.profile_rules))
        clamped: list[Part | Group] = [*self.parts, *self.groups]
        derive(self, "free", all(each.minimum == -inf and each.maximum == inf for each in clamped))


@dataclass(frozen=True, slots=True)
class Grade:
    """A label made of the bands of one or two models: `A1` for band `A` of fit and band `1` of engagement."""

    name: str
    models: tuple[str, ...]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Segment:
    """A named condition on a lead; also used as a persona."""

    name: str
    when: Expression


@dataclass(frozen=True, slots=True)
class Field:
    """A declared field of a lead.

    Attributes:
        type: `text`, `integer`, `decimal`, `money`, `date`, `datetime`, `boolean`, `country`, `zone`, `email`, `url`,
            or `list of …`.
        merge: what is kept when several events tell it: `last`, `first`, `highest` or `union`.
        allowed: the only values it may have; empty for any.
        personal: personal data, to be erased with the person.
    """

    name: str
    type: str
    merge: str = "last"
    allowed: tuple[Any, ...] = ()
    personal: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """A lifecycle stage; `when` None means it is only reached by being set (promotion, CRM) or by being first.

    Attributes:
        back_from: stages that lie after this one and from which `when` leads back here (recycling).
        reason: why a lead is here, for stages that need one (`recycled`, `disqualified`).
        terminal: nothing leads on from here but a rule of another stage that names it in `back_from`.
    """

    name: str
    when: Expression | None
    back_from: tuple[str, ...] = ()
    reason: str = ""
    terminal: bool = False


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
class Owner:
    """A salesperson in a round robin.

    Attributes:
        email: who.
        weight: share of the opportunities, relative to the others.
        cap: most opportunities in a window of `cap_days` days; None for no cap.
    """

    email: str
    weight: int = 1
    cap: int | None = None
    cap_days: int = 1


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
        territories: who is asked first: the first whose condition holds; `owners` if none does.
        fallback: who gets it when everybody else is at their cap; also told when a hand-off is not accepted.
        note: the hand-off note's folder below `templates/`; empty for the built-in one.
        again: when a lead that was lost may be promoted once more; None for never.
        accept_within: how long sales may take to accept before `escalate_to` is told; None for no limit.
        business_time: whether that time runs on business days only.
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
    owners: tuple[Owner, ...]
    territories: tuple[tuple[Expression, tuple[Owner, ...]], ...] = ()
    fallback: str = ""
    note: str = ""
    again: Expression | None = None
    accept_within: timedelta | None = None
    business_time: bool = False
    escalate_to: str = ""


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
        scoring: content hash of everything that a score or a counter depends on; when it changes, leads are counted
            anew from the event log.
        fields: declared lead fields.
        events: declared event types and the types of their properties.
        counted: what expressions ask about the history, by event type.
        credit: microseconds within which a human sign credits a machine's open or click.
        by_event: event rules by event type, the index of the hot path.
        enter_by_event, exit_by_event: campaigns by event type.
        campaigns: by name; `archive` holds older definitions by (name, campaign version) for people still in them.
        templates: template files by path, as text.
        banded: the models that have bands.
        order: position of each stage.
        back, ahead: for each stage, and for none (""), the stages that lead back from it, and those that a lead may
            move on to, the last one first.
        lasting, passing: the conditions of the segments: those that depend on fields alone, and the others.
        steady: the models whose profile rules depend on fields alone.
        fluid: the models that are worked out anew for every instant: formulas, and points that change with time.
        changing: the models whose scores time changes, other than by turning the conditions of their rules.
        watched: for each stage, and for none (""), what time may change about where a lead stands.
        considered, reconsidered: the same for whether it is promoted, and for whether it may be once more.
        conditions: by event type, the conditions of its rules as one function that gives a tuple of truths.
        horizon: microseconds after which no score decays any more.
    """

    version: str
    account: Account
    fields: Mapping[str, Field]
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
    scoring: str = ""
    grades: Mapping[str, Grade] = field(default_factory=dict)
    segments: Mapping[str, Segment] = field(default_factory=dict)
    counted: Mapping[str, Counted] = field(default_factory=dict)
    credit: int = 0
    conditions: Mapping[str, Test] = field(default_factory=dict, repr=False, compare=False)
    banded: tuple[ScoreModel, ...] = field(init=False, repr=False, compare=False)
    order: Mapping[str, int] = field(init=False, repr=False, compare=False)
    back: Mapping[str, tuple[Stage, ...]] = field(init=False, repr=False, compare=False)
    ahead: Mapping[str, tuple[Stage, ...]] = field(init=False, repr=False, compare=False)
    lasting: tuple[tuple[str, Test], ...] = field(init=False, repr=False, compare=False)
    passing: tuple[tuple[str, Test], ...] = field(init=False, repr=False, compare=False)
    steady: frozenset[str] = field(init=False, repr=False, compare=False)
    fluid: frozenset[str] = field(init=False, repr=False, compare=False)
    changing: frozenset[str] = field(init=False, repr=False, compare=False)
    watched: Mapping[str, Watch] = field(init=False, repr=False, compare=False)
    considered: Watch = field(init=False, repr=False, compare=False)
    reconsidered: Watch = field(init=False, repr=False, compare=False)
    horizon: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out once what every event asks for."""
        names = ["", *(stage.name for stage in self.stages)]
        derive(self, "banded", tuple(model for model in self.models.values() if model.bands))
        derive(self, "order", {stage.name: index for index, stage in enumerate(self.stages)})
        derive(self, "back", {name: tuple(s for s in self.stages if name in s.back_from) for name in names})
        derive(self, "ahead", {name: stages_ahead(self.stages, name) for name in names})
        steady = steady_segments(self.segments)
        tests = [(each.name, each.when.value) for each in self.segments.values()]
        derive(self, "lasting", tuple(each for each in tests if each[0] in steady))
        derive(self, "passing", tuple(each for each in tests if each[0] not in steady))
        derive(self, "steady", frozenset(each.name for each in self.models.values() if is_steady(each, steady)))
        one_by_one = {kind: each_alone(rules) for kind, rules in self.by_event.items()}
        derive(self, "conditions", one_by_one | dict(self.conditions))
        derive(self, "fluid", frozenset(each.name for each in self.models.values() if is_fluid(each)))
        fading = {each.name for each in self.models.values() if each.fading}
        derive(self, "changing", self.fluid | fading)
        derive(self, "watched", {name: watch_of(self, name) for name in names})
        rule = self.promotion
        conditions = [rule.when, *rule.evidence.values()] if rule else []
        derive(self, "considered", Watch.of(conditions))
        derive(self, "reconsidered", Watch.of([rule.again] if rule and rule.again else []))
        lasts = [part.decay.lasts for model in self.models.values() for part in model.parts]
        derive(self, "horizon", max(lasts, default=0))


def each_alone(rules: Sequence[EventRule]) -> Test:
    """The conditions of some rules as one function, though they were not compiled together."""
    tests = [rule.when.value if rule.when else None for rule in rules]
    return lambda event, lead, facts: tuple(test is None or test(event, lead, facts) is True for test in tests)


def steady_segments(segments: Mapping[str, Segment]) -> frozenset[str]:
    """The segments that depend on fields alone, directly or by way of others."""
    steady = {name for name, segment in segments.items() if only_fields(segment.when, segments)}
    while passing := {name for name in steady if not only_fields(segments[name].when, steady)}:
        steady -= passing
    return frozenset(steady)


def is_steady(model: ScoreModel, segments: Collection[str]) -> bool:
    """True if the model's profile rules depend on fields, and on segments that do."""
    rules = model.profile_rules
    return all(only_fields(part, segments) for rule in rules for part in (rule.when, rule.points))


def is_fluid(model: ScoreModel) -> bool:
    """True if time changes the score in another way than by decay and by turning its conditions."""
    points = [rule.points for rule in model.profile_rules if isinstance(rule.points, Expression)]
    return model.formula is not None or any(ask.moves for each in points for ask in each.asks)


def watch_of(rulebook: Rulebook, stage: str) -> Watch:
    """What time may change about where a lead stands that is in a stage: segments, scores, bands, the stage itself."""
    present = [each for each in rulebook.stages if each.name == stage and each.back_from]
    stages = [*rulebook.ahead[stage], *rulebook.back[stage], *present]
    tests = [*(each.when for each in rulebook.segments.values()), *(each.when for each in stages if each.when)]
    profile = [rule.when for model in rulebook.models.values() for rule in model.profile_rules]
    return Watch.of([*tests, *profile], [model.name for model in rulebook.banded])


def only_fields(expression: Expression | float, segments: Collection[str]) -> bool:
    """True if an expression asks for fields and for these segments at most."""
    if not isinstance(expression, Expression):
        return True
    return all(ask.what == "field" or (ask.what == "segment" and ask.name in segments) for ask in expression.asks)


def stages_ahead(stages: Sequence[Stage], here: str) -> tuple[Stage, ...]:
    """The stages that a lead may move on to by their conditions, the last one first."""
    index = next((index for index, stage in enumerate(stages) if stage.name == here), -1)
    if index >= 0 and stages[index].terminal:
        return ()
    return tuple(stage for stage in reversed(stages[index + 1 :]) if stage.when and not stage.back_from)


def derive(of: object, name: str, value: object) -> None:
    """Set what follows from the other attributes of a frozen object, while it is made."""
    object.__setattr__(of, name, value)
