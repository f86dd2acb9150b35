"""The values that go through the engine: events in, a lead's state along, decisions out.

All of them are plain data. Times are aware `datetime`s in UTC at the border and whole microseconds since 1970 inside
the state, so that a state is small JSON and arithmetic on it is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
STATE_FORMAT: Final = 1


def micros(at: datetime) -> int:
    """Whole microseconds from 1970 to `at` (aware)."""
    return (at - EPOCH) // MICROSECOND


def instant(microseconds: int) -> datetime:
    """The aware UTC datetime that many microseconds after 1970."""
    return EPOCH + microseconds * MICROSECOND


def pack(number: int) -> str:
    """An integer of any size as text: hexadecimal digits, `p`, and how many binary zeros follow them."""
    zeros = (number & -number).bit_length() - 1 if number else 0
    return f"{number >> zeros:x}p{zeros}"


def unpack(text: str) -> int:
    """The inverse of `pack`."""
    digits, _, zeros = text.partition("p")
    return int(digits, 16) << int(zeros)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that a person did or that happened to them.

    Attributes:
        id: number in the event log; equal times are ordered by it.
        type: `form.submitted`, `email.clicked`, …
        at: when it happened by its own account (never later than when we received it).
        properties: what rules may ask about it.
        lead: what it tells about the person, by field name.
    """

    id: int
    type: str
    at: datetime
    properties: Mapping[str, Any] = field(default_factory=dict)
    lead: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Enrolment:
    """One run of one lead through one campaign.

    Attributes:
        version: content hash of the campaign as it was on entry; the run keeps to it.
        run: 1 for the first time through, 2 for the second, …
        entered: microseconds.
        step: id of the step to run next.
        due: when that step runs, in microseconds; None once the run has ended.
        outcome: empty while under way, then `finished` or `exited`.
        reason: why it exited.
    """

    version: str
    run: int
    entered: int
    step: str
    due: int | None
    outcome: str = ""
    reason: str = ""


@dataclass(slots=True)
class LeadState:
    """Everything the engine remembers about one lead. Bounded: it grows with the rulebook, never with the events.

    Attributes:
        fields: what is known about the person.
        told: for each field, (microseconds, event id) of the event that told it.
        scores: per score model, the exact accumulator (see `scoring`).
        bands: per score model with bands, the band the lead is in; absent when in none.
        stage: lifecycle stage; empty before the first event.
        staged: when that stage was entered, microseconds.
        enrolments: the latest run per campaign.
        promotions: how often this lead became an opportunity.
        missing: what stood against promotion when it was last looked at; None if it was never a candidate.
        suppressed: why nothing may be mailed to this lead; empty if it may.
        recent: the latest scoring events as [microseconds, event id, type, points], oldest first.
        events: how many events were seen.
        last: microseconds of the latest of them.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    told: dict[str, list[int]] = field(default_factory=dict)
    scores: dict[str, int] = field(default_factory=dict)
    bands: dict[str, str] = field(default_factory=dict)
    stage: str = ""
    staged: int = 0
    enrolments: dict[str, Enrolment] = field(default_factory=dict)
    promotions: int = 0
    missing: list[str] | None = None
    suppressed: str = ""
    recent: list[list[Any]] = field(default_factory=list)
    events: int = 0
    last: int = 0

    def copy(self) -> LeadState:
        """A copy whose changes leave this one alone (enrolments are replaced, never changed in place)."""
        return LeadState(
            fields=dict(self.fields),
            told=dict(self.told),
            scores=dict(self.scores),
            bands=dict(self.bands),
            stage=self.stage,
            staged=self.staged,
            enrolments=dict(self.enrolments),
            promotions=self.promotions,
            missing=self.missing,
            suppressed=self.suppressed,
            recent=self.recent,
            events=self.events,
            last=self.last,
        )

    def dump(self) -> dict[str, Any]:
        """As JSON-ready data, empty parts left out."""
        full: dict[str, Any] = {
            "fields": self.fields,
            "told": self.told,
            "scores": {name: pack(value) for name, value in self.scores.items()},
            "bands": self.bands,
            "stage": self.stage,
            "staged": self.staged,
            "enrolments": {
                name: [e.version, e.run, e.entered, e.step, e.due, e.outcome, e.reason]
                for name, e in self.enrolments.items()
            },
            "promotions": self.promotions,
            "suppressed": self.suppressed,
            "recent": self.recent,
            "events": self.events,
            "last": self.last,
        }
        lean = {name: value for name, value in full.items() if value}
        if self.missing is not None:
            lean["missing"] = self.missing
        lean["format"] = STATE_FORMAT
        return lean

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> LeadState:
        """The inverse of `dump`; an empty mapping is a lead never seen before.

        Raises:
            ValueError: the data was written by a newer version of this program.
        """
        if data and data.get("format") != STATE_FORMAT:
            raise ValueError(f"lead state has format {data.get('format')}, this program reads {STATE_FORMAT}")
        known = {name: value for name, value in data.items() if name not in {"format", "scores", "enrolments"}}
        return cls(
            **known,
            scores={name: unpack(value) for name, value in data.get("scores", {}).items()},
            enrolments={name: Enrolment(*values) for name, values in data.get("enrolments", {}).items()},
        )


# ── decisions ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Send:
    """An e-mail to put in the outbox."""

    key: str
    campaign: str
    step: str
    template: str


@dataclass(frozen=True, slots=True)
class Promote:
    """An opportunity to create in the CRM. `opportunity` is the finished hand-off, JSON values, money as text."""

    key: str
    crm: str
    opportunity: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Suppress:
    """Never mail this person again; `reason` is `unsubscribed`, `bounced` or `complained`."""

    reason: str


Effect = Send | Promote | Suppress


@dataclass(frozen=True, slots=True)
class Decision:
    """One thing the engine decided, or decided against, and why.

    Attributes:
        kind: `scored`, `banded`, `staged`, `enrolled`, `not_enrolled`, `sent`, `waiting`, `exited`, `finished`,
            `promoted`, `not_promoted`, `suppressed`, `skipped`. (`sent` means handed to the outbox; what became of it
            stands there.)
        at: `now` of the call that decided.
        rule: id of the rule, campaign step or promotion that says so (`engagement.demo-requested`, `welcome.hello`).
        version: rulebook version in force.
        event: id of the event that caused it; None for a wake-up.
        detail: the numbers and names that explain it, JSON values.
        effect: what has to happen outside because of it.
    """

    kind: str
    at: datetime
    rule: str
    version: str
    event: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    effect: Effect | None = None
