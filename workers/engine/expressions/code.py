"""Small builders of Python syntax trees, so that no text of a rule file ever becomes Python source."""

from __future__ import annotations

import ast
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from workers.engine.expressions.kinds import ANY, BOOLEAN, DATE, DATETIME, LIST, NUMBER, TEXT, Kind
from workers.engine.expressions.runtime import helpers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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


@dataclass(frozen=True, slots=True, eq=False)
class Code:
    """The body of a compiled expression, and the objects that it runs with, by name."""

    body: ast.expr
    constants: Mapping[str, Any]


@lru_cache(maxsize=2_000)
def together(codes: tuple[Code | None, ...]) -> Callable[..., Any]:
    """One function that gives the values of several expressions as a tuple: a single call, each name looked up once.

    None stands for what is always true.
    """
    shared, constants = Shared(), dict[str, Any]()
    bodies: list[ast.expr] = []
    for number, code in enumerate(codes):
        if code is None:
            bodies.append(constant(True))
            continue
        own = {identifier: f"{identifier}_{number}" for identifier in code.constants}
        bodies.append(shared.rewritten(code.body, own))
        constants.update({own[identifier]: value for identifier, value in code.constants.items()})
    found: list[ast.expr] = [keep(identifier, get(*looked_up)) for looked_up, identifier in shared.names.items()]
    both_parts = ast.Tuple([ast.Tuple(found, ast.Load()), ast.Tuple(bodies, ast.Load())], ast.Load())
    return function(ast.Subscript(both_parts, constant(1), ast.Load()), constants)


class Shared(ast.NodeTransformer):
    """Lets expressions share the properties and fields that they look up.

    Attributes:
        names: under which name each (argument, key) is found.
    """

    def __init__(self) -> None:
        self.names: dict[tuple[str, str], str] = {}
        self._own: Mapping[str, str] = {}

    def rewritten(self, body: ast.expr, own: Mapping[str, str]) -> ast.expr:
        """A copy of an expression, with its constants under names of their own."""
        self._own = own
        changed: ast.expr = self.visit(deepcopy(body))
        return changed

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """A constant."""
        return name(self._own.get(node.id, node.id)) if isinstance(node.ctx, ast.Load) else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """A property of the event, or a field of the lead."""
        match node:
            case ast.Call(ast.Attribute(ast.Name(owner), "get"), [ast.Constant(str(key))]) if owner in {EVENT, LEAD}:
                return name(self.names.setdefault((owner, key), f"p{len(self.names)}"))
        return self.generic_visit(node)


@lru_cache(maxsize=2_000)
def of_types(properties: tuple[tuple[str, Kind], ...]) -> Callable[..., Any]:
    """A function that is true of an event if each property is of its type when run, or missing."""
    checks: list[ast.expr] = []
    for number, (key, kind) in enumerate(properties):
        value, again = keep(f"p{number}", get(EVENT, key)), name(f"p{number}")
        if kind == TEXT:
            tests: list[ast.expr] = [compare(class_of(value), ast.Is(), name("S"))]
        else:
            tests = [compare(call(COERCED.get(kind, "truth"), value), ast.IsNot(), constant(None))]
        checks.append(ast.BoolOp(ast.Or(), [*tests, compare(again, ast.Is(), constant(None))]))
    return function(ast.BoolOp(ast.And(), [constant(True), constant(True), *checks]), {})


def function(body: ast.expr, constants: Mapping[str, Any]) -> Callable[..., Any]:
    """The compiled `(event properties, lead fields, facts) -> body`, seeing helpers and `constants`, no builtins."""
    arguments = ast.arguments([], [ast.arg(word) for word in (EVENT, LEAD, FACTS)], None, [], [], None, [])
    module = ast.fix_missing_locations(ast.Expression(ast.Lambda(arguments, body)))
    compiled: Callable[..., Any] = eval(  # noqa: S307  the tree above is built of the closed list of parts in this file
        compile(module, "<expression>", "eval"), {**HELPERS, **constants}
    )
    return compiled
