"""The compiled rules, as values: immutable, made by `workers.rulebook`, run by the engine."""

from __future__ import annotations

from workers.engine.rules.conditions import Ask, Expression, Facts, Test
from workers.engine.rules.handoffs import Owner, PromotionRule
from workers.engine.rules.journeys import Campaign, Cap, Controls, Goal, OnReply, PauseWhen, Timing, Trigger
from workers.engine.rules.leads import Field, Stage
from workers.engine.rules.rulebook import Rulebook
from workers.engine.rules.scores import Band, EventRule, Grade, Group, Limit, Part, ProfileRule, ScoreModel, Segment
from workers.engine.rules.sending import Account, RateLimit, Route, Sending, Tracking, WarmUp
from workers.engine.rules.sources import SourceSpec

__all__ = [
    "Account",
    "Ask",
    "Band",
    "Campaign",
    "Cap",
    "Controls",
    "EventRule",
    "Expression",
    "Facts",
    "Field",
    "Goal",
    "Grade",
    "Group",
    "Limit",
    "OnReply",
    "Owner",
    "Part",
    "PauseWhen",
    "ProfileRule",
    "PromotionRule",
    "RateLimit",
    "Route",
    "Rulebook",
    "ScoreModel",
    "Segment",
    "Sending",
    "SourceSpec",
    "Stage",
    "Test",
    "Timing",
    "Tracking",
    "Trigger",
    "WarmUp",
]
