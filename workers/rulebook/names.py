"""The names that rule files declare for one another, and the scopes of the expressions that use them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from workers.engine.expressions import Scope, compile_expression
from workers.exceptions import ExpressionError
from workers.rulebook.declarations import STANDARD_EVENTS
from workers.text import suggestion

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from workers.engine.rules import Expression
    from workers.rulebook.installed import Installed
    from workers.rulebook.problems import Problems
    from workers.rulebook.shape import Source, Text

ORDER: Final = "a score depends on events and fields alone, so that their order of arrival cannot change it"
IN_PROFILE: Final = {"score": ORDER, "band": ORDER, "stage": ORDER}
IN_EVENT: Final = {
    **IN_PROFILE,
    "now": ORDER,
    "today": ORDER,
    "lead": "points for an event depend on the event alone, so that the order of arrival cannot change a score; "
    "give points for fields in a rule without `event`",
}


@dataclass(frozen=True, slots=True)
class Names:
    """Everything that a rule may call by its name.

    Attributes:
        fields: lead fields and their types; `email` is always there.
        events: event types with their properties and types, the standard ones included.
        bands: score models with the names of their bands.
        stages: in order.
        templates: folders below `templates/` that hold a `mail.txt`.
        zone: of the account.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    events: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: STANDARD_EVENTS)
    bands: Mapping[str, Collection[str]] = field(default_factory=dict)
    stages: Collection[str] = ()
    templates: Collection[str] = ()
    zone: str = "UTC"

    def scope(self, event: str | None = None, refused: Mapping[str, str] | None = None) -> Scope:
        """What an expression may speak of.

        Args:
            event: type of the event in sight; one that nobody declares has no properties.
            refused: functions that cannot be used there, with the reason.
        """
        properties = None if event is None else self.events.get(event, {})
        return Scope(self.fields, properties, self.bands, self.stages, self.zone, refused or {})


@dataclass(frozen=True, slots=True)
class Checker:
    """Compiles expressions and looks up names; what is wrong goes to `problems`.

    Attributes:
        installed: the adapters that there are; None leaves names and options of adapters unchecked.
    """

    names: Names
    problems: Problems
    installed: Installed | None = None

    def expression(self, source: Source, want: str, scope: Scope) -> Expression | None:
        """The compiled expression, or None."""
        try:
            return compile_expression(str(source), scope, want)
        except ExpressionError as error:
            self.problems.add_expression(source.node.place_of(error.offset), error)
            return None

    def optional(self, source: Source | None, want: str, scope: Scope) -> Expression | None:
        """The same for a key that may be left out."""
        return None if source is None else self.expression(source, want, scope)

    def known(self, noun: str, name: Text, names: Collection[str], declare: str = "") -> bool:
        """True if the name is one of `names`."""
        if name in names:
            return True
        hint = suggestion(name, names) or declare
        self.problems.add(name.place, f"unknown-{noun}", f"there is no {noun} `{name}`", hint)
        return False

    def event(self, name: Text) -> bool:
        """True if the event type is known."""
        return self.known("event", name, self.names.events, "declare it in rules/events.yaml")

    def stage(self, name: Text) -> bool:
        """True if the lifecycle has this stage."""
        return self.known("stage", name, self.names.stages, "declare it in rules/lifecycle.yaml")


def plain(value: Any) -> Any:
    """Located text as ordinary text."""
    return str(value) if isinstance(value, str) else value
