"""Comparisons that no lead can fulfil: a score above its end, two conditions that exclude each other, a plain `false`.

Only what is certain is found. A missing value makes a comparison false, so `lead.size > 100 and lead.size < 50` needs a
size that is both; there is none, whatever the lead.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from typing import TYPE_CHECKING, Any, Final

from workers.engine.counters import DAY, MOST_VALUES, span_of
from workers.engine.expressions import tree
from workers.engine.expressions.durations import parse_duration
from workers.engine.expressions.parser import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TURNED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
NEVER_NEGATIVE: Final = ("count(", "days_since(")
SPAN: Final = re.compile(r'within="([^"]*)"')
MICROSECOND: Final = timedelta(microseconds=1)
TOGETHER: Final = "write `or` between them, or correct one"


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Something that is never true.

    Attributes:
        offset: column in the expression, from 0.
        text: what, one sentence.
        hint: what to do.
    """

    offset: int
    text: str
    hint: str


@dataclass(frozen=True, slots=True)
class Demand:
    """One comparison of a subject (`lead.employees`, `score("fit")`) with constants.

    Attributes:
        operator: `==`, `!=`, `<`, `<=`, `>`, `>=`, `in` or `not in`.
        value: a number or text, or for `in` and `not in` a tuple of them.
    """

    subject: str
    operator: str
    value: Any
    offset: int

    def __str__(self) -> str:
        """As it might be written."""
        listed = isinstance(self.value, tuple)
        value = "[" + ", ".join(map(json.dumps, self.value)) + "]" if listed else json.dumps(self.value)
        return f"{self.subject} {self.operator} {value}"


def contradictions(source: str, ranges: Mapping[str, tuple[float, float]]) -> list[Contradiction]:
    """Everything in an expression that can never be true.

    Args:
        source: an expression that compiles.
        ranges: for each score the lowest and highest number that it can reach.
    """
    root = parse(source)
    found = list(walked(root, ranges))
    if not found and truth(root) is False:
        found = [Contradiction(root.offset, "this is never true", "remove it, or correct the condition")]
    return found


def walked(node: tree.Node, ranges: Mapping[str, tuple[float, float]]) -> Iterator[Contradiction]:
    """What is impossible in a node and below it."""
    if isinstance(node, tree.Compare):
        yield from impossible(list(demands(node)), ranges)
    elif isinstance(node, tree.Logic) and node.operator == "and":
        together = [demand for operand in flat(node) for demand in demands(operand)]
        yield from impossible(together, ranges)
        for operand in flat(node):
            if not isinstance(operand, tree.Compare):
                yield from walked(operand, ranges)
    else:
        for child in children(node):
            yield from walked(child, ranges)


def children(node: tree.Node) -> Iterator[tree.Node]:
    """The nodes right below one."""
    for name in node.__slots__:
        value = getattr(node, name)
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, tree.Node):
                yield each


def flat(node: tree.Node) -> Iterator[tree.Node]:
    """The operands of `and`, those in parentheses included."""
    if isinstance(node, tree.Group):
        yield from flat(node.inner)
    elif isinstance(node, tree.Logic) and node.operator == "and":
        for operand in node.operands:
            yield from flat(operand)
    else:
        yield node


# ── what is demanded ─────────────────────────────────────────────────────────────────────────────────────────


def demands(node: tree.Node) -> Iterator[Demand]:
    """What a comparison demands of whatever it compares with constants."""
    if not isinstance(node, tree.Compare):
        return
    left = node.first
    for operator, right in node.rest:
        for subject, sign, other in ((left, operator, right), (right, TURNED.get(operator, ""), left)):
            said, value = written(subject), constant(other)
            if said and value is not None and sign and isinstance(value, tuple) == (sign in {"in", "not in"}):
                yield Demand(said, sign, value, subject.offset)
        left = right


def written(node: tree.Node) -> str:
    """A subject as text, by which it is known again; empty for anything else."""
    if isinstance(node, tree.Group):
        return written(node.inner)
    if isinstance(node, tree.Attribute):
        return f"{node.owner}.{node.name}"
    if isinstance(node, tree.Call):
        return f"{node.name}({arguments(node.arguments)})"
    if isinstance(node, tree.Filter) and (inner := written(node.operand)):
        inside = arguments(node.arguments)
        return f"{inner} | {node.name}" + (f"({inside})" if inside else "")
    return ""


def arguments(given: tree.Arguments) -> str:
    """Constant arguments as text."""
    named = [f"{name}={json.dumps(constant(value))}" for name, value in given.named]
    return ", ".join([*(json.dumps(constant(value)) for value in given.values), *named])


def constant(node: tree.Node) -> Any:
    """A number or text, a tuple of such, or None for anything else."""
    if isinstance(node, tree.Group):
        return constant(node.inner)
    if isinstance(node, tree.Negative):
        value = constant(node.operand)
        return -value if isinstance(value, int | float) else None
    if isinstance(node, tree.ListOf):
        items = tuple(constant(item) for item in node.items)
        return None if None in items or any(isinstance(item, tuple) for item in items) else items
    if isinstance(node, tree.Literal) and not isinstance(node.value, bool):
        return node.value
    return None


# ── what is possible ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Possible:
    """The values that a subject can have.

    Attributes:
        low, high: bounds of a number; `above` and `below` leave the bound itself out.
        chosen: the only values; None for any.
        excluded: values it cannot have.
    """

    low: float = -inf
    high: float = inf
    above: bool = False
    below: bool = False
    chosen: frozenset[Any] | None = None
    excluded: frozenset[Any] = frozenset()

    def demand(self, each: Demand) -> None:
        """Keep the values that fulfil a demand, too."""
        value = each.value
        if each.operator in {"==", "in"}:
            values = frozenset(value if isinstance(value, tuple) else (value,))
            self.chosen = values if self.chosen is None else self.chosen & values
        elif each.operator in {"!=", "not in"}:
            self.excluded |= frozenset(value if isinstance(value, tuple) else (value,))
        elif isinstance(value, int | float):
            self._bound(each.operator, value)

    def _bound(self, operator: str, value: float) -> None:
        if operator in {">", ">="} and (value, operator == ">") > (self.low, self.above):
            self.low, self.above = value, operator == ">"
        if operator in {"<", "<="} and (-value, operator == "<") > (-self.high, self.below):
            self.high, self.below = value, operator == "<"

    @property
    def is_empty(self) -> bool:
        """True if no value is left."""
        if self.low > self.high or (self.low == self.high and (self.above or self.below)):
            return True
        return self.chosen is not None and not any(map(self.holds, self.chosen))

    def holds(self, value: Any) -> bool:
        """True if the subject can have this value."""
        if value in self.excluded:
            return False
        if not isinstance(value, int | float):
            return True
        over = value > self.low or (value == self.low and not self.above)
        return over and (value < self.high or (value == self.high and not self.below))


def impossible(together: Sequence[Demand], ranges: Mapping[str, tuple[float, float]]) -> Iterator[Contradiction]:
    """Demands that cannot be fulfilled, alone or together."""
    before: dict[str, list[Demand]] = {}
    for demand in together:
        others = before.setdefault(demand.subject, [])
        if empty([demand], demand.subject, ranges):
            yield unreachable(demand, ranges)
        elif others and empty([*others, demand], demand.subject, ranges):
            other = next((each for each in others if empty([each, demand], demand.subject, ranges)), others[0])
            yield Contradiction(demand.offset, f"`{other}` and `{demand}` are never true together", TOGETHER)
        else:
            others.append(demand)


def empty(together: Sequence[Demand], subject: str, ranges: Mapping[str, tuple[float, float]]) -> bool:
    """True if no value fulfils all of these."""
    low, high = bounds(subject, ranges)
    possible = Possible(low, high)
    for demand in together:
        possible.demand(demand)
    return possible.is_empty


def bounds(subject: str, ranges: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
    """The lowest and highest number that a subject can be."""
    if subject.startswith('score("'):
        return ranges.get(json.loads(subject[len("score(") : -1]), (-inf, inf))
    if subject.startswith("distinct("):
        return 0, MOST_VALUES
    if subject.startswith("days_since(") and (within := SPAN.search(subject)):
        return 0, days_of(within[1])
    return (0, inf) if subject.startswith(NEVER_NEGATIVE) else (-inf, inf)


def days_of(within: str) -> float:
    """How many days a span goes back at most."""
    length = parse_duration(within)
    span = span_of(length // MICROSECOND) if length else None
    return span.grains * span.grain / DAY if span else inf


def unreachable(demand: Demand, ranges: Mapping[str, tuple[float, float]]) -> Contradiction:
    """The finding for a demand that nothing fulfils."""
    low, high = bounds(demand.subject, ranges)
    if low == -inf and high == inf:
        return Contradiction(demand.offset, f"`{demand}` is never true", "name at least one value")
    reach = f"is never below {low:g}" if high == inf else f"can only be {low:g} to {high:g}"
    hint = "correct the number"
    if demand.operator in {">", ">="}:
        hint = "lower the number" + (", or give more points" if demand.subject.startswith("score(") else "")
    return Contradiction(demand.offset, f"`{demand}` is never true: {demand.subject} {reach}", hint)


# ── constants ────────────────────────────────────────────────────────────────────────────────────────────────


def truth(node: tree.Node) -> bool | None:
    """What a condition of nothing but constants is; None for any other."""
    if isinstance(node, tree.Group):
        return truth(node.inner)
    if isinstance(node, tree.Literal):
        return node.value if isinstance(node.value, bool) else None
    if isinstance(node, tree.Not):
        inner = truth(node.operand)
        return None if inner is None else not inner
    if isinstance(node, tree.Logic):
        settled = node.operator == "or"
        values = [truth(operand) for operand in node.operands]
        return settled if settled in values else None if None in values else not settled
    if isinstance(node, tree.Compare):
        return compared(node)
    return None


def compared(node: tree.Compare) -> bool | None:
    """The result of one comparison between numbers; None where more is needed to tell."""
    left = constant(node.first)
    for operator, right_node in node.rest:
        right = constant(right_node)
        if not isinstance(left, int | float) or not isinstance(right, int | float):
            return None
        possible = Possible()
        possible.demand(Demand("", operator, right, 0))
        if possible.is_empty or not possible.holds(left):
            return False
        left = right
    return True
