"""What the parser makes of an expression. Every node knows its `offset`, the column in the text from 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Node:
    """Any part of an expression."""

    offset: int


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """`"text"`, `100`, `true`, `none`."""

    value: str | float | bool | None


@dataclass(frozen=True, slots=True)
class ListOf(Node):
    """`["US", "CA"]`."""

    items: Sequence[Node]


@dataclass(frozen=True, slots=True)
class Attribute(Node):
    """`lead.country`, `event.form`."""

    owner: str
    name: str


@dataclass(frozen=True, slots=True)
class Arguments:
    """What stands in the parentheses of a function or filter."""

    values: Sequence[Node] = ()
    named: Sequence[tuple[str, Node]] = ()


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`score("fit")`."""

    name: str
    arguments: Arguments


@dataclass(frozen=True, slots=True)
class Filter(Node):
    """`operand | name(arguments)`."""

    operand: Node
    name: str
    arguments: Arguments


@dataclass(frozen=True, slots=True)
class Test(Node):
    """`operand is defined`; `none` is the negation of it."""

    operand: Node
    defined: bool


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """`first < second <= third`; `in` and `not in` come alone."""

    first: Node
    rest: Sequence[tuple[str, Node]]


@dataclass(frozen=True, slots=True)
class Logic(Node):
    """Operands joined by `and`, or by `or`."""

    operator: str
    operands: Sequence[Node]


@dataclass(frozen=True, slots=True)
class Not(Node):
    """`not operand`."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """`left + right`, and the same with `- * / // %`."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Negative(Node):
    """`-operand`."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Join(Node):
    """`left ~ right`, as text."""

    parts: Sequence[Node]


@dataclass(frozen=True, slots=True)
class Choice(Node):
    """`then if condition else otherwise`."""

    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Group(Node):
    """`(inner)`: parentheses settle what would otherwise be refused as ambiguous."""

    inner: Node
