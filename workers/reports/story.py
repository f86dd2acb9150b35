"""One lead's story: why this score, this stage, this mail, and why no promotion; each with event, rule and version."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from workers.engine.scoring import NO_EVENT, entry, reading
from workers.engine.standing import Standing
from workers.engine.values import LeadState, instant, micros
from workers.store import decisions, events, identities, leads, opportunities, outbox

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from workers.engine.rules import Rulebook, ScoreModel
    from workers.store.decisions import LoggedDecision
    from workers.store.events import LoggedEvent

EVERY_ROW = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """What one rule adds to a score.

    Attributes:
        points: as the rule said when the event came.
        worth: what is left of them now.
        at, event, type: of the event; None of a profile rule.
        version: rulebook version that gave the points.
    """

    rule: str
    points: int
    worth: float
    at: datetime | None = None
    event: int | None = None
    type: str | None = None
    version: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """A score now, and where it comes from. `clamped` is what the model's range cuts off (or adds)."""

    model: str
    score: float
    band: str | None
    entries: tuple[Entry, ...]
    clamped: float


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The latest run through a campaign. `step` is the one to come; `outcome` is empty while under way."""

    campaign: str
    run: int
    entered: datetime
    step: str
    due: datetime | None
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class Line:
    """One decision in the story.

    Attributes:
        at: when it was decided.
        event_at: when the event that caused it happened; None for a wake-up.
        kind, rule, version, detail: see `workers.engine.values.Decision`.
        event: id of the event.
        type: type of the event.
    """

    at: datetime
    event_at: datetime | None
    kind: str
    rule: str
    version: str
    event: int | None
    type: str | None
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Story:
    """Everything about one lead at one instant.

    Attributes:
        suppressed: why nothing may be mailed to it; empty if it may.
        missing: what stood against promotion when it was last looked at; None if it never was a candidate.
        wake_at: when it is looked at again without an event.
    """

    id: int
    email: str | None
    identities: Sequence[str]
    stage: str
    staged: datetime
    fields: Mapping[str, Any]
    suppressed: str
    scores: Sequence[Score]
    enrolments: Sequence[Enrolment]
    promotions: int
    missing: Sequence[str] | None
    wake_at: datetime | None
    events: int
    timeline: Sequence[Line]
    outbox: Sequence[outbox.Row]
    opportunities: Sequence[opportunities.Opportunity]

    def as_data(self) -> dict[str, Any]:
        """As JSON-ready data, times as they are."""
        return asdict(self)


def read(conn: Connection, identity: str, rulebook: Rulebook, now: datetime) -> Story | None:
    """The story of the lead with an identity (`email:ann@acme.test`); None if there is none."""
    lead = leads.find(conn, identity)
    if lead is None:
        return None
    state = LeadState.load(lead.state)
    happened = {event.id: event for event in events.history(conn, lead.id)}
    decided = decisions.story(conn, lead.id)
    return Story(
        id=lead.id,
        email=lead.email,
        identities=identities.of_lead(conn, lead.id),
        stage=state.stage,
        staged=instant(state.staged),
        fields=state.fields,
        suppressed=state.suppressed,
        scores=scores(state, rulebook, decided, happened, now),
        enrolments=[_enrolment(name, value) for name, value in state.enrolments.items()],
        promotions=state.promotions,
        missing=state.missing,
        wake_at=lead.wake_at,
        events=state.events,
        timeline=[_line(each, happened) for each in decided],
        outbox=outbox.rows(conn, EVERY_ROW, lead_id=lead.id)[::-1],
        opportunities=opportunities.recent(conn, EVERY_ROW, lead.id)[::-1],
    )


def scores(
    state: LeadState,
    rulebook: Rulebook,
    decided: Iterable[LoggedDecision],
    happened: Mapping[int, LoggedEvent],
    now: datetime,
) -> list[Score]:
    """Every score of the rulebook, with the entries that make it."""
    standing = Standing(state, rulebook, now)
    made = [each for each in decided if each.kind == "scored"]
    return [_score(model, state, standing, made, happened) for model in rulebook.models.values()]


def _score(
    model: ScoreModel,
    state: LeadState,
    standing: Standing,
    made: Iterable[LoggedDecision],
    happened: Mapping[int, LoggedEvent],
) -> Score:
    earned = [one for each in made for one in _earned(model, each, happened, micros(standing.now))]
    held = [
        Entry(rule.id, rule.points, float(rule.points))
        for rule in model.profile_rules
        if rule.when.value(NO_EVENT, state.fields, standing) is True
    ]
    score = standing.score(model.name)
    raw = reading(state.scores.get(model.name, 0), model.half_life, micros(standing.now))
    return Score(
        model=model.name,
        score=score,
        band=standing.band(model.name),
        entries=(*sorted(earned, key=lambda one: (-one.worth, one.rule)), *held),
        clamped=round(score - raw - sum(one.worth for one in held), 6),
    )


def _earned(
    model: ScoreModel, decision: LoggedDecision, happened: Mapping[int, LoggedEvent], now: int
) -> Iterable[Entry]:
    """What one decision added to a model, at its worth now."""
    event = happened.get(decision.event_id or 0)
    if event is None:
        return
    at = micros(event.occurred_at)
    for rule, name, points in decision.detail["entries"]:
        if name == model.name:
            worth = reading(entry(points, at, model.half_life), model.half_life, now)
            yield Entry(rule, points, worth, event.occurred_at, event.id, event.type, decision.version)


def _enrolment(campaign: str, value: Any) -> Enrolment:
    due = None if value.due is None else instant(value.due)
    return Enrolment(campaign, value.run, instant(value.entered), value.step, due, value.outcome, value.reason)


def _line(decision: LoggedDecision, happened: Mapping[int, LoggedEvent]) -> Line:
    event = happened.get(decision.event_id or 0)
    return Line(
        at=decision.decided_at,
        event_at=event.occurred_at if event else None,
        kind=decision.kind,
        rule=decision.rule,
        version=decision.version,
        event=decision.event_id,
        type=event.type if event else None,
        detail=decision.detail,
    )
