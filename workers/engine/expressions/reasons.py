"""Why a condition is true or false: the parts that decide it, each with the values that it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from workers.engine.expressions import compile_expression, tree
from workers.engine.expressions.kinds import Scope
from workers.engine.expressions.parser import parse
from workers.engine.expressions.written import written
from workers.exceptions import ExpressionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from workers.engine.rules import Facts, Rulebook

CONSTANT: Final = frozenset({"date", "datetime"})
"""Calls that are what they say."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One part of a condition.

    Attributes:
        text: the part.
        holds: whether it is true.
        values: what it looked at: `('score("fit")', 42.0)`; None for what is missing.
    """

    text: str
    holds: bool
    values: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """What an expression is asked about."""

    scope: Scope
    event: Mapping[str, Any]
    lead: Mapping[str, Any]
    facts: Facts

    def value(self, text: str, want: str | None = None) -> Any:
        """The value of an expression."""
        return compile_expression(text, self.scope, want).value(self.event, self.lead, self.facts)


def reasons(source: str, seen: Seen) -> list[Reason]:
    """The parts that make a condition what it is: of a false `and` those that are false, of a true `or` the true ones.

    A condition that cannot be taken apart (it was compiled under other declarations) is its own only reason.
    """
    try:
        return list(deciding(parse(source), seen))
    except ExpressionError:
        return [Reason(source, holds=False)]


def values(source: str, seen: Seen) -> tuple[tuple[str, Any], ...]:
    """What an expression looks at, with its values: of a formula, the scores that it joins."""
    return tuple(looked_at(parse(source), seen))


def deciding(node: tree.Node, seen: Seen) -> Iterator[Reason]:
    """The deciding parts of a node."""
    if isinstance(node, tree.Group):
        yield from deciding(node.inner, seen)
    elif isinstance(node, tree.Logic):
        held = [holds(operand, seen) for operand in node.operands]
        whole = all(held) if node.operator == "and" else any(held)
        for operand, holding in zip(node.operands, held, strict=True):
            if holding == whole:
                yield from deciding(operand, seen)
    else:
        yield Reason(written(node), holds(node, seen), tuple(looked_at(node, seen)))


def holds(node: tree.Node, seen: Seen) -> bool:
    """Whether a part is true."""
    return seen.value(written(node), "boolean") is True


def looked_at(node: tree.Node, seen: Seen) -> Iterator[tuple[str, Any]]:
    """Every name and call in a part, once, with its value."""
    texts = dict.fromkeys(written(each) for each in asked(node))
    for text in texts:
        if text != written(node):  # `segment("big")` needs no `segment("big") is False` behind it
            yield text, seen.value(text)


def asked(node: tree.Node) -> Iterator[tree.Node]:
    """Every name and call below a node."""
    if isinstance(node, tree.Attribute) or (isinstance(node, tree.Call) and node.name not in CONSTANT):
        yield node
        return
    for name in type(node).__dataclass_fields__:
        yield from inside(getattr(node, name))


def inside(value: Any) -> Iterator[tree.Node]:
    """The names and calls in whatever an attribute of a node holds."""
    if isinstance(value, tree.Node):
        yield from asked(value)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from inside(each)
    elif isinstance(value, tree.Arguments):
        yield from inside(value.values)


def scope(rulebook: Rulebook, event: str | None = None) -> Scope:
    """What expressions of a rulebook may speak of."""
    return Scope(
        fields={field.name: field.type for field in rulebook.fields.values()},
        event=None if event is None else rulebook.events.get(event, {}),
        bands={model.name: [band.name for band in model.bands] for model in rulebook.models.values()},
        stages=[stage.name for stage in rulebook.stages],
        zone=rulebook.account.zone,
        events=rulebook.events,
        segments=tuple(rulebook.segments),
        grades={grade.name: labels(rulebook, grade.name) for grade in rulebook.grades.values()},
    )


def labels(rulebook: Rulebook, name: str) -> list[str]:
    """Everything that a grade can be."""
    found = [""]
    grade = rulebook.grades[name]
    for model in grade.models:
        bands = rulebook.models[model].bands if model in rulebook.models else ()
        found = [before + band.name for before in found for band in bands]
    return [grade.labels.get(each, each) for each in found]
