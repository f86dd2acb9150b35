"""Trees into checked Python code: every node gives a `Part`, or an error that names the place and the types."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from workers.engine.expressions import tree
from workers.engine.expressions.advice import ONE_TEXT, TEXT_OF, WANTED, about_types, number_of
from workers.engine.expressions.code import (
    EVENT,
    LEAD,
    NOTHING,
    Part,
    both,
    call,
    class_of,
    coerced,
    compare,
    constant,
    get,
    is_true,
    keep,
    name,
)
from workers.engine.expressions.functions import called
from workers.engine.expressions.kinds import (
    ANY,
    BOOLEAN,
    CODES,
    DATE,
    DATETIME,
    DECLARED,
    LIST,
    NONE,
    NUMBER,
    ORDERED,
    TEXT,
    Kind,
    common,
    comparable,
    limited,
)
from workers.engine.expressions.vocabulary import Build, filtered
from workers.engine.rules import Ask
from workers.exceptions import ExpressionError
from workers.text import some, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from workers.engine.expressions.kinds import Scope

MAX_HEIGHT: Final = 60
ARITHMETIC: Final = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "//": "floor_divide",
    "%": "remainder",
}
COMPARED: Final[Mapping[str, tuple[str, type[ast.cmpop]]]] = {
    "==": ("eq", ast.Eq),
    "!=": ("ne", ast.NotEq),
    "<": ("lt", ast.Lt),
    "<=": ("le", ast.LtE),
    ">": ("gt", ast.Gt),
    ">=": ("ge", ast.GtE),
}
TURNED: Final = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
WRITTEN: Final = frozenset({TEXT, NUMBER, DATE, DATETIME, ANY})
ITEMS: Final = frozenset({TEXT, NUMBER, BOOLEAN})
"""Elements of lists that are looked for as they are."""


class Compiler:
    """Compiles one expression.

    Args:
        scope: the names it may use.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._height = 0
        self._temporaries = 0
        self.build = Build(scope)
        self._rules: dict[type[tree.Node], Callable[[Any], Part]] = {
            tree.Literal: self.literal,
            tree.ListOf: self.list_of,
            tree.Attribute: self.attribute,
            tree.Call: self.call,
            tree.Filter: self.filter,
            tree.Test: self.test,
            tree.Compare: self.comparison,
            tree.Logic: self.logic,
            tree.Not: self.negation,
            tree.Arithmetic: self.arithmetic,
            tree.Negative: self.negative,
            tree.Join: self.join,
            tree.Choice: self.choice,
            tree.Group: lambda node: self.part(node.inner),
        }

    def part(self, node: tree.Node) -> Part:
        """Check and compile one node."""
        self._height += 1
        if self._height > MAX_HEIGHT:
            raise ExpressionError("too many terms in one another", "split it", node.offset, code="too-long")
        part = self._rules[type(node)](node)
        self._height -= 1
        return part

    def parts(self, nodes: Iterable[tree.Node]) -> list[Part]:
        """Check and compile several."""
        return [self.part(node) for node in nodes]

    def kept(self, value: ast.expr) -> tuple[ast.expr, ast.expr]:
        """The value, kept under a name as it is computed, and that name."""
        self._temporaries += 1
        identifier = f"t{self._temporaries}"
        return keep(identifier, value), name(identifier)

    # ── values ───────────────────────────────────────────────────────────────────────────────────────────────

    def literal(self, node: tree.Literal) -> Part:
        """A value written out."""
        value = node.value
        kind = {bool: BOOLEAN, int: NUMBER, float: NUMBER, str: TEXT}.get(type(value), NONE)
        return Part(constant(value), kind, node.offset, value, exact=kind == BOOLEAN)

    def list_of(self, node: tree.ListOf) -> Part:
        """A list, all of one type."""
        items = self.parts(node.items)
        for item in items:
            no_none(item, "in a list")
            if not comparable(item.kind, items[0].kind):
                raise mismatch(items[0], item, "one list cannot hold", "make two comparisons")
        known = all(item.is_constant and item.kind in {TEXT, NUMBER} for item in items)
        value = frozenset(item.constant for item in items) if known else NOTHING
        return Part(ast.List([item.code for item in items], ast.Load()), LIST, node.offset, value)

    def attribute(self, node: tree.Attribute) -> Part:
        """A lead field or event property."""
        if node.owner == "lead":
            if reason := self._scope.refused.get("lead"):
                raise ExpressionError("a lead's fields cannot be asked here", reason, node.offset, code="not-here")
            part = self.known(node, LEAD, {"email": "email", **self._scope.fields}, "field", "in rules/fields.yaml")
            said = self._scope.fields.get(node.name, "")
            return replace(part, kind=limited(part.kind, said, self._scope.allowed.get(node.name)))
        if node.owner != "event":
            whole = f"{node.owner}.{node.name}"
            quoted = f'a type of event stands in quotes: "{whole}"' if whole in self._scope.events else ""
            hint = quoted or suggestion(node.owner, ("lead", "event"), f"{{}}.{node.name}")
            raise ExpressionError(f"`{node.owner}` is not a known word", hint, node.offset, code="unknown-name")
        if self._scope.event is None:
            hint = "only the condition of a rule or trigger with `event:` sees one"
            raise ExpressionError("there is no event here", hint, node.offset, code="not-here")
        return self.known(node, EVENT, self._scope.event, "property", "with the event in rules/events.yaml")

    def known(self, node: tree.Attribute, argument: str, declared: Mapping[str, str], noun: str, where: str) -> Part:
        """A declared name, read from the argument that holds it."""
        if node.name not in declared:
            hint = suggestion(node.name, declared, f"{node.owner}.{{}}", f"declare it {where}")
            text = f"the {node.owner} has no {noun} `{node.name}`"
            raise ExpressionError(text, hint, node.offset, code=f"unknown-{noun}")
        self.build.asks.add(Ask(noun, node.name))
        kind = DECLARED.get(declared[node.name], ANY)
        part = Part(get(argument, node.name), kind, node.offset)
        return replace(part, code=coerced(part, kind)) if kind in {DATE, DATETIME} else part

    def call(self, node: tree.Call) -> Part:
        """A function."""
        named = [(word, self.part(value)) for word, value in node.arguments.named]
        return called(self.build, node.name, node.offset, self.parts(node.arguments.values), named)

    def filter(self, node: tree.Filter) -> Part:
        """A filter."""
        operand = self.part(node.operand)
        no_none(operand, f"before `| {node.name}`")
        return filtered(self.build, node.name, node.offset, operand, self.arguments(node.name, node.arguments))

    def arguments(self, word: str, arguments: tree.Arguments) -> list[Part]:
        """The arguments of a filter, which have no names."""
        for named, value in arguments.named:
            raise ExpressionError(f"`{word}` has no argument `{named}`", "leave its name out", value.offset)
        return self.parts(arguments.values)

    # ── truth ────────────────────────────────────────────────────────────────────────────────────────────────

    def test(self, node: tree.Test) -> Part:
        """`is defined`, `is none`."""
        operator = ast.IsNot() if node.defined else ast.Is()
        code = compare(self.part(node.operand).code, operator, constant(None))
        return Part(code, BOOLEAN, node.offset, exact=True)

    def logic(self, node: tree.Logic) -> Part:
        """`and`, `or`."""
        operands = [is_true(self.condition(operand, f"beside `{node.operator}`")) for operand in node.operands]
        operator = ast.And() if node.operator == "and" else ast.Or()
        return Part(ast.BoolOp(operator, operands), BOOLEAN, node.offset, exact=True)

    def negation(self, node: tree.Not) -> Part:
        """`not`."""
        operand = is_true(self.condition(node.operand, "behind `not`"))
        return Part(ast.UnaryOp(ast.Not(), operand), BOOLEAN, node.offset, exact=True)

    def condition(self, node: tree.Node, where: str) -> Part:
        """Something that can be true."""
        part = self.part(node)
        if part.kind not in {BOOLEAN, ANY}:
            hint = "compare it with something, or write `is defined`"
            text = f"a condition is wanted {where}, this is {part.kind.described}"
            raise ExpressionError(text, hint, part.offset, code="type")
        return part

    def choice(self, node: tree.Choice) -> Part:
        """`a if condition else b`."""
        condition = self.condition(node.condition, "behind `if`")
        then, otherwise = self.part(node.then), self.part(node.otherwise)
        kind = common(then.kind, otherwise.kind)
        if kind is None:
            raise mismatch(then, otherwise, "one choice cannot be between", "make both sides the same type")
        code = ast.IfExp(is_true(condition), then.code, otherwise.code)
        return Part(code, kind, node.offset, exact=then.exact and otherwise.exact)

    def comparison(self, node: tree.Compare) -> Part:
        """One comparison or a chain; what stands between two is computed once."""
        left = self.part(node.first)
        codes: list[ast.expr] = []
        for index, (operator, right_node) in enumerate(node.rest, 1):
            right = self.part(right_node)
            check(operator, left, right)
            following = right
            if index < len(node.rest) and not right.is_constant:
                code, again = self.kept(right.code)
                right, following = replace(right, code=code), replace(right, code=again)
            codes.append(self.compared(operator, left, right))
            left = following
        code = codes[0] if len(codes) == 1 else ast.BoolOp(ast.And(), codes)
        return Part(code, BOOLEAN, node.offset, exact=True)

    def compared(self, operator: str, left: Part, right: Part) -> ast.expr:
        """Code of one comparison; with a constant at one side it needs no call."""
        if operator in {"in", "not in"}:
            return self.member(operator, left, right)
        helper, sign = COMPARED[operator]
        if left.is_constant and not right.is_constant:
            return self.compared(TURNED[operator], right, left)
        if right.kind not in {TEXT, NUMBER} or not right.is_constant or left.is_constant:
            return call(helper, left.code, right.code)
        if operator == "==" and right.constant not in {0, 1}:
            return compare(left.code, sign(), right.code)
        value, again = self.kept(left.code)
        return both(of_kind(value, right.kind), compare(again, sign(), right.code))

    def member(self, operator: str, item: Part, container: Part) -> ast.expr:
        """Code of `in` and `not in`."""
        sign: ast.cmpop = ast.In() if operator == "in" else ast.NotIn()
        if isinstance(container.constant, frozenset) and container.constant:
            value, again = self.kept(item.code)
            kind = TEXT if isinstance(next(iter(container.constant)), str) else NUMBER
            return both(of_kind(value, kind), compare(again, sign, constant(container.constant)))
        if container.kind == TEXT and isinstance(item.constant, str):
            value, again = self.kept(container.code)
            return both(of_kind(value, TEXT), compare(item.code, sign, again))
        return call("contains" if operator == "in" else "lacks", container.code, item.code)

    # ── calculations ─────────────────────────────────────────────────────────────────────────────────────────

    def arithmetic(self, node: tree.Arithmetic) -> Part:
        """`+ - * / // %`."""
        left, right = self.part(node.left), self.part(node.right)
        if node.operator == "-" and left.kind == right.kind and left.kind in {DATE, DATETIME}:
            return Part(call("days_between", left.code, right.code), NUMBER, node.offset)
        for operand in (left, right):
            if operand.kind not in {NUMBER, ANY}:
                hint = (
                    "join text with `~`" if operand.kind == TEXT and node.operator == "+" else number_of(operand.kind)
                )
                text = f"`{node.operator}` calculates with numbers, this is {operand.kind.described}"
                raise ExpressionError(text, hint, operand.offset, code="type")
        return Part(call(ARITHMETIC[node.operator], left.code, right.code), NUMBER, node.offset)

    def negative(self, node: tree.Negative) -> Part:
        """`-`."""
        operand = self.part(node.operand)
        if operand.kind not in {NUMBER, ANY}:
            text = f"`-` calculates with numbers, this is {operand.kind.described}"
            raise ExpressionError(text, number_of(operand.kind), operand.offset, code="type")
        if operand.is_constant:
            return Part(constant(-operand.constant), NUMBER, node.offset, -operand.constant)
        return Part(call("negative", operand.code), NUMBER, node.offset)

    def join(self, node: tree.Join) -> Part:
        """`~`."""
        parts = self.parts(node.parts)
        for part in parts:
            if part.kind not in WRITTEN:
                text = f"`~` joins text, this is {part.kind.described}"
                raise ExpressionError(text, TEXT_OF.get(part.kind.name, ONE_TEXT), part.offset, code="type")
        return Part(call("joined", *(part.code for part in parts)), TEXT, node.offset)


def of_kind(value: ast.expr, kind: Kind) -> ast.Compare:
    """Code that is True if the value is, when run, text or a number."""
    if kind == TEXT:
        return compare(class_of(value), ast.Is(), name("S"))
    return compare(class_of(value), ast.In(), name("N"))


# ── checks ───────────────────────────────────────────────────────────────────────────────────────────────────


def check(operator: str, left: Part, right: Part) -> None:
    """Refuse a comparison that can never be meant."""
    no_none(left, f"beside `{operator}`")
    no_none(right, f"beside `{operator}`")
    if operator in {"in", "not in"}:
        check_member(operator, left, right)
        return
    if not comparable(left.kind, right.kind):
        raise mismatch(left, right, f"`{operator}` cannot compare", about_types(left.kind, right.kind))
    if operator not in {"==", "!="} and not {left.kind, right.kind} <= ORDERED:
        hint = "only numbers, texts and dates have an order"
        raise ExpressionError(f"`{operator}` cannot order {left.kind.described}", hint, left.offset, code="type")
    check_choice(left.kind, right, {right.constant})
    check_choice(right.kind, left, {left.constant})


def check_member(operator: str, item: Part, container: Part) -> None:
    """Refuse `in` between things of which one cannot hold the other."""
    if container.kind == TEXT and item.kind not in {TEXT, ANY}:
        raise mismatch(item, container, f"`{operator}` cannot look for", "look for text in text")
    if container.kind not in {TEXT, LIST, ANY}:
        hint = "write a list in brackets: [ … ]"
        text = f"`{operator}` looks in a list or a text, this is {container.kind.described}"
        raise ExpressionError(text, hint, container.offset, code="type")
    if isinstance(container.constant, frozenset) and container.constant:
        kind = TEXT if isinstance(next(iter(container.constant)), str) else NUMBER
        if not comparable(item.kind, kind):
            other = replace(container, kind=kind)
            raise mismatch(item, other, f"`{operator}` cannot compare", about_types(item.kind, kind))
        check_choice(item.kind, container, container.constant)
    elif container.kind.items in ITEMS:
        check_item(operator, item, container, container.kind.items)


def check_item(operator: str, item: Part, container: Part, kind: Kind) -> None:
    """Refuse to look into a list for what it never holds."""
    if not comparable(item.kind, kind):
        raise mismatch(
            item, replace(container, kind=kind), f"`{operator}` cannot compare", about_types(item.kind, kind)
        )
    check_choice(kind, item, {item.constant})


def check_choice(kind: Kind, other: Part, constants: Iterable[Any]) -> None:
    """Refuse the name of a band or stage that does not exist, or a value that a field never has."""
    for value in constants:
        if kind.choices is not None and isinstance(value, str) and value not in kind.choices:
            hint = "" if kind is CODES else suggestion(value, kind.choices, '"{}"')  # two letters are near to too many
            hint = hint or kind.form or some(kind.choices, '"{}"')
            text = f'there is no {kind.noun} "{value}"'
            raise ExpressionError(text, hint, other.offset, code=f"unknown-{kind.noun.split()[-1]}")


def no_none(part: Part, where: str) -> None:
    """Refuse `none` where a value is wanted."""
    if part.kind == NONE:
        raise ExpressionError(f"`none` {where}", "write `is none` or `is defined`", part.offset, code="type")


def mismatch(left: Part, right: Part, what: str, hint: str) -> ExpressionError:
    """The error for two types that do not go together; it names both."""
    text = f"{what} {left.kind.described} with {right.kind.described}"
    return ExpressionError(text, hint, right.offset, code="type")


def wanted(part: Part, kind: Kind) -> None:
    """Refuse an expression that gives another type than its place wants."""
    if part.kind not in {kind, ANY}:
        hint = WANTED.get(kind, "")
        text = f"{kind.described} is wanted here, this is {part.kind.described}"
        raise ExpressionError(text, hint, part.offset, code="type")
