"""Events against their declarations: what no rule can use is recorded with its reason, and counts for nothing.

Such an event stays in the log; once the rules declare it, or its sender sends what they declare, it counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from workers.engine.expressions.runtime import a_date, a_datetime, a_list, number, text, truth
from workers.engine.fields import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workers.engine.call import Call
    from workers.engine.values import Event

UNDECLARED: Final = "undeclared-event"
BAD_PROPERTY: Final = "bad-property"

Read = tuple["Callable[[Any], Any]", str]
NUMBER: Final[Read] = (number, "not a number")
TEXT: Final[Read] = (text, "not a text")
LIST: Final[Read] = (a_list, "not a list")
TEXTS: Final = frozenset({"text", "email", "country", "zone", "url"})
READ: Final[Mapping[str, Read]] = {
    **dict.fromkeys(TEXTS, TEXT),
    **dict.fromkeys(("integer", "decimal", "money"), NUMBER),
    "boolean": (truth, "neither true nor false"),
    "date": (a_date, "not a date such as 2026-03-31"),
    "datetime": (a_datetime, "not a time such as 2026-03-31T12:00:00+02:00"),
}
"""How expressions read a property of each type, and what is said of one that they cannot read."""


def record_unusable(call: Call, event: Event) -> None:
    """Record an event of a type that nobody declares, and properties of another type than theirs."""
    declared = call.rulebook.events.get(event.type)
    if declared is None:
        call.say("skipped", f"event.{event.type}", {"reason": UNDECLARED}, event=event.id)
        return
    for name, value in event.properties.items():
        kind = declared.get(name)
        if kind is None or value is None or (value.__class__ is str and kind in TEXTS):  # by far the most frequent
            continue
        read, because = READ.get(kind, LIST)
        if read(value) is None:
            detail = {"reason": BAD_PROPERTY, "property": name, "value": shown(value), "because": because}
            call.say("skipped", f"event.{event.type}", detail, event=event.id)
