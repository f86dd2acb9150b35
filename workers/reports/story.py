"""One lead at one instant: why this score, stage and mail, and why not another; with event, rule, version and time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from workers.engine.campaigns.notices import ON_REPLY
from workers.engine.campaigns.runs import run_word
from workers.engine.ledger import ledger
from workers.engine.values import LeadState, instant, micros
from workers.exceptions import NoRulebook
from workers.pipeline.verdict import seen
from workers.reports.aside import left
from workers.reports.asof import as_decided, counted, lost
from workers.reports.limits import in_words
from workers.reports.runs import enrolments, not_sent, refusals
from workers.reports.unscored import unscored
from workers.reports.whynot import Inquiry
from workers.reports.words import sentence
from workers.simulate.words import spelled
from workers.store import activations, decisions, history, identities, leads, opportunities, outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from workers.engine import ledger as ledgers
    from workers.engine.rules import EventRule, Rulebook, ScoreModel
    from workers.reports.aside import Aside
    from workers.reports.runs import Enrolment, NotSent
    from workers.reports.unscored import Unscored
    from workers.reports.whynot import Condition, NotIn, Promotion
    from workers.store.activations import Activation
    from workers.store.decisions import LoggedDecision
    from workers.store.events import Claimed

EVERY_ROW: Final = 1000
BY_STEP: Final = {"sent": "mail", "notified": "notice", "posted": "hook"}
"""What keys of a step's effects begin with, by the kind of its decision."""
HANDED: Final = frozenset({"promoted", "accepted", "escalated"})
"""Kinds of decisions about a hand-off."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a score's ledger.

    Attributes:
        rule: id of the rule; for a range `part …`, `group …` or `model …`, for a formula its text.
        points: as the rule said when the event came; None for a range.
        amount: what it is worth now; all amounts of a score add up to it, to the cent.
        note: why the amount is not the points, in words; empty if it is.
        at, event, type: of the event; None of what is true of the fields.
        version: rulebook version that was in force when the event was taken in; empty if that is not known.
    """

    rule: str
    points: float | None
    amount: float
    note: str = ""
    at: datetime | None = None
    event: int | None = None
    type: str | None = None
    version: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """A score, where it comes from, and what it takes to be in each band.

    Attributes:
        bands: (name, entered at, left below), lowest first.
        waits: why it is not in a band that its score would allow, in words: a hold, a cool-down.
    """

    model: str
    score: float
    band: str | None
    bands: tuple[tuple[str, float, float], ...]
    waits: tuple[str, ...]
    entries: tuple[Entry, ...]


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
class Cause:
    """Why something was put in the outbox: the event that began it (None for a wake-up), and the rules of then."""

    rule: str
    version: str
    event: int | None
    type: str | None


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
    before = LeadState.load(lead.state)
    base = before if records.at is None else as_decided(before, records.decided, records.later)
    if records.at is not None:
        base.lost = lost(records.decided, records.events.values())
    partial = bool(records.gone) and records.at is None and before.scoring == rulebook.scoring
    state = before if partial else counted(base, past, rulebook, now)
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
        scores=[_score(model, amounts[model.name], inquiry, records) for model in rulebook.models.values()],
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
        causes=dict(_causes(records)),
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


def _causes(records: Records) -> Iterator[tuple[str, Cause]]:
    """For each effect its decision, and the event behind it; of a mail, the one that began the run."""
    began: dict[tuple[str, str], int | None] = {}
    for each in records.decided:
        run = run_word(each.detail.get("key", ""), each.detail.get("run", 0))
        event = each.event_id
        if each.kind == "enrolled":
            began[each.rule, run] = event
        elif kind := BY_STEP.get(each.kind):
            campaign, _, step = each.rule.partition(".")
            event = began.get((campaign, run))
            if step == ON_REPLY:
                step, event = f"{step}.{each.event_id}", each.event_id
            yield f"{kind}:{records.lead.id}:{campaign}:{run}:{step}", _cause(each, event, records)
        elif each.kind in {"promoted", "escalated"}:
            prefix = "escalation:" if each.kind == "escalated" else ""
            yield prefix + each.detail["key"], _cause(each, event, records)


def _cause(decision: LoggedDecision, event: int | None, records: Records) -> Cause:
    happened = records.events.get(event or 0)
    return Cause(decision.rule, decision.version, event, happened.type if happened else None)


def _told(name: str, value: Any, state: LeadState) -> Told:
    at, event = state.told.get(name, (None, None))
    return Told(name, value, event, None if at is None else instant(at))


def _score(model: ScoreModel, lines: Iterable[ledgers.Line], inquiry: Inquiry, records: Records) -> Score:
    versions = {each.event_id: each.version for each in records.decided if each.kind == "scored"}
    rules = {rule.id: rule for each in inquiry.rulebook.by_event.values() for rule in each}
    entries = [
        _entry(line, rules, versions, records.events, inquiry) for line in lines if line.amount or line.note != RANGE
    ]
    return Score(
        model=model.name,
        score=inquiry.standing.score(model.name),
        band=inquiry.standing.band(model.name),
        bands=tuple((band.name, band.enter, band.leave) for band in model.bands),
        waits=tuple(_waits(model, inquiry)),
        entries=tuple(sorted(entries, key=lambda entry: (-abs(entry.amount), entry.event or 0))),
    )


def _entry(
    line: ledgers.Line,
    rules: Mapping[str, EventRule],
    versions: Mapping[int | None, str],
    happened: Mapping[int, Claimed],
    inquiry: Inquiry,
) -> Entry:
    event = happened.get(line.event or 0)
    note = NOTES.get(line.note, line.note)
    if line.note == "limit" and line.rule in rules:
        note = f"not counted: {in_words(rules[line.rule])}"
    if line.note == "formula":
        note = ", ".join(f"{name} is {spelled(value)}" for name, value in inquiry.values(line.rule))
    version = versions.get(line.event, "") if line.event else ""
    return Entry(line.rule, line.points, line.amount, note, line.at, line.event, event.type if event else None, version)


def _waits(model: ScoreModel, inquiry: Inquiry) -> Iterator[str]:
    """A hold that is not over, and cool-downs that are in the way."""
    state, score = inquiry.state, inquiry.standing.score(model.name)
    for band in model.bands:
        name, since = state.holding.get(model.name, (None, 0))
        if name == band.name:
            until = spelled(instant(since + band.hold))
            yield f"{band.name} from {until} on, if the score stays there until then (hold)"
        again = state.cooling.get(f"{model.name}|{band.name}", 0)
        if again > micros(inquiry.standing.now) and score >= band.enter:
            yield f"{band.name} again from {spelled(instant(again))} on at the soonest (cool-down)"


RANGE: Final = "range"
NOTES: Final = {
    "decayed": "decayed",
    "limit": "not counted: limit",
    "too-many-keys": "not counted: more different values than its limit tells apart",
    "no-value": "no points: its expression has no value",
    "gone": "of events that are no longer in the log",
    "machine": "not counted: a machine did it, and no human sign has followed in time",
    "credited": "a machine did it; counts because the person did something themselves soon after",
    "profile": "true of the lead's fields",
    "range": "cut off by the range",
}
"""What the notes of a ledger mean."""


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
