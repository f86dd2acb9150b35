"""The names that rule files declare for one another, and the scopes of the expressions that use them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from workers.engine.expressions import Scope, compile_expression
from workers.engine.expressions.contradictions import contradictions
from workers.engine.hours import WORKING_WEEK
from workers.exceptions import ExpressionError
from workers.rulebook.declarations import STANDARD_EVENTS
from workers.text import some, suggestion

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from workers.engine.hours import Calendar
    from workers.engine.rules import Expression
    from workers.rulebook.installed import Installed
    from workers.rulebook.problems import Place, Problems
    from workers.rulebook.shape import Source, Text

ALONE: Final = (
    "points for an event depend on that event alone, so that the order of arrival cannot change a score; "
    "ask this in a rule without `event`"
)
ORDER: Final = "a score depends on events and fields alone, so that their order of arrival cannot change it"
LOOKED_AT: Final = "it depends on when the lead was looked at, and a score depends on events and fields alone"
HISTORY: Final = ("count", "distinct", "first", "last", "days_since")
DAYS: Final = frozenset({"date", "datetime", "any"})
"""Types of fields that tell a day; `any` is that of a field whose own declaration is wrong."""
STATEFUL: Final = {"band": LOOKED_AT, "grade": LOOKED_AT, "stage": LOOKED_AT}
IN_FORMULA: Final = STATEFUL
IN_PROFILE: Final = {
    **dict.fromkeys(STATEFUL, ORDER),
    "score": "a rule gives points for what is known of the lead; to join scores, write a score with `formula`",
}
IN_EVENT: Final = {
    **dict.fromkeys(("score", "band", "grade", "stage", "segment", "now", "today", *HISTORY), ALONE),
    "lead": ALONE.replace("ask this", "give points for fields"),
}


@dataclass(frozen=True, slots=True)
class Names:
    """Everything that a rule may call by its name.

    Attributes:
        fields: lead fields and their types; `email` is always there.
        allowed: for text fields that may have only certain values, these.
        events: event types with their properties and types, the standard ones included.
        bands: score models with the names of their bands.
        ranges: score models with the lowest and highest number that they can reach.
        grades: grades with their labels; None where they cannot be told.
        segments: names of the segments.
        stages: in order.
        unreached: those of them that nobody comes into.
        templates: folders below `templates/` that hold a `mail.txt`.
        notes: the same for those that hold a `note.txt`.
        campaigns: names of the campaigns.
        formulas: the scores that are formulas of others.
        adjusted: the scores that some campaign adds points to.
        promotes: whether there is a promotion.
        zone: of the account.
        business: its business days.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    allowed: Mapping[str, Collection[str]] = field(default_factory=dict)
    events: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: STANDARD_EVENTS)
    bands: Mapping[str, Collection[str]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    grades: Mapping[str, Collection[str] | None] = field(default_factory=dict)
    segments: Collection[str] = ()
    stages: Collection[str] = ()
    unreached: Collection[str] = ()
    templates: Collection[str] = ()
    notes: Collection[str] = ()
    campaigns: Collection[str] = ()
    formulas: Collection[str] = ()
    adjusted: Collection[str] = ()
    promotes: bool = True
    zone: str = "UTC"
    business: Calendar = WORKING_WEEK

    @property
    def zone_fields(self) -> tuple[str, ...]:
        """The lead fields that may tell where a lead lives."""
        return tuple(name for name, kind in self.fields.items() if kind == "zone")

    def scope(self, event: str | None = None, refused: Mapping[str, str] | None = None) -> Scope:
        """What an expression may speak of.

        Args:
            event: type of the event in sight; one that nobody declares has no properties.
            refused: functions that cannot be used there, with the reason.
        """
        return Scope(
            fields=self.fields,
            event=None if event is None else self.events.get(event, {}),
            bands=self.bands,
            stages=self.stages,
            zone=self.zone,
            refused=refused or {},
            allowed=self.allowed,
            events=self.events,
            segments=self.segments,
            grades=self.grades,
        )


@dataclass(frozen=True, slots=True)
class Use:
    """An expression that was compiled, and where it stands."""

    source: Source
    expression: Expression


@dataclass(frozen=True, slots=True)
class Passage:
    """A step that may start a campaign, and no time need pass before it in its own.

    Attributes:
        leads_to: what it may start (see `workers.engine.steps`).
    """

    campaign: str
    leads_to: tuple[str, str]
    place: Place


@dataclass(frozen=True, slots=True)
class Checker:
    """Compiles expressions and looks up names; what is wrong goes to `problems`.

    Attributes:
        uses: every expression that was compiled.
        passages: from campaign to campaign, without a wait.
        installed: the adapters that there are; None leaves names and options of adapters unchecked.
    """

    names: Names
    problems: Problems
    installed: Installed | None = None
    uses: list[Use] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)

    def expression(self, source: Source, want: str | None, scope: Scope) -> Expression | None:
        """The compiled expression, or None."""
        try:
            compiled = compile_expression(str(source), scope, want)
        except ExpressionError as error:
            self.problems.add_expression(source.node.place_of(source.start + error.offset), error)
            return None
        for found in contradictions(str(source), self.names.ranges):
            place = source.node.place_of(source.start + found.offset)
            self.problems.add(place, "never-true", found.text, found.hint)
        self.uses.append(Use(source, compiled))
        return compiled

    def place_of(self, expression: Expression) -> Place:
        """Where a compiled expression stands."""
        return next(use.source.place for use in self.uses if use.expression is expression)

    def optional(self, source: Source | None, want: str | None, scope: Scope) -> Expression | None:
        """The same for a key that may be left out."""
        return None if source is None else self.expression(source, want, scope)

    def known(self, noun: str, name: Text, names: Collection[str], declare: str = "") -> bool:
        """True if the name is one of `names`."""
        if name in names:
            return True
        hint = suggestion(name, names, declare=declare) or some(names)
        self.problems.add(name.place, f"unknown-{noun}", f"there is no {noun} `{name}`", hint)
        return False

    def event(self, name: Text) -> bool:
        """True if the event type is known."""
        return self.known("event", name, self.names.events, "declare it in rules/events.yaml")

    def stage(self, name: Text) -> bool:
        """True if the lifecycle has this stage."""
        return self.known("stage", name, self.names.stages, "declare it in rules/lifecycle.yaml")

    def segment(self, name: Text) -> bool:
        """True if there is a segment of this name."""
        return self.known("segment", name, self.names.segments, "declare it in rules/segments.yaml")

    def day_field(self, name: Text) -> bool:
        """True if there is a field of this name, and it tells a day."""
        if not self.known("field", name, self.names.fields, "declare it in rules/fields.yaml"):
            return False
        kind = self.names.fields[name]
        if kind in DAYS:
            return True
        text = f"the field `{name}` is of type {kind}, and tells no day"
        self.problems.add(name.place, "wrong-field", text, "name one of type date or datetime")
        return False

    def score(self, name: Text) -> bool:
        """True if there is a score of this name."""
        return self.known("score", name, self.names.bands, "write a file that begins with `score:`")
