"""Makes a parsed template pay for what it does: loops, macros, blocks, comparisons, and texts put together.

What cannot be bounded by paying (a loop that calls itself) or would switch escaping off is refused here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes, pass_context
from jinja2.visitor import NodeTransformer
from markupsafe import Markup

from workers.rulebook.sandbox.meter import pay, pay_for
from workers.rulebook.sandbox.words import written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from jinja2.runtime import Context

LOADING: Final = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
LOADED: Final = 1000
"""What it costs to bring in another template; all names are copied for it."""

# These names can be written in no template.
EACH, WEIGH, PUT, STEP, LACKS = "#each", "#weigh", "#put", "#step", "#lacks"


class Nothing(StrictUndefined):
    """What a lead has not got. As in expressions, no comparison with it is true, `!=` and `not in` included."""

    __slots__ = ()

    def _never(self, *_: object) -> bool:
        return False

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = _never  # type: ignore[assignment]
    __hash__ = StrictUndefined.__hash__  # type: ignore[assignment]


@pass_context
def each_paid(_: Context, values: Iterable[Any], weight: int) -> Iterator[Any]:
    """What a loop goes through, each round paid for."""
    for value in values:
        pay(weight)
        pay_for(value)
        yield value


@pass_context
def weighed(_: Context, value: Any) -> Any:
    """The value of an operand."""
    pay_for(value)
    return value


@pass_context
def lacks(_: Context, value: Any, container: Any) -> bool:
    """`not in`, which Python makes of `in`."""
    pay_for(value), pay_for(container)
    return not isinstance(value, Nothing) and value not in container


@pass_context
def put_together(context: Context, values: list[Any]) -> str:
    """What `~` makes, escaped where the mail is."""
    pieces = [written(value) for value in values]
    if context.eval_ctx.autoescape:
        return Markup("").join(pieces)
    return "".join(map(str, pieces))


@pass_context
def step(_: Context, weight: int) -> str:
    """The price of a part of a template, at its beginning."""
    pay(weight)
    return ""


INTERNAL: Final[dict[str, Callable[..., Any]]] = {
    EACH: each_paid, WEIGH: weighed, PUT: put_together, STEP: step, LACKS: lacks,
}  # fmt: skip


class Metering(NodeTransformer):
    """Puts payment into a template, from the leaves up."""

    def visit_Template(self, node: nodes.Template) -> nodes.Node:  # noqa: N802  (Jinja2's name, as below)
        """Once for each rendering, and for each time it is brought in by another."""
        return self._begins_with_payment(node)

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:  # noqa: N802
        """Once for each call."""
        return self._begins_with_payment(node)

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.Node:  # noqa: N802
        """Once for each `caller()`."""
        return self._begins_with_payment(node)

    def visit_Block(self, node: nodes.Block) -> nodes.Node:  # noqa: N802
        """Once for each time it is shown, by `super()` and `self` too."""
        return self._begins_with_payment(node)

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        """Once for each round."""
        if node.recursive:
            raise TemplateSyntaxError("a loop cannot be recursive here; call a macro", node.lineno)
        self.generic_visit(node)
        node.iter = _filtered(node.iter, EACH, nodes.Const(weight(node), lineno=node.lineno))
        return node

    def visit_ScopedEvalContextModifier(self, node: nodes.ScopedEvalContextModifier) -> nodes.Node:  # noqa: N802
        """`{% autoescape %}`."""
        raise TemplateSyntaxError("escaping cannot be switched; it is on in files that end in .html", node.lineno)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        """`~`."""
        self.generic_visit(node)
        return _filtered(nodes.List(node.nodes, lineno=node.lineno), PUT)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        """`==`, `<`, `in` and the like look at all of both sides."""
        self.generic_visit(node)
        if [operand.op for operand in node.ops] == ["notin"]:
            return _filtered(node.expr, LACKS, node.ops[0].expr)
        node.expr = _filtered(node.expr, WEIGH)
        for operand in node.ops:
            operand.expr = _filtered(operand.expr, WEIGH)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        """`text[2:]` is a copy."""
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            node.node = _filtered(node.node, WEIGH)
        return node

    def visit_Pair(self, node: nodes.Pair) -> nodes.Node:  # noqa: N802
        """A key is hashed whole."""
        self.generic_visit(node)
        node.key = _filtered(node.key, WEIGH)
        return node

    def _begins_with_payment(self, node: Any) -> nodes.Node:
        self.generic_visit(node)
        price = _filtered(nodes.Const(weight(node), lineno=node.lineno), STEP)
        node.body.insert(0, nodes.ExprStmt(price, lineno=node.lineno))
        return node  # type: ignore[no-any-return]


def weight(node: nodes.Node) -> int:
    """What it costs to go through a part of a template once."""
    return 1 + sum(LOADED if isinstance(each, LOADING) else 1 for each in node.find_all(nodes.Node))


def _filtered(node: Any, name: str, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)
