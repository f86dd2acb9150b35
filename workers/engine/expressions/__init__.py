"""Rule expressions: the common subset of Jinja2 and Python expressions, checked and compiled once.

    event.form == "demo" and lead.employees >= 100 and lead.country in ["US", "CA"]

What holds:

- Nothing outside the closed lists of `parser`, `vocabulary` and `runtime` exists; there is no way to Python.
- A missing value (absent or none) makes a comparison false, also `!=` and `not in`; a calculation with it is missing.
  A value of another type than declared counts as missing. Nothing raises, and every result is bounded in size.
- Where Jinja2 and Python read a text differently, it is refused with the parentheses to add.
- Types are checked against what the rule files declare before any value is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.engine.expressions.advice import advised
from workers.engine.expressions.code import Code, coerced, function, together
from workers.engine.expressions.compiler import Compiler, wanted
from workers.engine.expressions.kinds import BOOLEAN, BY_NAME, DECLARED, LIST, NONE, Scope
from workers.engine.expressions.parser import parse
from workers.engine.expressions.turns import turns
from workers.engine.rules import Expression
from workers.exceptions import ExpressionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.engine.rules import Test

__all__ = ["Scope", "compile_expression", "joined"]


def compile_expression(source: str, scope: Scope, want: str | None = None) -> Expression:
    """Parse, check and compile one expression.

    Args:
        source: the text in the rule file.
        scope: the names it may use.
        want: the type that its place needs: `boolean`, `number`, `text`, `list`, `date` or `datetime`; None takes any.
            The compiled function then gives a value of that type, or None (False, where `boolean` is wanted).

    Raises:
        ExpressionError: it is not an expression, or speaks of unknown names, or mixes types; with the column from 0.
    """
    try:
        root = parse(source)
    except ExpressionError as error:
        raise advised(error, source, scope, want) from None
    compiler = Compiler(scope)
    part = compiler.part(root)
    if part.kind == NONE:
        raise ExpressionError("`none` says nothing by itself", "leave the key out", part.offset, code="type")
    kind = BY_NAME[want] if want else part.kind
    wanted(part, kind)
    code = Code(coerced(part, kind), compiler.build.constants)
    asks = frozenset(compiler.build.asks)
    moving = tuple(turns(root, scope)) if kind == BOOLEAN and any(ask.moves for ask in asks) else ()
    return Expression(source, function(code.body, code.constants), kind.name, asks, moving, code)


def joined(conditions: Sequence[Expression | None], declared: Mapping[str, str] | None) -> Test:
    """One function of several conditions: see `rules.Join`."""
    kinds = None if declared is None else tuple((name, DECLARED.get(kind, LIST)) for name, kind in declared.items())
    return together(tuple(None if each is None else each.code for each in conditions), kinds)
