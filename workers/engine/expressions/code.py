"""Small builders of Python syntax trees, so that no text of a rule file ever becomes Python source."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from workers.engine.expressions.kinds import ANY, BOOLEAN, DATE, DATETIME, LIST, NUMBER, TEXT, Kind
from workers.engine.expressions.runtime import helpers

if TYPE_CHECKING:
    from collections.abc import Callable

HELPERS: Final = helpers()
EVENT, LEAD, FACTS = "e", "l", "f"
COERCED: Final = {NUMBER: "number", TEXT: "text", LIST: "a_list", DATE: "a_date", DATETIME: "a_datetime"}
NOTHING: Final = object()
"""The constant of a part that has none."""


@dataclass(frozen=True, slots=True)
class Part:
    """A compiled piece of an expression.

    Attributes:
        code: gives the value when run.
        kind: its static type.
        offset: where it stands in the text.
        constant: its value if it is known now (a frozenset for a list of constants), else `NOTHING`.
        exact: the code gives True or False and nothing else.
    """

    code: ast.expr
    kind: Kind
    offset: int
    constant: Any = NOTHING
    exact: bool = False

    @property
    def is_constant(self) -> bool:
        """True if the value is known now."""
        return self.constant is not NOTHING


def constant(value: Any) -> ast.Constant:
    """A literal."""
    return ast.Constant(value)


def name(identifier: str) -> ast.Name:
    """A helper, argument or temporary."""
    return ast.Name(identifier, ast.Load())


def call(helper: str, *arguments: ast.expr) -> ast.Call:
    """A call of a helper."""
    return ast.Call(name(helper), list(arguments), [])


def get(owner: str, key: str) -> ast.Call:
    """`owner.get("key")`."""
    return ast.Call(ast.Attribute(name(owner), "get", ast.Load()), [constant(key)], [])


def ask(question: str, *arguments: ast.expr) -> ast.Call:
    """`facts.question(arguments)`."""
    return ast.Call(ast.Attribute(name(FACTS), question, ast.Load()), list(arguments), [])


def compare(left: ast.expr, operator: ast.cmpop, right: ast.expr) -> ast.Compare:
    """One comparison."""
    return ast.Compare(left, [operator], [right])


def keep(temporary: str, value: ast.expr) -> ast.NamedExpr:
    """`(temporary := value)`."""
    return ast.NamedExpr(ast.Name(temporary, ast.Store()), value)


def class_of(value: ast.expr) -> ast.Attribute:
    """`value.__class__`."""
    return ast.Attribute(value, "__class__", ast.Load())


def both(left: ast.expr, right: ast.expr) -> ast.BoolOp:
    """`left and right`."""
    return ast.BoolOp(ast.And(), [left, right])


def is_true(part: Part) -> ast.expr:
    """True exactly if the part is; missing and anything else is False."""
    return part.code if part.exact else compare(part.code, ast.Is(), constant(True))


def coerced(part: Part, kind: Kind) -> ast.expr:
    """The part's value if it is of `kind` when run, else None."""
    if kind == BOOLEAN:
        return is_true(part)
    if part.is_constant or kind == ANY:
        return part.code
    return call(COERCED[kind], part.code)


def function(body: ast.expr, constants: dict[str, Any]) -> Callable[..., Any]:
    """The compiled `(event properties, lead fields, facts) -> body`, seeing helpers and `constants`, no builtins."""
    arguments = ast.arguments([], [ast.arg(word) for word in (EVENT, LEAD, FACTS)], None, [], [], None, [])
    module = ast.fix_missing_locations(ast.Expression(ast.Lambda(arguments, body)))
    compiled: Callable[..., Any] = eval(  # noqa: S307  the tree above is built of the closed list of parts in this file
        compile(module, "<expression>", "eval"), {**HELPERS, **constants}
    )
    return compiled
