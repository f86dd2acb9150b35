"""The parts of a condition that time alone may turn, found in its text once, so that they can be watched.

`and`, `or` and `not` turn only when one of their operands does, so a condition is taken apart into its comparisons. Of
those that people write most often, a number against a score, an age or a count, it is known in closed form when they
turn; any other one is kept as code that tells whether it holds at an instant.
"""

from __future__ import annotations

from math import ceil, floor
from typing import TYPE_CHECKING, Final

from workers.engine.counters import DAY
from workers.engine.decay import RESOLUTION
from workers.engine.expressions import tree
from workers.engine.expressions.code import call, coerced, function
from workers.engine.expressions.compiler import Compiler
from workers.engine.expressions.contradictions import TURNED, children, constant
from workers.engine.expressions.kinds import BOOLEAN, DATE, DATETIME, NUMBER
from workers.engine.watch import Age, Least, Level, Moving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from workers.engine.expressions.kinds import Scope
    from workers.engine.rules import Ask, Test
    from workers.engine.watch import Turn

DIFFERENCES: Final = {NUMBER: "subtract", DATE: "days_between", DATETIME: "days_between"}
BOTH_SIDES: Final = frozenset({"==", "!="})


def turns(root: tree.Node, scope: Scope) -> Iterator[Turn]:
    """Everything in a condition that time may turn."""
    for leaf in comparisons(root):
        for part in sides(leaf, scope):
            compiler = Compiler(scope)
            holds = compiled(part, compiler)
            asks = frozenset(compiler.build.asks)
            if moving := [ask for ask in asks if ask.moves]:
                yield from known(part, moving) or [Moving(holds, apart(part, scope), asks)]


def sides(leaf: tree.Node, scope: Scope) -> list[tree.Node]:
    """A comparison for equality, as the two that turn where the value is reached, and where it is passed.

    Whoever looks for the instant from afar would not see one that comes and goes. Of a list that is each of its items.
    """
    if not isinstance(leaf, tree.Compare):
        return [leaf]
    operator, right = leaf.rest[0]
    items = inner(right)
    if operator in {"in", "not in"} and isinstance(items, tree.ListOf):
        equal = [tree.Compare(leaf.offset, leaf.first, [("==", item)]) for item in items.items]
    else:
        equal = [leaf] if operator in BOTH_SIDES else []
    if not equal or any(apart(each, scope) is None for each in equal):
        return [leaf]
    return [tree.Compare(leaf.offset, leaf.first, [(sign, each.rest[0][1])]) for each in equal for sign in (">=", ">")]


def comparisons(node: tree.Node) -> Iterator[tree.Node]:
    """The parts that a condition is joined of, chains of comparisons as single ones."""
    if isinstance(node, tree.Logic | tree.Not | tree.Group):
        for child in children(node):
            yield from comparisons(child)
    elif isinstance(node, tree.Choice):
        for child in (node.condition, node.then, node.otherwise):
            yield from comparisons(child)
    elif isinstance(node, tree.Compare):
        left = node.first
        for operator, right in node.rest:
            yield tree.Compare(left.offset, left, [(operator, right)])
            left = right
    else:
        yield node


def compiled(node: tree.Node, compiler: Compiler) -> Test:
    """The code of one part."""
    return function(coerced(compiler.part(node), BOOLEAN), compiler.build.constants)


def apart(node: tree.Node, scope: Scope) -> Test | None:
    """Code for how far the sides of a comparison are apart, if both are numbers, or both dates."""
    if not isinstance(node, tree.Compare):
        return None
    compiler = Compiler(scope)
    left, right = compiler.part(node.first), compiler.part(node.rest[0][1])
    helper = DIFFERENCES.get(left.kind)
    if helper is None or left.kind != right.kind:
        return None
    return function(call(helper, left.code, right.code), compiler.build.constants)


# ── known in closed form ─────────────────────────────────────────────────────────────────────────────────────


def known(node: tree.Node, asks: Iterable[Ask]) -> list[Turn]:
    """The turns of a comparison of one question with a number; none if it is something else."""
    if not isinstance(node, tree.Compare):
        return []
    operator, right = node.rest[0]
    for asked, sign, other in ((node.first, operator, right), (right, TURNED.get(operator, ""), node.first)):
        number = constant(other)
        if isinstance(inner(asked), tree.Call) and isinstance(number, int | float) and sign in TURNED:
            (ask,) = asks
            return CLOSED[ask.what](ask, sign, number)
    return []


def inner(node: tree.Node) -> tree.Node:
    """What stands in parentheses."""
    return inner(node.inner) if isinstance(node, tree.Group) else node


def of_score(ask: Ask, operator: str, number: float) -> list[Turn]:
    """A score is compared when it is rounded: half of the last digit below the number it has reached it."""
    half = RESOLUTION / 2
    reached, passed = Level(ask.name, number - half), Level(ask.name, number + half)
    return two_sided(operator, reached, passed)


def of_age(ask: Ask, operator: str, days: float) -> list[Turn]:
    """An age reaches a number of days, and is above it a microsecond later; within a span it ends, too."""
    if ask.span is not None:
        return []
    reached, passed = Age(ask.name, ceil(days * DAY)), Age(ask.name, floor(days * DAY) + 1)
    return two_sided(operator, reached, passed)


def of_count(ask: Ask, operator: str, number: float) -> list[Turn]:
    """A count within a span falls below a number, or below the next one."""
    if ask.span is None:
        return []
    reached, passed = (Least(ask.name, ask.detail, ask.span, least) for least in (ceil(number), floor(number) + 1))
    return two_sided(operator, reached, passed)


def two_sided(operator: str, reached: Turn, passed: Turn) -> list[Turn]:
    """Where a comparison turns: where a number is reached, where it is passed, or at both."""
    if operator in BOTH_SIDES:
        return [reached, passed]
    return [reached] if operator in {">=", "<"} else [passed]


CLOSED: Final[dict[str, Callable[[Ask, str, float], list[Turn]]]] = {
    "score": of_score, "days_since": of_age, "count": of_count, "distinct": of_count, "now": lambda *_: [],
}  # fmt: skip
