"""The compiled rulebook: what the engine runs on. Built once by `workers.rulebook`, immutable, shared by threads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workers.engine.categories import NO_POLICY
from workers.engine.decay import Expiry
from workers.engine.rules.conditions import each_alone
from workers.engine.rules.derived import derive
from workers.engine.rules.intake import Answers, Intakes, Profiles
from workers.engine.rules.journeys import Controls, timed
from workers.engine.rules.leads import stages_ahead
from workers.engine.rules.sending import Sending, Tracking
from workers.engine.values import stamp
from workers.engine.watch import Moving, Watch, is_fluid, is_steady, steady_segments, watch_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.engine.categories import Category, ConsentPolicy, Sign
    from workers.engine.counters import Counted
    from workers.engine.decay import Decay
    from workers.engine.rules.conditions import Join, Test
    from workers.engine.rules.handoffs import PromotionRule
    from workers.engine.rules.intake import Intake, Profile
    from workers.engine.rules.journeys import Campaign, Cap, Trigger
    from workers.engine.rules.leads import Field, Stage
    from workers.engine.rules.scores import EventRule, Grade, ScoreModel, Segment
    from workers.engine.rules.sending import Account
    from workers.engine.rules.sources import SourceSpec


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
        plan: content hash of everything that decides where leads stand, who enters a campaign because of that, and who
            is promoted; when it changes, leads are looked at anew.
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
        answers: by event type, what counting such an event may change.
        decays: how each part that events add to loses its worth; `expiring` are those whose entries come to an end.
        lasting, passing: the segments that depend on fields alone, and the others: names, and their joined conditions.
        places: position of each segment; `unmoved` are those that depend on fields alone.
        profiles: the profile rules of each model, and their joined conditions.
        steady: the models whose profile rules depend on fields alone.
        fluid: the models that are worked out anew for every instant: formulas, and points that change with time.
        changing: the models whose scores time changes, other than by turning the conditions of their rules.
        watched: for each stage, and for none (""), what may change about where a lead stands.
        considered, reconsidered: the same for whether it is promoted, and for whether it may be once more.
        horizon: microseconds after which no score decays any more.
        stamp: `scoring` and `plan` as one text.
        standing: campaigns that are entered by where a lead stands.
        timed: (id, campaign, trigger) for all that begin by date or schedule.
        clockwork: of what depends on nothing but the time, and whether it holds, by when it turns since when that is
            next, as found so far.
        turning: whether time alone may turn something for somebody who is in a campaign.
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
    controls: Controls = field(default_factory=Controls)
    tracking: Tracking = field(default_factory=Tracking)
    sending: Sending = field(default_factory=Sending)
    consent: ConsentPolicy = NO_POLICY
    topics: Mapping[str, str] = field(default_factory=dict)
    signs: Mapping[str, tuple[tuple[Category, Sign], ...]] = field(init=False, repr=False, compare=False)
    banded: tuple[ScoreModel, ...] = field(init=False, repr=False, compare=False)
    order: Mapping[str, int] = field(init=False, repr=False, compare=False)
    renamed: Mapping[str, str] = field(init=False, repr=False, compare=False)
    back: Mapping[str, tuple[Stage, ...]] = field(init=False, repr=False, compare=False)
    ahead: Mapping[str, tuple[Stage, ...]] = field(init=False, repr=False, compare=False)
    intake: Mapping[str, Intake] = field(init=False, repr=False, compare=False)
    answers: Answers = field(init=False, repr=False, compare=False)
    decays: Mapping[str, Decay] = field(init=False, repr=False, compare=False)
    expiring: tuple[tuple[str, Expiry], ...] = field(init=False, repr=False, compare=False)
    lasting: tuple[tuple[str, ...], Test] = field(init=False, repr=False, compare=False)
    passing: tuple[tuple[str, ...], Test] = field(init=False, repr=False, compare=False)
    places: Mapping[str, int] = field(init=False, repr=False, compare=False)
    unmoved: frozenset[str] = field(init=False, repr=False, compare=False)
    profiles: Mapping[str, Profile] = field(init=False, repr=False, compare=False)
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
    clockwork: dict[tuple[Moving, bool], dict[int, int]] = field(init=False, repr=False, compare=False)
    turning: bool = field(init=False, repr=False, compare=False)
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
        derive(self, "unmoved", steady)
        derive(self, "places", {name: index for index, name in enumerate(self.segments)})
        for name, which in (("lasting", True), ("passing", False)):
            segments = [each for each in self.segments.values() if (each.name in steady) is which]
            joined = tuple(each.name for each in segments), self.join([each.when for each in segments], None)
            derive(self, name, joined)
        derive(self, "steady", frozenset(each.name for each in self.models.values() if is_steady(each, steady)))
        derive(self, "profiles", Profiles(self))
        derive(self, "intake", Intakes(self))
        derive(self, "answers", Answers(self))
        derive(self, "decays", {rule.part: rule.decay for rules in self.by_event.values() for rule in rules})
        derive(self, "expiring", tuple(each for each in self.decays.items() if isinstance(each[1], Expiry)))
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
        derive(self, "clockwork", {})
        derive(self, "turning", any(each.turns for each in [*campaigns, *self.archive.values()]))
        derive(self, "stamp", stamp(self.scoring, self.plan))
        for kind in ("zone", "country"):
            derive(self, f"{kind}_fields", tuple(name for name, each in self.fields.items() if each.type == kind))


def signs(policy: ConsentPolicy) -> dict[str, tuple[tuple[Category, Sign], ...]]:
    """By event type, how consent is given, and to what."""
    pairs = [(category, sign) for category in policy.categories.values() for sign in category.signs]
    return {kind: tuple(pair for pair in pairs if pair[1].event == kind) for kind in {each.event for _, each in pairs}}
