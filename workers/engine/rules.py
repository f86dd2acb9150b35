"""The compiled rulebook: what the engine runs on. Built once by `workers.rulebook`, immutable, shared by threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from workers.engine.categories import NO_POLICY, ConsentPolicy
from workers.engine.decay import KEEP, units
from workers.engine.hours import WORKING_WEEK, Calendar
from workers.engine.values import stamp
from workers.engine.watch import Watch, is_fluid, is_steady, steady_segments, watch_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime, timedelta

    from workers.engine.categories import Category, Sign
    from workers.engine.counters import Counted, Span
    from workers.engine.decay import Decay
    from workers.engine.expressions.code import Code
    from workers.engine.hours import Quiet
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
        asks: what its formula and its profile rules look at.
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
    asks: frozenset[Ask] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out once what every event asks for."""
        derive(self, "parts", tuple(part for group in self.groups for part in group.parts))
        derive(self, "fading", tuple(part for part in self.parts if part.decay is not KEEP))
        derive(self, "profile_rules", tuple(rule for group in self.groups for rule in group.profile_rules))
        profile = [each for rule in self.profile_rules for each in (rule.when, rule.points)]
        asking = [each for each in (self.formula, *profile) if isinstance(each, Expression)]
        derive(self, "asks", frozenset().union(*(each.asks for each in asking)))
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
        personal: personal data, replaced where events are exported for other eyes.
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
        was: earlier names of it, under which leads may still stand here.
    """

    name: str
    when: Expression | None
    back_from: tuple[str, ...] = ()
    reason: str = ""
    terminal: bool = False
    was: tuple[str, ...] = ()


class Timing(Protocol):
    """When a campaign begins by itself: at a date that a lead's field tells, or on a schedule."""

    def basis(self, fields: Mapping[str, Any]) -> str:
        """What the next time depends on, as text: while it stays the same, so does what was worked out before."""

    def next(self, after: datetime, fields: Mapping[str, Any], account_zone: str) -> datetime | None:
        """The next time after an instant, or None if there is none."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """Something that starts or ends a run: one of the following, and `when` must hold, too.

    Attributes:
        event: an event of this type.
        when: a condition over the event (if one is named) and the lead; alone, it is looked at whenever the lead is.
        stage: the stage was reached.
        segment: the segment was entered; for an exit, the lead is in it.
        band: (model, band): the band was entered; for an exit, the lead is in it.
        timing: a date or a schedule; starts runs only.
    """

    event: str | None = None
    when: Expression | None = None
    stage: str | None = None
    segment: str | None = None
    band: tuple[str, str] | None = None
    timing: Timing | None = None

    @property
    def standing(self) -> bool:
        """True if it is about where the lead stands."""
        return bool(self.stage or self.segment or self.band)


@dataclass(frozen=True, slots=True)
class Goal:
    """What a campaign is for.

    Attributes:
        trigger: reaching it.
        within: microseconds after entry in which it counts; None for any time.
        leaves: whether the run ends with it.
    """

    trigger: Trigger
    within: int | None = None
    leaves: bool = True


@dataclass(frozen=True, slots=True)
class PauseWhen:
    """When a campaign stops by itself: so many of what it sent within the latest days ended badly.

    Attributes:
        shares: by what may happen to a mail (`bounced`, `complained`, `failed`), the share (0 to 1) that is too much.
        days: whole UTC days that are looked at, today included.
        at_least: mails sent in them before a share says anything.
    """

    shares: Mapping[str, float]
    days: int = 1
    at_least: int = 100


@dataclass(frozen=True, slots=True)
class Campaign:
    """A journey: who enters, who leaves, and the steps between.

    Attributes:
        version: content hash of the campaign's definition.
        again: `never`, or the least time between two entries.
        steps: in the order of the file, those inside branches included; ids are unique within the campaign.
        after: the step that follows each step, "" at the end; empty where that is the next one of `steps`.
        key: runs with different values of this expression (over the event that enters) go side by side.
        existing: whether leads that are where the campaign begins when it is published enter, too.
        hold_out: the share (0 to 1) of those who enter that is sent nothing, to compare with.
        goal: what it is for.
        priority: who goes first where only so many may be sent; the highest.
        quiet: hours in which nothing is sent.
        business_days: whether things are sent on business days only.
        edit: what happens to runs of older versions: they keep to theirs (`pin`), go on in this one (`move`), or keep
            to theirs and nobody enters any more (`drain`).
        moves: for `move`, the steps of this version that stand for removed ones.
        pause_when: when it stops by itself; None for never.
        owner: who is told of that, an address; empty for the promotion's fallback.
        following: the same, worked out.
        by_id: steps by id.
        measures: of the splits that test something, what is counted, by the step's id.
        heeded: types of the events that matter to somebody who has entered.
    """

    name: str
    version: str
    enter: tuple[Trigger, ...]
    again: timedelta | None
    exits: tuple[Trigger, ...]
    steps: tuple[Step, ...]
    after: Mapping[str, str] = field(default_factory=dict)
    key: Expression | None = None
    existing: bool = False
    hold_out: float = 0.0
    goal: Goal | None = None
    priority: int = 0
    quiet: Quiet | None = None
    business_days: bool = False
    edit: str = "pin"
    moves: Mapping[str, str] = field(default_factory=dict)
    pause_when: PauseWhen | None = None
    owner: str = ""
    following: Mapping[str, str] = field(init=False, repr=False, compare=False)
    by_id: Mapping[str, Step] = field(init=False, repr=False, compare=False)
    measures: Mapping[str, Trigger] = field(init=False, repr=False, compare=False)
    heeded: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out once what every event asks for."""
        ids = [step.id for step in self.steps]
        derive(self, "following", self.after or dict(pairwise([*ids, ""])))
        derive(self, "by_id", {step.id: step for step in self.steps})
        derive(self, "measures", {s.id: found for s in self.steps if (found := getattr(s, "measure", None))})
        triggers = [*self.exits, *([self.goal.trigger] if self.goal else ()), *self.measures.values()]
        derive(self, "heeded", frozenset(each.event for each in triggers if each.event))

    @property
    def first(self) -> str:
        """Id of the first step, "" if there is none."""
        return self.steps[0].id if self.steps else ""


@dataclass(frozen=True, slots=True)
class Cap:
    """Only so many messages to one lead, over all campaigns.

    Attributes:
        most: how many in any stretch of `window` microseconds.
        category: of the mails that count, empty for all.
        delay: what would be too many waits until it may go; if not, it is skipped.
    """

    most: int
    window: int
    category: str = ""
    delay: bool = True


@dataclass(frozen=True, slots=True)
class Controls:
    """What people and results have decided since the rules were published.

    Attributes:
        paused: campaigns in which nothing goes on.
        winners: by `campaign.step` of a split, the arm that everybody takes from now on.
    """

    paused: frozenset[str] = frozenset()
    winners: Mapping[str, str] = field(default_factory=dict)


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
    """The company that sends: used by templates, e-mail headers and money.

    Attributes:
        site: the website; without one no link in a mail may be relative.
        business: when it works.
    """

    company: str
    zone: str
    currency: str
    sender: str
    address: str
    business: Calendar = WORKING_WEEK
    site: str = ""

    @property
    def words(self) -> dict[str, str]:
        """What templates may say of it."""
        return {name: getattr(self, name) for name in ("company", "zone", "currency", "sender", "address", "site")}


@dataclass(frozen=True, slots=True)
class Tracking:
    """What is told of how mails are read.

    Attributes:
        clicks, opens: whether links lead through us, and whether a picture tells of the opening.
        consent: over the lead's fields: only mails to leads for whom it is true are tracked; None for all.
        untracked: templates in which nothing is tracked.
        utm: parameters for every link, `{campaign}` and `{template}` in them.
        url: scheme and domain of tracked links; empty for that of the web process.
    """

    clicks: bool = False
    opens: bool = False
    consent: Expression | None = None
    untracked: frozenset[str] = frozenset()
    utm: Mapping[str, str] = field(default_factory=dict)
    url: str = ""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """So many mails in a stretch of time.

    Attributes:
        of: `provider` or `domain`.
        name: of the provider, or the recipients' domain in lower case; `*` for each domain without a limit of its own.
        most: how many.
        window: in how many microseconds.
    """

    of: str
    name: str
    most: int
    window: int


@dataclass(frozen=True, slots=True)
class WarmUp:
    """How many mails a new sender may send on each of its days; `start` is midnight of the first."""

    provider: str
    start: datetime
    per_day: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sending:
    """How fast mail goes out."""

    limits: tuple[RateLimit, ...] = ()
    warm_ups: tuple[WarmUp, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """A configured webhook source: route name, adapter file name, and the adapter's own options (field mapping)."""

    name: str
    adapter: str
    options: Mapping[str, Any]


Intake = tuple[tuple[EventRule, ...], Test]
"""The rules for one type of event, and a function of such an event: whether each of them holds, and behind these
whether something about the event is not as it is declared."""
MISFIT: Final = (True,)
Join = Callable[[Sequence["Expression | None"], Mapping[str, str] | None], Test]
"""Makes one function of several conditions: a tuple of their truths, where None stands for what is always true; behind
these, whether a property is not of the type that is declared for it. True where nothing is declared."""


def each_alone(conditions: Sequence[Expression | None], _: Mapping[str, str] | None = None) -> Test:
    """A `Join` of conditions that were made by hand."""
    tests = [None if each is None else each.value for each in conditions]
    return lambda event, lead, facts: (
        *[test is None or test(event, lead, facts) is True for test in tests],
        *MISFIT,
    )


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
        caps: how many messages a lead may get.
        categories: of each template, `marketing` or `transactional`.
        plan: content hash of everything that decides who enters a campaign; when it changes, leads are looked at anew.
        controls: campaigns that are paused, tests that are decided.
        tracking: what is told of how mails are read.
        sending: how fast they go out.
        consent: categories of marketing mail, and how consent is given.
        topics: of each template that names one, its category of marketing mail.
        signs: by event type, how consent is given, and to what.
        by_event: event rules by event type, the index of the hot path.
        enter_by_event, exit_by_event: campaigns by event type.
        campaigns: by name; `archive` holds older definitions by (name, campaign version) for people still in them.
        templates: template files by path, as text.
        banded: the models that have bands.
        order: position of each stage.
        renamed: the present name of a stage by each earlier one.
        back, ahead: for each stage the stages that lead back from it, and those that a lead may move on to, the last
            one first.
        join: makes one function of several conditions.
        intake: what every event of a type is asked.
        decays: how each part that events add to loses its worth.
        lasting, passing: the segments that depend on fields alone, and the others: names, and their joined conditions.
        places: position of each segment.
        profiles: for each model with profile rules, these and their joined conditions.
        steady: the models whose profile rules depend on fields alone.
        fluid: the models that are worked out anew for every instant: formulas, and points that change with time.
        changing: the models whose scores time changes, other than by turning the conditions of their rules.
        watched: for each stage, and for none (""), what may change about where a lead stands.
        considered, reconsidered: the same for whether it is promoted, and for whether it may be once more.
        horizon: microseconds after which no score decays any more.
        stamp: `scoring` and `plan` as one text.
        standing: campaigns that are entered by where a lead stands.
        timed: (id, campaign, trigger) for all that begin by date or schedule.
        zone_fields, country_fields: the lead fields that tell where a lead lives.
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
    join: Join = field(default=each_alone, repr=False, compare=False)
    caps: tuple[Cap, ...] = ()
    categories: Mapping[str, str] = field(default_factory=dict)
    plan: str = ""
    controls: Controls = Controls()
    tracking: Tracking = Tracking()
    sending: Sending = Sending()
    consent: ConsentPolicy = NO_POLICY
    topics: Mapping[str, str] = field(default_factory=dict)
    signs: Mapping[str, tuple[tuple[Category, Sign], ...]] = field(init=False, repr=False, compare=False)
    banded: tuple[ScoreModel, ...] = field(init=False, repr=False, compare=False)
    order: Mapping[str, int] = field(init=False, repr=False, compare=False)
    renamed: Mapping[str, str] = field(init=False, repr=False, compare=False)
    back: Mapping[str, tuple[Stage, ...]] = field(init=False, repr=False, compare=False)
    ahead: Mapping[str, tuple[Stage, ...]] = field(init=False, repr=False, compare=False)
    intake: Mapping[str, Intake] = field(init=False, repr=False, compare=False)
    decays: Mapping[str, Decay] = field(init=False, repr=False, compare=False)
    lasting: tuple[tuple[str, ...], Test] = field(init=False, repr=False, compare=False)
    passing: tuple[tuple[str, ...], Test] = field(init=False, repr=False, compare=False)
    places: Mapping[str, int] = field(init=False, repr=False, compare=False)
    profiles: Mapping[str, tuple[tuple[ProfileRule, ...], Test]] = field(init=False, repr=False, compare=False)
    steady: frozenset[str] = field(init=False, repr=False, compare=False)
    fluid: frozenset[str] = field(init=False, repr=False, compare=False)
    changing: frozenset[str] = field(init=False, repr=False, compare=False)
    watched: Mapping[str, Watch] = field(init=False, repr=False, compare=False)
    considered: Watch = field(init=False, repr=False, compare=False)
    reconsidered: Watch = field(init=False, repr=False, compare=False)
    horizon: int = field(init=False, repr=False, compare=False)
    stamp: str = field(init=False, repr=False, compare=False)
    standing: tuple[Campaign, ...] = field(init=False, repr=False, compare=False)
    timed: tuple[tuple[str, Campaign, Trigger], ...] = field(init=False, repr=False, compare=False)
    zone_fields: tuple[str, ...] = field(init=False, repr=False, compare=False)
    country_fields: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out once what every event asks for."""
        names = [stage.name for stage in self.stages]
        derive(self, "signs", signs(self.consent))
        derive(self, "banded", tuple(model for model in self.models.values() if model.bands))
        derive(self, "order", {stage.name: index for index, stage in enumerate(self.stages)})
        derive(self, "renamed", {old: stage.name for stage in self.stages for old in stage.was})
        derive(self, "back", {name: tuple(s for s in self.stages if name in s.back_from) for name in names})
        derive(self, "ahead", {name: stages_ahead(self.stages, name) for name in names})
        steady = steady_segments(self.segments)
        derive(self, "places", {name: index for index, name in enumerate(self.segments)})
        for name, which in (("lasting", True), ("passing", False)):
            segments = [each for each in self.segments.values() if (each.name in steady) is which]
            joined = tuple(each.name for each in segments), self.join([each.when for each in segments], None)
            derive(self, name, joined)
        asked = {each.name: tuple(each.profile_rules) for each in self.models.values() if each.profile_rules}
        profiles = {name: (rules, self.join([rule.when for rule in rules], None)) for name, rules in asked.items()}
        derive(self, "profiles", profiles)
        derive(self, "steady", frozenset(each.name for each in self.models.values() if is_steady(each, steady)))
        derive(self, "intake", Intakes(self))
        derive(self, "decays", {rule.part: rule.decay for rules in self.by_event.values() for rule in rules})
        derive(self, "fluid", frozenset(each.name for each in self.models.values() if is_fluid(each)))
        fading = {each.name for each in self.models.values() if each.fading}
        derive(self, "changing", self.fluid | fading)
        derive(self, "watched", {name: watch_of(self, name) for name in ("", *names)})
        rule = self.promotion
        conditions = [rule.when, *rule.evidence.values()] if rule else []
        derive(self, "considered", Watch.of(conditions))
        derive(self, "reconsidered", Watch.of([rule.again] if rule and rule.again else []))
        lasts = [part.decay.lasts for model in self.models.values() for part in model.parts]
        derive(self, "horizon", max(lasts, default=0))
        campaigns = self.campaigns.values()
        derive(self, "standing", tuple(each for each in campaigns if any(t.standing for t in each.enter)))
        derive(self, "timed", tuple(timed(campaigns)))
        derive(self, "stamp", stamp(self.scoring, self.plan))
        for kind in ("zone", "country"):
            derive(self, f"{kind}_fields", tuple(name for name, each in self.fields.items() if each.type == kind))


def signs(policy: ConsentPolicy) -> dict[str, tuple[tuple[Category, Sign], ...]]:
    """By event type, how consent is given, and to what."""
    pairs = [(category, sign) for category in policy.categories.values() for sign in category.signs]
    return {kind: tuple(pair for pair in pairs if pair[1].event == kind) for kind in {each.event for _, each in pairs}}


def timed(campaigns: Iterable[Campaign]) -> Iterator[tuple[str, Campaign, Trigger]]:
    """The ways into campaigns that open by date or schedule, each with a name of its own."""
    for campaign in campaigns:
        for index, trigger in enumerate(campaign.enter):
            if trigger.timing is not None:
                yield f"{campaign.name}.{index}", campaign, trigger


class Intakes(dict[str, Intake]):
    """What every event of a type is asked, put together when the first one comes: `check` needs none of it."""

    def __init__(self, rulebook: Rulebook) -> None:
        super().__init__()
        self._rulebook = rulebook

    def __missing__(self, kind: str) -> Intake:
        """Put it together; of types that nobody declares nothing is kept, as anybody may make them up."""
        rules, declared = self._rulebook.by_event.get(kind, ()), self._rulebook.events.get(kind)
        intake = rules, self._rulebook.join([rule.when for rule in rules], declared)
        if rules or declared is not None:
            self[kind] = intake
        return intake


def stages_ahead(stages: Sequence[Stage], here: str) -> tuple[Stage, ...]:
    """The stages that a lead may move on to by their conditions, the last one first."""
    index = next(index for index, stage in enumerate(stages) if stage.name == here)
    if stages[index].terminal:
        return ()
    return tuple(stage for stage in reversed(stages[index + 1 :]) if stage.when and not stage.back_from)


def derive(of: object, name: str, value: object) -> None:
    """Set what follows from the other attributes of a frozen object, while it is made."""
    object.__setattr__(of, name, value)
