"""Events of our own: what a step changes about a lead is written to the event log, and counts when it comes back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from workers.engine.campaigns.runs import effect_key
from workers.engine.steps import Verdict
from workers.engine.values import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.engine.steps import Visit
    from workers.engine.values import Event

UNTIL: Final = "until"
PATIENCE: Final = timedelta(hours=1)
"""How long a run waits for its own event. It comes at once; if it does not, nobody is kept waiting for ever."""
NOTHING: Final[Mapping[str, Any]] = {}


def key_of(visit: Visit, step: str) -> str:
    """What a step's event is, however often it is looked at."""
    return effect_key("record", visit.lead_id, visit.campaign.name, visit.run, step)


def recorded(
    visit: Visit, step: str, kind: str, properties: Mapping[str, Any], lead: Mapping[str, Any] = NOTHING
) -> Verdict:
    """Write the event, and stay until it has come back: the steps behind see what it has changed."""
    key, until = key_of(visit, step), visit.now + PATIENCE
    told = {"key": key, "campaign": visit.campaign.name, "step": step, **properties}
    detail = {"type": kind, **properties, **lead, "until": until.isoformat()}
    return Verdict("recorded", detail, Record(key, kind, told, lead), until=until, hold=UNTIL)


def came_back(visit: Visit, step: str, kind: str, event: Event) -> Verdict | None:
    """Go on if this is the step's own event."""
    if event.type != kind or event.properties.get("key") != key_of(visit, step):
        return None
    return Verdict("heard", {"type": kind})


def gave_up(kind: str) -> Verdict:
    """Go on although the event has not come back."""
    return Verdict("skipped", {"reason": "not-heard", "type": kind})
