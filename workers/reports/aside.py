"""What reached us about a lead and counts for nothing, by reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from workers.reports.words import left_aside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from workers.engine.rules import Rulebook
    from workers.engine.values import Event
    from workers.store.decisions import LoggedDecision

SKIPPED: Final = "skipped"
UNDECLARED_FIELD: Final = "undeclared-field"


@dataclass(frozen=True, slots=True)
class Aside:
    """Something that was left aside.

    Attributes:
        reason: a constant word to count by (`undeclared-event`).
        rule: what it is about (`event.coffee.drunk`, `field.country`).
        text: why, one sentence, of the latest such event.
        number: how often.
        latest: when it happened last.
        event: id of the latest such event.
    """

    reason: str
    rule: str
    text: str
    number: int
    latest: datetime
    event: int | None


def left(decided: Iterable[LoggedDecision], past: Iterable[Event], rulebook: Rulebook) -> list[Aside]:
    """Everything that was left aside, the latest first.

    Args:
        decided: the lead's decisions, in their order.
        past: its events; fields that they tell and that nobody declares are not worth a decision each.
        rulebook: the rules that say which fields are declared.
    """
    found: dict[tuple[str, str, str], Aside] = {}
    for at, event, rule, detail in [*recorded(decided), *undeclared(past, rulebook)]:
        key = (detail["reason"], rule, str(detail.get("property", "")))
        before = found.get(key)
        if before is None or at >= before.latest:
            found[key] = Aside(key[0], rule, left_aside(rule, detail), 0, at, event)
        found[key] = replace(found[key], number=before.number + 1 if before else 1)
    return sorted(found.values(), key=lambda aside: aside.latest, reverse=True)


def recorded(decided: Iterable[LoggedDecision]) -> Iterator[tuple[datetime, int | None, str, Mapping[str, Any]]]:
    """What the decision log says of it; a mail that was not sent is told elsewhere."""
    for each in decided:
        if each.kind == SKIPPED and "reason" in each.detail and "template" not in each.detail:
            yield each.decided_at, each.event_id, each.rule, each.detail


def undeclared(past: Iterable[Event], rulebook: Rulebook) -> Iterator[tuple[datetime, int, str, Mapping[str, Any]]]:
    """Fields that events told and that the rules do not declare."""
    for event in past:
        for name, value in event.lead.items():
            if value is not None and name != "email" and name not in rulebook.fields:
                yield event.at, event.id, f"field.{name}", {"reason": UNDECLARED_FIELD}
