"""What templates ask of where a lead stands (`segment("enterprise")`): whether one does at all, and in which words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

from jinja2 import TemplateSyntaxError, nodes

from workers.rulebook.sandbox import ASKED
from workers.rulebook.sandbox.rewriting import LACKS, WEIGH

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from workers.rulebook.sandbox import BoundedEnvironment

BRINGS_IN: Final = (nodes.Include, nodes.Extends, nodes.Import, nodes.FromImport)
SIGNS: Final = {"eq": "==", "ne": "!=", "lt": "<", "lteq": "<=", "gt": ">", "gteq": ">=", "in": "in"}
WRONG: Final = "0"
"""Stands for an argument that is not written out; no function takes a number."""


class Question(NamedTuple):
    """A call of one of the functions, or a comparison with one, as an expression of rules has it.

    Attributes:
        line: from 1.
        word: the function.
        text: the expression; empty where the function is named and not called.
    """

    line: int
    word: str
    text: str


def asks(environment: BoundedEnvironment, trees: Iterable[nodes.Template], paths: Iterable[str]) -> bool:
    """True if anything in a mail, or what it brings in, may ask where the lead stands.

    Args:
        environment: holds the templates.
        trees: of lines that are templates of their own.
        paths: of its files; what is not there or cannot be read asks nothing, and rendering tells.
    """
    waiting, seen = list(trees), set(paths)
    waiting += [tree for path in seen for tree in read(environment, path)]
    while waiting:
        tree = waiting.pop()
        if any(name.name in ASKED for name in tree.find_all(nodes.Name)):
            return True
        for path in brought_in(tree):
            if path is None:  # which one is known only when it is rendered
                return True
            if path not in seen:
                seen.add(path)
                waiting += read(environment, path)
    return False


def read(environment: BoundedEnvironment, path: str) -> list[nodes.Template]:
    """A file's tree; none if there is none."""
    try:
        return [environment.unpaid(path)[0]] if environment.holds(path) else []
    except TemplateSyntaxError:
        return []


def brought_in(tree: nodes.Template) -> Iterator[str | None]:
    """The templates that one includes, extends or imports; None for one that is not named by a written text."""
    for node in tree.find_all(BRINGS_IN):
        named = getattr(node, "template", None)
        yield named.value if isinstance(named, nodes.Const) and isinstance(named.value, str) else None


def questions(tree: nodes.Template, words: Collection[str]) -> Iterator[Question]:
    """Everything that a template asks with these words, calls first."""
    called = [call for call in tree.find_all(nodes.Call) if word_of(call) in words]
    names = {id(call.node) for call in called}
    for call in called:
        yield Question(call.lineno, word_of(call), said(call, words))
    for name in tree.find_all(nodes.Name):
        if name.name in words and name.ctx == "load" and id(name) not in names:
            yield Question(name.lineno, name.name, "")
    for left, sign, right in comparisons(tree):
        asked = [word for side in (left, right) if (word := word_of(side)) in words]
        texts = [said(side, words) for side in (left, right)]
        if asked and all(texts):
            yield Question(left.lineno, asked[0], f" {sign} ".join(texts))


def comparisons(tree: nodes.Template) -> Iterator[tuple[nodes.Node, str, nodes.Node]]:
    """What is compared with what: comparisons of two sides, as `Metering` leaves them."""
    for node in tree.find_all(nodes.Compare):
        if len(node.ops) == 1:
            yield unpaid(node.expr), SIGNS[node.ops[0].op], unpaid(node.ops[0].expr)
    for each in tree.find_all(nodes.Filter):
        if each.name == LACKS and each.node is not None:
            yield each.node, "not in", each.args[0]


def unpaid(node: nodes.Node) -> nodes.Node:
    """An operand without the payment for it."""
    return unpaid(node.node) if isinstance(node, nodes.Filter) and node.name == WEIGH and node.node else node


def word_of(node: nodes.Node) -> str:
    """The name of the function that is called; empty for anything else."""
    return node.node.name if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) else ""


def said(node: nodes.Node, words: Collection[str]) -> str:
    """A call, a text, a number or a list of them as expressions have it; empty for anything else."""
    if isinstance(node, nodes.Const):
        return "none" if node.value is None else json.dumps(node.value, ensure_ascii=False)
    if isinstance(node, nodes.List | nodes.Tuple):
        items = [said(item, words) for item in node.items]
        return f"[{', '.join(items)}]" if all(items) else ""
    if isinstance(node, nodes.Call) and word_of(node) in words:
        return f"{word_of(node)}({', '.join(arguments(node))})"
    return ""


def arguments(call: nodes.Call) -> list[str]:
    """What stands in the parentheses of a call."""
    beside = [*call.kwargs, *filter(None, (call.dyn_args, call.dyn_kwargs))]
    return [said(each, ()) or WRONG for each in call.args] + [WRONG] * len(beside)
