"""Small builders of Python syntax trees, so that no text of a rule file ever becomes Python source."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from workers.engine.expressions.kinds import ANY, BOOLEAN, DATE, DATETIME, LIST, NUMBER, TEXT, Kind
from workers.engine.expressions.runtime import MAX_NUMBER, helpers

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
def together(codes: tuple[Code | None, ...], declared: tuple[tuple[str, Kind], ...] | None) -> Callable[..., Any]:
    """One function that gives the values of several expressions as a tuple: a single call, each name looked up once.

    None stands for what is always true. Behind them stands whether a property is not of its declared type; True where
    nothing is declared.
    """
    shared, constants = Shared(), dict[str, Any]()
    values: list[ast.expr] = []
    for number, code in enumerate(codes):
        if code is None:
            values.append(constant(True))
            continue
        own = {identifier: f"{identifier}_{number}" for identifier in code.constants}
        values.append(shared.rewritten(code.body, own))
        constants.update({own[identifier]: value for identifier, value in code.constants.items()})
    values.append(constant(True) if declared is None else misfit(shared, declared))
    looked_up: list[ast.expr] = [keep(identifier, get(*name)) for name, identifier in shared.names.items()]
    both_parts = ast.Tuple([ast.Tuple(looked_up, ast.Load()), ast.Tuple(values, ast.Load())], ast.Load())
    return function(ast.Subscript(both_parts, constant(1), ast.Load()), constants)


def misfit(shared: Shared, declared: tuple[tuple[str, Kind], ...]) -> ast.expr:
    """Code that is True if a property is there and not of its declared type."""
    tests: list[ast.expr] = [constant(False), constant(False)]
    for key, kind in declared:
        value = shared.found(EVENT, key)
        tests.append(both(not_of(kind, value), compare(value, ast.IsNot(), constant(None))))
    return ast.BoolOp(ast.Or(), tests)


def not_of(kind: Kind, value: ast.expr) -> ast.expr:
    """Code that is True if a value is not of a type, the most frequent types without a call."""
    if kind == TEXT:
        return compare(class_of(value), ast.IsNot(), name("S"))
    if kind == NUMBER:
        within = ast.Compare(constant(-MAX_NUMBER), [ast.LtE(), ast.LtE()], [value, constant(MAX_NUMBER)])
        return ast.UnaryOp(ast.Not(), both(compare(class_of(value), ast.In(), name("N")), within))
    return compare(call(COERCED.get(kind, "truth"), value), ast.Is(), constant(None))


class Shared:
    """Lets expressions share the properties and fields that they look up.

    Attributes:
        names: under which name each (argument, key) is found.
    """

    def __init__(self) -> None:
        self.names: dict[tuple[str, str], str] = {}

    def found(self, owner: str, key: str) -> ast.Name:
        """What is looked up in an argument."""
        return name(self.names.setdefault((owner, key), f"p{len(self.names)}"))

    def rewritten(self, node: ast.AST, own: Mapping[str, str]) -> Any:
        """A copy of an expression, with its constants under names of their own."""
        match node:
            case ast.Name(identifier, ast.Load()):
                return name(own.get(identifier, identifier))
            case ast.Call(ast.Attribute(ast.Name(owner), "get"), [ast.Constant(str(key))]) if owner in {EVENT, LEAD}:
                return self.found(owner, key)
        if not node._fields:  # operators are all the same
            return node
        return node.__class__(**{field: self._copied(value, own) for field, value in ast.iter_fields(node)})

    def _copied(self, value: Any, own: Mapping[str, str]) -> Any:
        if isinstance(value, list):
            return [self._copied(each, own) for each in value]
        return self.rewritten(value, own) if isinstance(value, ast.AST) else value


def function(body: ast.expr, constants: Mapping[str, Any]) -> Callable[..., Any]:
    """The compiled `(event properties, lead fields, facts) -> body`, seeing helpers and `constants`, no builtins."""
    arguments = ast.arguments([], [ast.arg(word) for word in (EVENT, LEAD, FACTS)], None, [], [], None, [])
    module = ast.fix_missing_locations(ast.Expression(ast.Lambda(arguments, body)))
    compiled: Callable[..., Any] = eval(  # noqa: S307  the tree above is built of the closed list of parts in this file
        compile(module, "<expression>", "eval"), {**HELPERS, **constants}
    )
    return compiled
