"""A score taken apart: every entry that makes it up now, and every one that might have and does not, with the reason.

The ledger is made by taking in the lead's whole history once more with the same code that scored it, and writing down
what goes into each sum. So it can't say anything else than the score does: its amounts add up to it, always.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from workers.engine.call import Call
from workers.engine.decay import PRECISION, RESOLUTION, UNIT
from workers.engine.intake import NO_VALUE
from workers.engine.limits import TOO_MANY_KEYS
from workers.engine.recount import recount
from workers.engine.scoring import clamp, group_sum, part_sum

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from workers.engine.rules import EventRule, Group, Rulebook, ScoreModel
    from workers.engine.rules.intake import Earned
    from workers.engine.standing import Standing
    from workers.engine.values import Event, LeadState

CENTS: Final = 2
CREDITED: Final = "credited"
"""Kind of the decision that lets a machine's event count after all, and the note of what it gave."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a ledger.

    Attributes:
        rule: id of the rule; for a range, and for what is gone, `part …`, `group …` or `model …`.
        points: what the rule gave when it happened; None for a range.
        amount: what it is worth now, to the cent; the amounts of a model add up to its score to the cent.
        event: id of the event, and `at`, its time; None for what is true of the lead's fields.
        note: why the amount is not the points: `decayed`, `limit`, `too-many-keys`, `no-value` (of the points),
            `machine`, `credited` (a machine's, and a human sign has followed), `profile`, `range`, `formula`, `gone`
            (of events that the log no longer holds).
    """

    model: str
    rule: str
    points: float | None
    amount: float
    event: int | None = None
    at: datetime | None = None
    note: str = ""


class _Recorder(Call):
    """A call that also writes down what goes into each sum."""

    __slots__ = ("credited", "entries", "gone", "rules")

    def __init__(self, state: LeadState, rulebook: Rulebook, now: datetime) -> None:
        super().__init__(state, 0, rulebook, now)
        self.entries: dict[tuple[str, int], list[int]] = {}
        self.rules: dict[str, EventRule] = {}
        self.gone: dict[str, float] = {}
        self.credited: frozenset[int | None] = frozenset()

    def add(self, rule: EventRule, entry: Sequence[int], sign: int = 1) -> None:
        """See `Call.add`."""
        super().add(rule, entry, sign)
        self.rules[rule.id] = rule
        at, event, units = entry
        kept = self.entries.setdefault((rule.id, event), [at, units, 0])
        kept[2] += sign

    def add_all(self, earned: Earned, event: tuple[int, int]) -> None:
        """See `Call.add_all`."""
        for rule in earned.rules:
            self.add(rule, (*event, rule.units or 0))


def ledger(
    state: LeadState, history: Sequence[Event], rulebook: Rulebook, now: datetime, *, partial: bool = False
) -> dict[str, list[Line]]:
    """All scores of a lead, taken apart.

    Args:
        state: the lead as it is (for fields that no event told); not changed.
        history: every event that counts for it until `now`.
        rulebook: the rules to count by.
        now: aware; the instant at which the scores are read.
        partial: True if events that the state has counted by these rules are in the history no more; what they are
            worth has a line of its own.

    Returns:
        for each score model its lines; their amounts add up to the score as it reads at `now`, to the cent.
    """
    record = _Recorder(state, rulebook, now)
    recount(record, history, {event.id for event in history})
    record.credited = frozenset(each.event for each in record.decisions if each.kind == CREDITED)
    if partial:
        record.gone = dict(_gone(record, state))
        record.state.scores = state.scores
        record.look_again()
    times = {event.id: event.at for event in history}
    lines: dict[str, list[Line]] = {}
    for model in rulebook.models.values():
        exact = list(_formula(record.standing, model)) if model.formula else list(_summed(record, model, times))
        lines[model.name] = _to_the_cent(exact) + list(_not_counted(record, model, times))
    return lines


def _gone(record: _Recorder, state: LeadState) -> Iterator[tuple[str, float]]:
    """By part, what a state has counted beyond the history."""
    for model in record.rulebook.models.values():
        for part in model.parts:
            whole, known = (
                part.decay.worth(sums[part.name], record.moment) if part.name in sums else 0.0
                for sums in (state.scores, record.state.scores)
            )
            yield part.name, whole - known


def _summed(record: _Recorder, model: ScoreModel, times: Mapping[int, datetime]) -> Iterator[Line]:
    by_part: dict[str, list[Line]] = defaultdict(list)
    for (rule_id, event), (at, units, net) in record.entries.items():
        rule = record.rules[rule_id]
        if rule.model == model.name and net:
            worth = round(rule.decay.worth(rule.decay.add(None, units, at), record.moment), PRECISION)
            points = units / UNIT
            note = CREDITED if event in record.credited else "" if worth == points else "decayed"
            by_part[rule.part].append(Line(model.name, rule_id, points, worth, event, times.get(event), note))
    for part in model.parts:
        if abs(worth := record.gone.get(part.name, 0.0)) > RESOLUTION:
            by_part[part.name].append(Line(model.name, f"part {part.name}", None, worth, note="gone"))
    profile = record.standing.profile(model)
    total = 0.0
    for group in model.groups:
        yield from _of_group(record, model, group, by_part, profile)
        total += group_sum(group, record.state.scores, profile, record.moment)
    yield from _range(model, f"model {model.name}", total, record.standing.score(model.name))


def _of_group(
    record: _Recorder, model: ScoreModel, group: Group, by_part: Mapping[str, list[Line]], profile: Mapping[str, float]
) -> Iterator[Line]:
    total = 0.0
    for part in group.parts:
        yield from by_part.get(part.name, ())
        kept = part_sum(part, record.state.scores, record.moment)
        if kept in {part.minimum, part.maximum}:
            yield from _range(model, f"part {part.name}", sum(line.amount for line in by_part.get(part.name, ())), kept)
        total += kept
    for rule in group.profile_rules:
        if rule.id in profile:
            yield Line(model.name, rule.id, profile[rule.id], profile[rule.id], note="profile")
            total += profile[rule.id]
    yield from _range(model, f"group {group.name}", total, clamp(total, group.minimum, group.maximum))


def _range(model: ScoreModel, rule: str, total: float, kept: float) -> Iterator[Line]:
    """What a clamp takes away or adds."""
    if abs(kept - total) > RESOLUTION:
        yield Line(model.name, rule, None, kept - total, note="range")


def _formula(standing: Standing, model: ScoreModel) -> Iterator[Line]:
    source = model.formula.source if model.formula else ""
    yield Line(model.name, source, None, standing.score(model.name), note="formula")


def _not_counted(record: _Recorder, model: ScoreModel, times: Mapping[int, datetime]) -> Iterator[Line]:
    """What a limit or the quarantine kept out, and rules whose points have no value."""
    for (rule_id, event), (_, units, net) in record.entries.items():
        if not net and record.rules[rule_id].model == model.name:
            yield Line(model.name, rule_id, units / UNIT, 0.0, event, times.get(event), "limit")
    for decision in record.decisions:
        detail: Mapping[str, Any] = decision.detail
        if detail.get("reason") in {TOO_MANY_KEYS, NO_VALUE} and decision.rule.partition(".")[0] == model.name:
            at = times.get(decision.event or 0)
            yield Line(model.name, decision.rule, None, 0.0, decision.event, at, str(detail["reason"]))
        for rule_id in detail.get("limited", ()):
            if rule_id.partition(".")[0] == model.name and (rule_id, decision.event) not in record.entries:
                yield Line(model.name, rule_id, None, 0.0, decision.event, times.get(decision.event or 0), "limit")
    for rule_id in record.standing.without_value(model):
        yield Line(model.name, rule_id, None, 0.0, note=NO_VALUE)
    waiting = {each[1] for each in record.state.machines}
    for event in sorted(waiting):
        yield Line(model.name, "machine", None, 0.0, event, times.get(event), "machine")


def _to_the_cent(lines: list[Line]) -> list[Line]:
    """Round so that the rounded amounts add up to the rounded sum: each is the step of the rounded running total."""
    rounded, exact, shown = [], 0.0, 0.0
    for line in lines:
        exact += line.amount
        step = round(round(exact, CENTS) - shown, CENTS)
        shown = round(shown + step, CENTS)
        rounded.append(Line(line.model, line.rule, line.points, step, line.event, line.at, line.note))
    return rounded
