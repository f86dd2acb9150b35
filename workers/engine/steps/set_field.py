"""`set_field`: tell a field of the lead, as an event that says so would.

    - set_field: {field: timeline, value: later}
    - set_field: {field: seats, expression: lead.employees / 10}

It becomes an event `lead.updated` in the lead's history; the field's own `merge` decides what is kept. The run waits
until that has been counted, so the steps behind see it. A value that the field cannot have is skipped with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from workers.engine.campaigns.own import came_back, gave_up, recorded
from workers.engine.fields import TYPES, Refused, converted, shown
from workers.engine.rules import Field
from workers.engine.scoring import NO_EVENT
from workers.engine.steps import Objection, Verdict, said
from workers.engine.values import UPDATED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from workers.engine.rules import Expression
    from workers.engine.steps import Known, Visit
    from workers.engine.values import Event

FITTING: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("integer", "decimal", "money"), ("number",)),
    "boolean": ("boolean",),
    "date": ("date", "datetime"),
    "datetime": ("datetime",),
}
"""For types of fields that do not take everything, the types of expressions that they take."""


@dataclass(frozen=True, slots=True)
class Step:
    """Settings: `set_field` with `field`, and `value` or `expression`."""

    name: str = field(metadata=said("the field", names="settable field", key="field"))
    id: str
    value: Any = field(default=None, metadata=said("what it is to be"))
    expression: Expression | None = field(
        default=None, metadata=said("an expression on the lead that says what it is to be", want="")
    )

    def objections(self, known: Known) -> Iterator[Objection]:
        """See `steps`."""
        if (self.value is None) == (self.expression is None):
            text = "`set_field` wants one of `value` and `expression`"
            yield Objection("missing-key", text, "name what the field is to be", ("set_field",))
        elif self.expression is not None:
            yield from self._mistyped(self.expression, known)
        else:
            yield from self._impossible(known)

    @property
    def leads_to(self) -> tuple[str, str]:
        """See `steps`."""
        return ("event", UPDATED)

    def run(self, visit: Visit) -> Verdict:
        """Tell the field, or say why not."""
        if visit.overdue():
            return gave_up(UPDATED)
        value, detail = self._wanted(visit), {"field": self.name}
        declared = visit.rulebook.fields.get(self.name)
        if value is None or declared is None:
            return Verdict("skipped", {**detail, "reason": "no-value" if declared else "no-field"})
        try:
            kept = converted(declared, value)
        except Refused as error:
            return Verdict("skipped", {**detail, "reason": "bad-value", "value": shown(value), "because": str(error)})
        if visit.state.fields.get(self.name) == kept:
            return Verdict("skipped", {**detail, "reason": "so-already", "value": kept})
        return recorded(visit, self.id, UPDATED, detail, {self.name: kept})

    def hear(self, visit: Visit, event: Event) -> Verdict | None:
        """Go on once it has been counted."""
        return came_back(visit, self.id, UPDATED, event)

    def _wanted(self, visit: Visit) -> Any:
        """What the field is to be for this lead; None if that has no value."""
        if self.expression is None:
            return self.value
        value = self.expression.value(NO_EVENT, visit.state.fields, visit.facts)
        return value.isoformat() if isinstance(value, date) else value

    def _mistyped(self, expression: Expression, known: Known) -> Iterator[Objection]:
        fitting = FITTING.get(known.fields[self.name])
        if fitting is not None and expression.type not in {*fitting, "any"}:
            text = f"the field `{self.name}` is of type {known.fields[self.name]}, this is of type {expression.type}"
            yield Objection("type", text, "correct the expression", ("set_field", "expression"))

    def _impossible(self, known: Known) -> Iterator[Objection]:
        kind = known.fields[self.name]
        if kind not in TYPES and kind.removeprefix("list of ") not in TYPES:
            return  # its declaration is wrong, and that is said there
        try:
            converted(Field(self.name, kind, allowed=tuple(known.allowed.get(self.name, ()))), self.value)
        except Refused as error:
            text = f"the field `{self.name}` cannot be {shown(self.value)}"
            yield Objection("bad-value", text, f"it is {error}", ("set_field", "value"))
