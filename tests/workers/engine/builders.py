"""Small rulebooks built by hand, so that engine tests need no YAML."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from workers.engine.decay import HalfLife
from workers.engine.rules import (
    Account,
    Band,
    Campaign,
    EventRule,
    Expression,
    Field,
    Group,
    Owner,
    Part,
    ProfileRule,
    PromotionRule,
    Rulebook,
    ScoreModel,
    Segment,
    Stage,
    Trigger,
)
from workers.engine.steps import end, send, wait
from workers.engine.values import Event
from workers.rulebook.declarations import STANDARD_EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workers.engine.counters import Counted

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
DAY_MICROS = 86_400_000_000


def says(function: Callable[..., Any]) -> Expression:
    """An expression that is a Python function of (event, lead, facts)."""
    return Expression("…", function, "any")


def event(
    number: int, type_: str, /, *, ago: timedelta = timedelta(), lead: dict[str, Any] | None = None, **properties: Any
) -> Event:
    return Event(number, type_, NOW - ago, properties, lead or {})


MONTHLY = HalfLife(30 * DAY_MICROS)


def model(**changes: Any) -> ScoreModel:
    bands = (Band("warm", 30, 20), Band("hot", 70, 55))
    groups = (Group("engagement", (Part("engagement", MONTHLY),)),)
    return replace(ScoreModel("engagement", 0, 100, bands, groups), **changes)


def points(kind: str, amount: float, when: Callable[..., Any] | None = None, name: str = "", **more: Any) -> EventRule:
    rule = name or kind.replace(".", "-")
    given = {"part": "engagement", "decay": MONTHLY, **more}
    return EventRule(f"engagement.{rule}", "engagement", kind, amount, says(when) if when else None, **given)


BIG = ProfileRule("fit.big", "fit", 60, says(lambda _, lead, __: lead.get("size", 0) >= 100))
FIT = ScoreModel("fit", 0, 100, (), (Group("fit", (), (BIG,)),))

STAGES = (
    Stage("subscriber", None),
    Stage("lead", says(lambda _, __, facts: facts.score("engagement") >= 10)),
    Stage("sales-qualified", says(lambda _, __, facts: facts.band("engagement") == "hot")),
    Stage("opportunity", None),
    Stage("customer", None),
)

WELCOME = Campaign(
    name="welcome",
    version="w1",
    enter=(Trigger("form.submitted", says(lambda event, _, __: event.get("form") == "newsletter")),),
    again=None,
    exits=(Trigger("email.replied"), Trigger(stage="opportunity")),
    steps=(
        send.Step("welcome/hello", "hello"),
        wait.Step(2 * DAY, "pause"),
        send.Step("welcome/case-study", "case-study"),
    ),
)

NURTURE = replace(
    WELCOME,
    name="nurture",
    version="n1",
    enter=(Trigger(stage="lead"),),
    again=30 * DAY,
    exits=(),
    steps=(send.Step("nurture/one", "one"), end.Step("nurtured", "end")),
)

PROMOTION = PromotionRule(
    at="sales-qualified",
    when=says(lambda _, __, facts: facts.score("fit") >= 60),
    evidence={
        "budget": says(lambda _, lead, __: lead.get("budget") is not None),
        "authority": says(lambda _, lead, __: "chief" in str(lead.get("title", "")).lower()),
        "timing": says(lambda _, lead, __: lead.get("timeline") == "now"),
    },
    at_least=2,
    crm="hubspot",
    pipeline="default",
    stage="qualified",
    name=says(lambda _, lead, __: f"{lead.get('company')} deal"),
    amount=says(lambda _, lead, __: lead.get("seats") and lead["seats"] * 240.5),
    currency="EUR",
    close_in=45 * DAY,
    owners=(Owner("ana@example.test"),),
)


RULES = (points("form.submitted", 40), points("page.viewed", 5))
ENGAGEMENT = model()


RULES = (points("form.submitted", 40), points("page.viewed", 5))
ENGAGEMENT = model()
FIELDS = {
    name: Field(name, kind)
    for name, kind in {
        "email": "email", "first_name": "text", "title": "text", "company": "text", "size": "integer",
        "budget": "money", "seats": "integer", "timeline": "text", "city": "text",
    }.items()
}  # fmt: skip


DECLARED = {
    **STANDARD_EVENTS,
    "product.trial_started": {},
    "content.downloaded": {"content": "text"},
}


@dataclass(frozen=True)
class Parts:
    rules: tuple[EventRule, ...] = RULES
    engagement: ScoreModel = ENGAGEMENT
    campaigns: tuple[Campaign, ...] = (WELCOME,)
    promotion: PromotionRule | None = PROMOTION
    fields: Mapping[str, Field] = field(default_factory=lambda: FIELDS)
    counted: Mapping[str, Counted] = field(default_factory=dict)
    segments: tuple[Segment, ...] = ()
    stages: tuple[Stage, ...] = STAGES
    credit: int = 0
    scoring: str = "s1"


def rulebook(**changes: Any) -> Rulebook:
    parts = replace(Parts(), **changes)
    by_event: dict[str, tuple[EventRule, ...]] = {}
    for rule in parts.rules:
        by_event[rule.event] = (*by_event.get(rule.event, ()), rule)
    enter: dict[str, tuple[tuple[Campaign, Trigger], ...]] = {}
    for campaign in parts.campaigns:
        for trigger in campaign.enter:
            if trigger.event:
                enter[trigger.event] = (*enter.get(trigger.event, ()), (campaign, trigger))
    return Rulebook(
        version="0123456789abcdef",
        account=Account("Acme", "UTC", "EUR", "Acme <a@acme.test>", "Street 1"),
        fields=parts.fields,
        events=DECLARED,
        models={"engagement": parts.engagement, "fit": FIT},
        stages=parts.stages,
        campaigns={campaign.name: campaign for campaign in parts.campaigns},
        promotion=parts.promotion,
        sources={},
        templates={},
        by_event=by_event,
        enter_by_event=enter,
        scoring=parts.scoring,
        segments={segment.name: segment for segment in parts.segments},
        counted=parts.counted,
        credit=parts.credit,
    )
