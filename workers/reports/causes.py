"""Why things were put in the outbox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from workers.engine.campaigns.notices import ON_REPLY
from workers.engine.campaigns.runs import run_word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.reports.story import Records
    from workers.store.decisions import LoggedDecision

BY_STEP: Final = {"sent": "mail", "notified": "notice", "posted": "hook"}
"""What keys of a step's effects begin with, by the kind of its decision."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something was put in the outbox: the event that began it (None for a wake-up), and the rules of then."""

    rule: str
    version: str
    event: int | None
    type: str | None


def causes(records: Records) -> Iterator[tuple[str, Cause]]:
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
