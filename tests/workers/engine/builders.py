"""Small rulebooks built by hand, so that engine tests need no YAML."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from workers.engine.rules import (
    Account,
    Band,
    Campaign,
    EventRule,
    Expression,
    ProfileRule,
    PromotionRule,
    Rulebook,
    ScoreModel,
    Stage,
    Trigger,
)
from workers.engine.steps import end, send, wait
from workers.engine.values import Event

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
DAY_MICROS = 86_400_000_000


def test(function: Callable[..., Any]) -> Expression:
    """An expression that is a Python function of (event, lead, facts)."""
    return Expression("…", function, "any")


def event(
    number: int, type_: str, /, *, ago: timedelta = timedelta(), lead: dict[str, Any] | None = None, **properties: Any
) -> Event:
    return Event(number, type_, NOW - ago, properties, lead or {})


def model(name: str = "engagement", half_life: int | None = 30 * DAY_MICROS, **changes: Any) -> ScoreModel:
    bands = (Band("warm", 30, 20), Band("hot", 70, 55))
    return replace(ScoreModel(name, half_life, 0, 100, bands, (), ()), **changes)


def points(kind: str, amount: int, when: Callable[..., Any] | None = None, name: str = "") -> EventRule:
    rule = name or kind.replace(".", "-")
    return EventRule(f"engagement.{rule}", "engagement", kind, amount, test(when) if when else None)


FIT = ScoreModel(
    "fit",
    None,
    0,
    100,
    (),
    (),
    (ProfileRule("fit.big", "fit", 60, test(lambda _, lead, __: lead.get("size", 0) >= 100)),),
)

STAGES = (
    Stage("subscriber", None),
    Stage("lead", test(lambda _, __, facts: facts.score("engagement") >= 10)),
    Stage("sales-qualified", test(lambda _, __, facts: facts.band("engagement") == "hot")),
    Stage("opportunity", None),
    Stage("customer", None),
)

WELCOME = Campaign(
    name="welcome",
    version="w1",
    enter=(Trigger("form.submitted", test(lambda event, _, __: event.get("form") == "newsletter"), None),),
    again=None,
    exits=(Trigger("email.replied", None, None), Trigger(None, None, "opportunity")),
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
    enter=(Trigger(None, None, "lead"),),
    again=30 * DAY,
    exits=(),
    steps=(send.Step("nurture/one", "one"), end.Step("nurtured", "end")),
)

PROMOTION = PromotionRule(
    at="sales-qualified",
    when=test(lambda _, __, facts: facts.score("fit") >= 60),
    evidence={
        "budget": test(lambda _, lead, __: lead.get("budget") is not None),
        "authority": test(lambda _, lead, __: "chief" in str(lead.get("title", "")).lower()),
        "timing": test(lambda _, lead, __: lead.get("timeline") == "now"),
    },
    at_least=2,
    crm="hubspot",
    pipeline="default",
    stage="qualified",
    name=test(lambda _, lead, __: f"{lead.get('company')} deal"),
    amount=test(lambda _, lead, __: lead.get("seats") and lead["seats"] * 240.5),
    currency="EUR",
    close_in=45 * DAY,
    owner="ana@example.test",
)


RULES = (points("form.submitted", 40), points("page.viewed", 5))
ENGAGEMENT = model()


@dataclass(frozen=True)
class Parts:
    rules: tuple[EventRule, ...] = RULES
    engagement: ScoreModel = ENGAGEMENT
    campaigns: tuple[Campaign, ...] = (WELCOME,)
    promotion: PromotionRule | None = PROMOTION


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
        fields={},
        events={},
        models={"engagement": parts.engagement, "fit": FIT},
        stages=STAGES,
        campaigns={campaign.name: campaign for campaign in parts.campaigns},
        promotion=parts.promotion,
        sources={},
        templates={},
        by_event=by_event,
        enter_by_event=enter,
    )
