"""The values that go through the engine: events in, a lead's state along, decisions out.

All of them are plain data. Times are aware `datetime`s in UTC at the border and whole microseconds since 1970 inside
the state, so that a state is small JSON and arithmetic on it is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from workers.exceptions import NewerState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.engine.rules import Owner

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
STATE_FORMAT: Final = 3
COUNTED_OTHERWISE: Final = {1: ("scores", "recent"), 2: ("limits", "windows", "values")}
"""What states of earlier formats keep that is written otherwise now. Where a lead stands stays, and it is counted anew
when it is next looked at: in the first format each score was one sum, in the second long keys and values were cut."""
LONGEST_MARK: Final = 80
DIGEST: Final = 16
"""Bytes of the digest that stands for the rest of a longer text."""


NOTHING: Final[Mapping[str, Any]] = {}


def micros(at: datetime) -> int:
    """Whole microseconds from 1970 to `at` (aware)."""
    return (at - EPOCH) // MICROSECOND


def instant(microseconds: int) -> datetime:
    """The aware UTC datetime that many microseconds after 1970."""
    return EPOCH + microseconds * MICROSECOND


def mark(value: object) -> str:
    """A short text that equal values have in common and different ones do not: a long text ends in a digest."""
    written = str(value)
    if len(written) <= LONGEST_MARK:
        return written
    digest = blake2b(written.encode("utf-8", "surrogatepass"), digest_size=DIGEST).hexdigest()
    return f"{written[: LONGEST_MARK - 2 * DIGEST]}…{digest}"  # one longer than any text that stands for itself


def stamp(scoring: str, plan: str) -> str:
    """By what a lead was last counted and looked at, as one text: it has to be again when either has changed."""
    return f"{scoring}:{plan}" if plan else scoring


def pack(total: Any) -> Any:
    """A sum of entries as JSON: an integer of any size as hexadecimal digits, `p`, and how many binary zeros follow."""
    if isinstance(total, dict):
        return {name: pack(part) for name, part in total.items()}
    zeros = (total & -total).bit_length() - 1 if total else 0
    return f"{total >> zeros:x}p{zeros}"


def unpack(packed: Any) -> Any:
    """The inverse of `pack`."""
    if isinstance(packed, dict):
        return {name: unpack(part) for name, part in packed.items()}
    digits, _, zeros = packed.partition("p")
    return int(digits, 16) << int(zeros)


class Event(NamedTuple):  # a named tuple: a third of the time that a frozen dataclass takes to make
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
    properties: Mapping[str, Any] = NOTHING
    lead: Mapping[str, Any] = NOTHING


BEFORE: Final = -1
"""The goal of a run in which it does not count: it held already when the lead entered."""


@dataclass(slots=True)
class Enrolment:
    """One run of one lead through one campaign.

    Attributes:
        version: content hash of the campaign as it was on entry; the run keeps to it.
        run: 1 for the first time through, 2 for the second, …
        entered: microseconds.
        step: id of the step to run next, or of the one that is waited at.
        due: when that step runs, in microseconds; None once the run has ended, and while its campaign is paused.
        outcome: empty while under way, then `finished`, `exited`, `goal` or `held_out`.
        reason: why it exited, or the word of the `end` step that it finished at.
        key: what tells this run from others of the same campaign; empty where there is only one at a time.
        hold: why it stands at its step: `until` (for what a wait_until waits for), `quiet-hours`, `cap`, `replied`,
            `paused`.
        arms: for each split that was passed, [arm, microseconds], and a 1 once what it measures has happened.
        goal: when the campaign's goal was reached, microseconds; 0 if it was not, and BEFORE if it held on entry.
        done: steps that have had an effect in this run: an edit may lead back to them, and they have it once.
        replied: when the person last wrote back, microseconds; 0 if they did not, or their campaign does not mind.
    """

    version: str
    run: int
    entered: int
    step: str
    due: int | None
    outcome: str = ""
    reason: str = ""
    key: str = ""
    hold: str = ""
    arms: dict[str, list[Any]] = field(default_factory=dict)
    goal: int = 0
    done: list[str] = field(default_factory=list)
    replied: int = 0

    @property
    def named(self) -> dict[str, Any]:
        """Which run of its campaign it is, for what is recorded about it."""
        return {"run": self.run, "key": self.key} if self.key else {"run": self.run}

    def dump(self) -> list[Any]:
        """As JSON-ready data, without what stands at its default at the end."""
        row = [self.version, self.run, self.entered, self.step, self.due, self.outcome, self.reason]
        more = [self.key, self.hold, self.arms, self.goal, self.done, self.replied]
        while more and not more[-1]:
            more.pop()
        return row + more


@dataclass(slots=True)
class LeadState:
    """Everything the engine remembers about one lead. Bounded: it grows with the rulebook, never with the events.

    Attributes:
        fields: what is known about the person.
        told: for each field, [microseconds, event id] of the event that told it.
        scoring: hash of the scoring rules that `scores` and all counters were made with.
        scores: per part of a score model, the exact sum (see `decay`).
        limits, windows, nth: which events were counted under a rule's limit (see `limits`).
        counts, grains, values: counters over the history (see `counters`).
        machines: opens and clicks by machines that wait for a human sign (see `quarantine`).
        humans: instants of the latest human signs, microseconds.
        bands: per score model with bands, the band the lead is in; absent when in none.
        holding: per score model, [band, since]: a band that is entered once it has been held long enough.
        cooling: per `model|band`, the microsecond from which it can be entered again.
        segments: the segments the lead is in.
        stage: lifecycle stage; empty before the first event.
        staged: when that stage was entered, microseconds.
        enrolments: the latest run per campaign, or per `campaign|key`.
        contacts: microseconds of the latest mails, by category, as far back as caps look, or may look some day.
        agenda: by date or schedule that starts a campaign, [microseconds or 0 for never, what that depends on].
        plan: `Rulebook.plan` by which the lead was last looked at.
        known: the campaigns entered by where a lead stands that were there then.
        promotions: how often this lead became an opportunity.
        missing: what stood against promotion when it was last looked at; None if it was no candidate then.
        handoff: [promotion key, due] while sales has not accepted yet; empty otherwise.
        lost: True after an opportunity was lost, until the next promotion.
        suppressed: why nothing may be mailed to this lead, or no marketing (`unsubscribed`); empty if all may.
        consents: by category, or `*` for all of them, what was said last: [standing, microseconds, event id].
        asked: by category, how many confirmation mails were sent ever, and the instants of the latest.
        bounces: the latest soft bounces, [microseconds, event id], as many as the rules ask for.
        recent: the latest scoring events as [microseconds, event id, type, points], oldest first.
        events: how many events were seen.
        last: microseconds of the latest of them.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    told: dict[str, list[int]] = field(default_factory=dict)
    scoring: str = ""
    scores: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, dict[str, dict[str, list[list[int]]]]] = field(default_factory=dict)
    windows: dict[str, int] = field(default_factory=dict)
    nth: dict[str, list[int]] = field(default_factory=dict)
    counts: dict[str, list[int]] = field(default_factory=dict)
    grains: dict[str, dict[str, int]] = field(default_factory=dict)
    values: dict[str, dict[str, int]] = field(default_factory=dict)
    machines: list[list[Any]] = field(default_factory=list)
    humans: list[int] = field(default_factory=list)
    bands: dict[str, str] = field(default_factory=dict)
    holding: dict[str, list[Any]] = field(default_factory=dict)
    cooling: dict[str, int] = field(default_factory=dict)
    segments: list[str] = field(default_factory=list)
    stage: str = ""
    staged: int = 0
    enrolments: dict[str, Enrolment] = field(default_factory=dict)
    contacts: dict[str, list[int]] = field(default_factory=dict)
    agenda: dict[str, list[Any]] = field(default_factory=dict)
    plan: str = ""
    known: list[str] = field(default_factory=list)
    promotions: int = 0
    missing: list[str] | None = None
    handoff: list[Any] = field(default_factory=list)
    lost: bool = False
    suppressed: str = ""
    consents: dict[str, list[Any]] = field(default_factory=dict)
    asked: dict[str, list[int]] = field(default_factory=dict)
    bounces: list[list[int]] = field(default_factory=list)
    recent: list[list[Any]] = field(default_factory=list)
    events: int = 0
    last: int = 0

    def copy(self) -> LeadState:
        """A copy whose changes leave this one alone. What lies deeper than one level is replaced, never changed.

        Spelt out, because every decision begins with it: a loop over the fields takes eight times as long.
        """
        new = object.__new__(LeadState)
        new.fields, new.told, new.scores = self.fields.copy(), self.told.copy(), self.scores.copy()
        new.limits = self.limits.copy() if self.limits else {}
        new.windows = self.windows.copy() if self.windows else {}
        new.nth = self.nth.copy() if self.nth else {}
        new.counts = self.counts.copy() if self.counts else {}
        new.grains = self.grains.copy() if self.grains else {}
        new.values = self.values.copy() if self.values else {}
        new.bands = self.bands.copy() if self.bands else {}
        new.holding = self.holding.copy() if self.holding else {}
        new.cooling = self.cooling.copy() if self.cooling else {}
        new.enrolments = self.enrolments.copy() if self.enrolments else {}
        new.contacts = self.contacts.copy() if self.contacts else {}
        new.agenda = self.agenda.copy() if self.agenda else {}
        new.plan, new.known = self.plan, self.known
        new.scoring, new.machines, new.humans = self.scoring, self.machines, self.humans
        new.segments, new.stage, new.staged = self.segments, self.stage, self.staged
        new.promotions, new.missing, new.handoff = self.promotions, self.missing, self.handoff
        new.consents = self.consents.copy() if self.consents else {}
        new.asked = self.asked.copy() if self.asked else {}
        new.lost, new.suppressed, new.recent, new.bounces = self.lost, self.suppressed, self.recent, self.bounces
        new.events, new.last = self.events, self.last
        return new

    def __reduce__(self) -> tuple[Any, ...]:
        """For `pickle`, which would write the name of every field down for every lead."""
        return LeadState, _VALUES(self)

    def dump(self) -> dict[str, Any]:
        """As JSON-ready data, empty parts left out."""
        values = zip(_NAMES, _VALUES(self), strict=True)
        lean = {name: value for name, value in values if value}
        if self.scores:
            lean["scores"] = {name: pack(total) for name, total in self.scores.items()}
        if self.enrolments:
            lean["enrolments"] = {name: enrolment.dump() for name, enrolment in self.enrolments.items()}
        lean["format"] = STATE_FORMAT
        return lean

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> LeadState:
        """The inverse of `dump`; an empty mapping is a lead never seen before.

        Raises:
            NewerState: the data was written by a newer version of this program.
        """
        if data and data.get("format") != STATE_FORMAT:
            data = converted(data)
        state = cls(**{name: value for name, value in data.items() if name in _KNOWN})
        state.scores = {name: unpack(total) for name, total in state.scores.items()}
        state.enrolments = {name: Enrolment(*values) for name, values in data.get("enrolments", {}).items()}
        return state


def converted(data: Mapping[str, Any]) -> dict[str, Any]:
    """A state of an earlier format without what it counted otherwise.

    Raises:
        NewerState: it was written by a newer version of this program.
    """
    left_out = COUNTED_OTHERWISE.get(data.get("format", 0))
    if left_out is None:
        text = f"a newer version of Dripline wrote what is known of this lead (format {data.get('format')}"
        raise NewerState(f"{text}, this one reads {STATE_FORMAT}): use that version, or install it here")
    kept = {name: value for name, value in data.items() if name not in left_out}
    return kept if kept.keys() == data.keys() else {**kept, "scoring": ""}


_NAMES: Final = tuple(each.name for each in fields(LeadState))
_KNOWN: Final = frozenset(_NAMES)
_VALUES: Final = attrgetter(*_NAMES)


# ── decisions ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Send:
    """An e-mail to put in the outbox; `confirms` is the category that its confirm link is about, if it has one."""

    key: str
    campaign: str
    step: str
    template: str
    confirms: str = ""


@dataclass(frozen=True, slots=True)
class Promote:
    """An opportunity to create in the CRM. `opportunity` is the hand-off, JSON values, money as text.

    Attributes:
        owners: who takes turns for it; the turn is decided where all promotions are known, and put in as `owner`.
        fallback: the owner when all of them are at their caps.
    """

    key: str
    crm: str
    opportunity: Mapping[str, Any]
    owners: tuple[Owner, ...] = ()
    fallback: str = ""


@dataclass(frozen=True, slots=True)
class Notify:
    """A message to somebody of the company about a lead."""

    key: str
    to: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Suppress:
    """Never mail this person again: `bounced`, `soft-bounced`, `complained`; or no marketing: `unsubscribed`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Consent:
    """A line for the consent history.

    Attributes:
        category: its name; `*` for all.
        action: `given`, `confirmed` or `withdrawn`.
        standing: where the person stands after it.
        at: by the event's own account.
        text: what was shown.
        place: where: a form, an address, or the event's type.
        basis: the lawful basis that the rules named then.
    """

    category: str
    action: str
    standing: str
    at: datetime
    text: str
    place: str
    basis: str


@dataclass(frozen=True, slots=True)
class Record:
    """An event of our own for the log, so that what a campaign changes is history like everything else.

    Attributes:
        key: unique; what it is, never the attempt.
        type: one of `OWN_TYPES`.
        properties: as of any event; `key` is among them.
        lead: as of any event.
    """

    key: str
    type: str
    properties: Mapping[str, Any]
    lead: Mapping[str, Any] = field(default_factory=dict)

    def as_event(self, number: int, now: datetime) -> Event:
        """The event that it becomes, as the engine takes it."""
        return Event(number, self.type, now, self.properties, self.lead)


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook to post: JSON for the hook that settings know by this name."""

    key: str
    hook: str
    payload: Mapping[str, Any]


UPDATED: Final = "lead.updated"
ADJUSTED: Final = "score.adjusted"
OWN_TYPES: Final = frozenset({UPDATED, ADJUSTED})
"""Events that nobody but our own rules can cause."""
OWN_SOURCE: Final = "dripline"
"""The source of events that we make ourselves; no webhook source may have this name."""


Effect = Send | Promote | Notify | Suppress | Consent | Record | Hook


class Decision(NamedTuple):  # a named tuple: a third of the time that a frozen dataclass takes to make
    """One thing the engine decided, or decided against, and why.

    Attributes:
        kind: `scored`, `banded`, `staged`, `enrolled`, `not_enrolled`, `held_out`, `sent`, `waiting`, `held`,
            `branched`, `split`, `measured`, `recorded`, `heard`, `notified`, `posted`, `acted`, `moved`, `resumed`,
            `goal_reached`, `exited`, `finished`, `promoted`, `not_promoted`, `suppressed`, `lifted`, `consented`,
            `skipped`, `segmented`, `credited`, `accepted`, `escalated`, `recounted`. (`sent` means handed to the
            outbox; what became of it stands there.)
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
    detail: Mapping[str, Any] = NOTHING
    effect: Effect | None = None
