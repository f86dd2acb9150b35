"""One lead at one instant: why this score, stage and mail, and why not another; with event, rule, version and time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from workers.engine.ledger import ledger
from workers.engine.values import LeadState, instant
from workers.exceptions import NoRulebook
from workers.pipeline.verdict import seen
from workers.reports.aside import left
from workers.reports.asof import as_decided, counted, lost
from workers.reports.causes import causes
from workers.reports.runs import enrolments, not_sent, refusals
from workers.reports.scores import score_of
from workers.reports.unscored import unscored
from workers.reports.whynot import Inquiry
from workers.reports.words import sentence
from workers.simulate.words import spelled
from workers.store import activations, decisions, history, identities, leads, opportunities, outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from workers.engine.rules import Rulebook
    from workers.reports.aside import Aside
    from workers.reports.causes import Cause
    from workers.reports.runs import Enrolment, NotSent
    from workers.reports.scores import Score
    from workers.reports.unscored import Unscored
    from workers.reports.whynot import Condition, NotIn, Promotion
    from workers.store.activations import Activation
    from workers.store.decisions import LoggedDecision
    from workers.store.events import Claimed

EVERY_ROW: Final = 1000
HANDED: Final = frozenset({"promoted", "accepted", "escalated"})
"""Kinds of decisions about a hand-off."""


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
class Told:
    """A field of the lead, and the event that told it (None if none did)."""

    name: str
    value: Any
    event: int | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Story:
    """Everything about one lead at one instant.

    Attributes:
        at: the instant; `rules` were in force then.
        suppressed: why nothing may be mailed to it; empty if it may.
        unscored: events that no rule gave points for, the latest first.
        segments: all of them, those that it is in first.
        stage_reason: why it is at its stage, where that has a reason.
        stages: those it may come to from where it is.
        handoff: how sales has answered to the latest promotion, one sentence; empty if there is nothing to answer.
        not_sent: mails that campaigns would have sent, with what stood against them.
        not_in: campaigns that it never was in.
        gone: how many events were counted once and are in the log no more.
        wake_at: when it is looked at again without an event; None for never, and for an instant in the past.
        aside: what reached us and counts for nothing, with the reason.
        outbox: what was put there until then, in the states of today; `causes` tells why, by key.
    """

    id: int
    email: str | None
    identities: Sequence[str]
    at: datetime
    rules: Activation
    stage: str
    staged: datetime
    fields: Sequence[Told]
    suppressed: str
    scores: Sequence[Score]
    unscored: Sequence[Unscored]
    grades: Mapping[str, str | None]
    segments: Sequence[Condition]
    stage_reason: str
    stages: Sequence[Condition]
    promotion: Promotion
    handoff: str
    enrolments: Sequence[Enrolment]
    not_sent: Sequence[NotSent]
    not_in: Sequence[NotIn]
    wake_at: datetime | None
    events: int
    gone: int
    timeline: Sequence[Line]
    aside: Sequence[Aside]
    outbox: Sequence[outbox.Row]
    causes: Mapping[str, Cause]
    opportunities: Sequence[opportunities.Opportunity]

    def as_data(self) -> dict[str, Any]:
        """As JSON-ready data, times as they are."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Records:
    """What the store holds of a lead until an instant.

    Attributes:
        later: ids of what was heard of it after that.
        gone: how many events it has taken in that the log no longer holds.
    """

    lead: leads.Lead
    rules: Activation
    events: Mapping[int, Claimed]
    later: frozenset[int]
    gone: int
    decided: Sequence[LoggedDecision]
    now: datetime
    at: datetime | None

    def state(self) -> LeadState:
        """The lead as it is stored or, in the past, as far as that can be told from what was decided."""
        stored = LeadState.load(self.lead.state)
        if self.at is None:
            return stored
        past = as_decided(stored, self.decided, self.later)
        past.lost = lost(self.decided, self.events.values())
        return past


def read(
    conn: Connection, identity: str, compiled: Callable[[str], Rulebook], now: datetime, at: datetime | None = None
) -> Story | None:
    """The story of the lead with an identity (`email:ann@acme.test`); None if there is none.

    Args:
        conn: inside a transaction.
        identity: as the store writes it.
        compiled: the rulebook of a version.
        now: aware.
        at: an instant in the past to look back at: by the events known then, and the rules in force then.

    Raises:
        NoRulebook: none was ever applied.
    """
    lead = leads.find(conn, identity)
    if lead is None:
        return None
    until = at or now
    rules = activations.at(conn, until)
    if rules is None:
        raise NoRulebook("the database holds no rulebook yet; put one there: dripline apply rules/ templates/")
    whole = history.logs(conn, [lead.id])[lead.id]
    log = {event.id: event for event in whole if event.received_at <= until}
    later = frozenset(event.id for event in whole if event.received_at > until)
    gone = max(0, int(lead.state.get("events", 0)) - len(whole))
    decided = [each for each in decisions.story(conn, lead.id) if each.decided_at <= until]
    return tell(conn, Records(lead, rules, log, later, gone, decided, now, at), compiled(rules.version))


def tell(conn: Connection, records: Records, rulebook: Rulebook) -> Story:
    """The story that the records tell."""
    lead, now = records.lead, records.at or records.now
    past = [seen(event) for event in records.events.values()]
    base = records.state()
    partial = bool(records.gone) and records.at is None and base.scoring == rulebook.scoring
    state = base if partial else counted(base, past, rulebook, now)
    inquiry = Inquiry(state, past, rulebook, now)
    timeline = [_line(each, records.events) for each in records.decided]
    amounts = ledger(base, past, rulebook, now, partial=partial)
    return Story(
        id=lead.id,
        email=state.fields.get("email"),
        identities=identities.of_lead(conn, lead.id),
        at=now,
        rules=records.rules,
        stage=state.stage,
        staged=instant(state.staged),
        fields=[_told(name, value, state) for name, value in state.fields.items()],
        suppressed=state.suppressed,
        scores=[score_of(model, amounts[model.name], inquiry, records) for model in rulebook.models.values()],
        unscored=list(unscored(past, inquiry)),
        grades={name: inquiry.standing.grade(name) for name in rulebook.grades},
        segments=sorted(inquiry.segments(), key=lambda each: not each.holds),
        stage_reason=_stage_reason(state.stage, timeline),
        stages=inquiry.stages(),
        promotion=inquiry.promotion(),
        handoff=_handoff(state, timeline),
        enrolments=list(enrolments(state.enrolments, timeline)),
        not_sent=list(not_sent(timeline)),
        not_in=list(inquiry.campaigns(refusals(timeline))),
        wake_at=lead.wake_at if records.at is None else None,
        events=len(past),
        gone=records.gone,
        timeline=timeline,
        aside=left(records.decided, past, rulebook),
        outbox=[row for row in outbox.rows(conn, EVERY_ROW, lead_id=lead.id)[::-1] if row.created_at <= now],
        causes=dict(causes(records)),
        opportunities=[
            each
            for each in opportunities.recent(conn, EVERY_ROW, lead.id)[::-1]
            if each.created_at is None or each.created_at <= now
        ],
    )


def _stage_reason(stage: str, timeline: Iterable[Line]) -> str:
    """Why the lead came to its stage, as was recorded last."""
    came = [line.detail for line in timeline if line.kind == "staged" and line.detail.get("to") == stage]
    return str(came[-1].get("reason") or "") if came else ""


def _handoff(state: LeadState, timeline: Sequence[Line]) -> str:
    """Whether sales has taken up the latest promotion."""
    if state.handoff:
        return f"sales has not accepted it yet, and may until {spelled(instant(state.handoff[1]))}"
    latest = next((line for line in reversed(timeline) if line.kind in HANDED), None)
    return f"{sentence(latest)}, at {spelled(latest.at)}" if latest and latest.kind != "promoted" else ""


def _told(name: str, value: Any, state: LeadState) -> Told:
    at, event = state.told.get(name, (None, None))
    return Told(name, value, event, None if at is None else instant(at))


def _line(decision: LoggedDecision, happened: Mapping[int, Claimed]) -> Line:
    event = happened.get(decision.event_id or 0)
    return Line(
        at=decision.decided_at,
        event_at=min(event.occurred_at, event.received_at) if event else None,
        kind=decision.kind,
        rule=decision.rule,
        version=decision.version,
        event=decision.event_id,
        type=event.type if event else None,
        detail=decision.detail,
    )
