"""What each score of a lead is made of, to the cent, and what it takes to be in each band."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from workers.engine.values import instant, micros
from workers.reports.limits import in_words
from workers.simulate.words import spelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from workers.engine import ledger as ledgers
    from workers.engine.rules import EventRule, ScoreModel
    from workers.reports.story import Records
    from workers.reports.whynot import Inquiry
    from workers.store.events import Claimed

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


def score_of(model: ScoreModel, lines: Iterable[ledgers.Line], inquiry: Inquiry, records: Records) -> Score:
    """One score, by the lines of its ledger."""
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
