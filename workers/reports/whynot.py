"""Why something did not happen: conditions taken apart at one instant, each part with the values that it looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workers.engine.call import Call
from workers.engine.campaigns.entry import refusal
from workers.engine.campaigns.runs import campaign_of
from workers.engine.expressions.reasons import Reason, Seen, reasons, scope, values
from workers.engine.lifecycle import stage_index
from workers.engine.promotion import is_candidate
from workers.engine.scoring import NO_EVENT
from workers.engine.standing import Standing
from workers.reports.journeys import refused
from workers.simulate.words import spelled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from workers.engine.rules import Campaign, Expression, PromotionRule, Rulebook, Timing, Trigger
    from workers.engine.values import Event, LeadState

Refusals = Mapping[tuple[str, int | None], str]
"""By campaign and event, why the event did not let the lead in."""
OPEN, PROMOTED, TOO_EARLY, TOO_LATE, MISSING, NO_RULE = (
    "due", "promoted", "too-early", "too-late", "missing", "no-rule",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition and what it came to.

    Attributes:
        name: of what it decides: a stage, a segment, a piece of evidence.
        source: as it stands in the rule file.
        holds: what it is now.
        reasons: the parts that make it so.
    """

    name: str
    source: str
    holds: bool
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Promotion:
    """Whether the lead became an opportunity, and if not, what stands against it.

    Attributes:
        state: `promoted`, `too-early` (the stage where the rules look at it is not reached), `too-late` (it is past
            that, or at a stage that nothing leads on from), `missing`, `due` (nothing stands against it any more), or
            `no-rule`.
        at: the stage from which on the rules look at a lead.
        at_least: how many pieces of evidence must hold.
        missing: what stands against it: `when`, names of evidence, `email`.
        when, evidence: the conditions.
        again: the condition to be promoted once more after a loss; None where there is none.
    """

    state: str
    at: str = ""
    at_least: int = 0
    missing: tuple[str, ...] = ()
    when: Condition | None = None
    evidence: tuple[Condition, ...] = ()
    again: Condition | None = None


@dataclass(frozen=True, slots=True)
class NotIn:
    """A campaign that the lead is not in, and why: a refusal, or for each way in what stands against it."""

    campaign: str
    reason: str = ""
    ways: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()


class Inquiry:
    """Asks about one lead at one instant.

    Args:
        state: the lead as it was then.
        history: its events until then.
        rulebook: the rules then.
        now: the instant.
    """

    def __init__(self, state: LeadState, history: Sequence[Event], rulebook: Rulebook, now: datetime) -> None:
        self.state = state
        self.rulebook = rulebook
        self.standing = Standing(state, rulebook, now)
        self._history = history
        self._now = now
        self._seen = Seen(scope(rulebook), NO_EVENT, state.fields, self.standing)

    def condition(self, name: str, expression: Expression) -> Condition:
        """A condition on the lead."""
        holds = expression.value(NO_EVENT, self.state.fields, self.standing) is True
        return Condition(name, expression.source, holds, tuple(reasons(expression.source, self._seen)))

    def of_event(self, name: str, expression: Expression, event: Event) -> Condition:
        """A condition on an event."""
        holds = expression.value(event.properties, self.state.fields, self.standing) is True
        return Condition(name, expression.source, holds, tuple(reasons(expression.source, self._of(event))))

    def unvalued(self, expression: Expression, event: Event) -> tuple[tuple[str, Any], ...] | None:
        """What an expression looks at that has no value for an event; None if it has one."""
        if expression.value(event.properties, self.state.fields, self.standing) is not None:
            return None
        return values(expression.source, self._of(event))

    def _of(self, event: Event) -> Seen:
        return Seen(scope(self.rulebook, event.type), event.properties, self.state.fields, self.standing)

    def stages(self) -> list[Condition]:
        """The stages that the lead may come to from where it is, the next one first."""
        here = self.state.stage
        ways = [*reversed(self.rulebook.ahead.get(here, ())), *self.rulebook.back.get(here, ())]
        return [self.condition(stage.name, stage.when) for stage in ways if stage.when is not None]

    def segments(self) -> list[Condition]:
        """All segments."""
        return [self.condition(each.name, each.when) for each in self.rulebook.segments.values()]

    def promotion(self) -> Promotion:
        """Whether it was promoted, or what is missing."""
        rule = self.rulebook.promotion
        if rule is None:
            return Promotion(NO_RULE)
        again = self.condition("again", rule.again) if rule.again is not None else None
        if self.state.promotions and not (self.state.lost and again and again.holds):
            return Promotion(PROMOTED, rule.at, again=again if self.state.lost else None)
        when = self.condition("when", rule.when)
        evidence = tuple(self.condition(name, test) for name, test in rule.evidence.items())
        missing = [] if when.holds else ["when"]
        if sum(each.holds for each in evidence) < rule.at_least:
            missing += [each.name for each in evidence if not each.holds]
        if not self.state.fields.get("email"):
            missing.append("email")
        state = self._out_of_reach(rule) or (MISSING if missing else OPEN)
        return Promotion(state, rule.at, rule.at_least, tuple(missing), when, evidence, again)

    def _out_of_reach(self, rule: PromotionRule) -> str:
        """Why the rules do not look at the lead at its stage; empty if they do."""
        if is_candidate(Call(self.state, 0, self.rulebook, self._now), rule):
            return ""
        early = stage_index(self.rulebook, self.state.stage) < stage_index(self.rulebook, rule.at)
        return TOO_EARLY if early else TOO_LATE

    def campaigns(self, refusals: Refusals) -> Iterator[NotIn]:
        """The campaigns that the lead is not in and never was; `refusals` tells why events did not let it in."""
        been = {campaign_of(name) for name in self.state.enrolments}
        for campaign in self.rulebook.campaigns.values():
            if campaign.name not in been:
                yield self._not_in(campaign, refusals)

    def _not_in(self, campaign: Campaign, refusals: Refusals) -> NotIn:
        call = Call(self.state, 0, self.rulebook, self._now)
        barred = refusal(call, campaign, None)
        ways, conditions = [], []
        for trigger in campaign.enter:
            way, condition = self._way_in(campaign.name, trigger, refusals)
            ways.append(way)
            conditions += [condition] if condition else []
        return NotIn(campaign.name, barred, tuple(ways), tuple(conditions))

    def _way_in(self, campaign: str, trigger: Trigger, refusals: Refusals) -> tuple[str, Condition | None]:
        """Why a trigger did not start the campaign: a sentence, and the condition that it looks at, if it has one."""
        if trigger.event is not None:
            return self._by_event(campaign, trigger, refusals)
        if trigger.segment and not self.standing.segment(trigger.segment):
            when = self.rulebook.segments[trigger.segment].when
            return f"it is not in segment {trigger.segment}", self.condition(trigger.segment, when)
        also = self.condition("when", trigger.when) if trigger.when is not None else None
        return self._by_time(trigger.timing) if trigger.timing is not None else self._by_place(trigger), also

    def _by_place(self, trigger: Trigger) -> str:
        """Why coming to a stage, segment or band did not start the campaign."""
        model, band = trigger.band or ("", "")
        place = (
            f"segment {trigger.segment}" if trigger.segment else f"band {band} of {model}" if model
            else f"stage {trigger.stage}"
        )  # fmt: skip
        here = (
            self.standing.band(model) == band if model else bool(trigger.segment) or self.state.stage == trigger.stage
        )
        if not here:
            return f"{place} was not entered"
        return f"it came to {place} before the campaign was in force, or did not fulfil its condition then"

    def _by_time(self, timing: Timing) -> str:
        """When a date or a schedule starts the campaign."""
        due = timing.next(self._now, self.state.fields, self.rulebook.account.zone)
        return "there is no date for it to come" if due is None else f"it begins at {spelled(due)}"

    def _by_event(self, campaign: str, trigger: Trigger, refusals: Refusals) -> tuple[str, Condition | None]:
        """The same for events of a type: of the latest one."""
        kind = trigger.event
        latest = max((e for e in self._history if e.type == kind), key=lambda e: (e.at, e.id), default=None)
        if kind is None or latest is None:
            return f"there was no {kind}", None
        condition = self.of_event(kind, trigger.when, latest) if trigger.when is not None else None
        told = f"the latest {kind} (event {latest.id})"
        if condition is not None and not condition.holds:
            return f"{told} did not fulfil the condition", condition
        reason = refusals.get((campaign, latest.id))
        why = f"did not let it in: {refused(reason)}" if reason else "came before the campaign was in force"
        return f"{told} {why}", condition

    def values(self, source: str) -> tuple[tuple[str, Any], ...]:
        """What an expression looks at, with its values."""
        return values(source, self._seen)
