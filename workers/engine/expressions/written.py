"""A parsed expression, or any part of one, as text again: what it says is what the part says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from workers.engine.expressions import tree

if TYPE_CHECKING:
    from collections.abc import Callable


def written(node: tree.Node) -> str:
    """The text of a part; compiled again, it means the same."""
    return WRITERS[type(node)](node)


def _literal(node: tree.Literal) -> str:
    return json.dumps(node.value, ensure_ascii=False) if node.value is not None else "none"


def _arguments(given: tree.Arguments) -> str:
    named = [f"{name}={written(value)}" for name, value in given.named]
    return ", ".join([*map(written, given.values), *named])


def _filter(node: tree.Filter) -> str:
    inside = _arguments(node.arguments)
    return f"{written(node.operand)} | {node.name}" + (f"({inside})" if inside else "")


def _compare(node: tree.Compare) -> str:
    return " ".join([written(node.first), *(f"{operator} {written(right)}" for operator, right in node.rest)])


WRITERS: Final[dict[type[tree.Node], Callable[[Any], str]]] = {
    tree.Literal: _literal,
    tree.ListOf: lambda node: f"[{', '.join(map(written, node.items))}]",
    tree.Attribute: lambda node: f"{node.owner}.{node.name}",
    tree.Call: lambda node: f"{node.name}({_arguments(node.arguments)})",
    tree.Filter: _filter,
    tree.Test: lambda node: f"{written(node.operand)} is {'defined' if node.defined else 'none'}",
    tree.Compare: _compare,
    tree.Logic: lambda node: f" {node.operator} ".join(map(written, node.operands)),
    tree.Not: lambda node: f"not {written(node.operand)}",
    tree.Arithmetic: lambda node: f"{written(node.left)} {node.operator} {written(node.right)}",
    tree.Negative: lambda node: f"-{written(node.operand)}",
    tree.Join: lambda node: " ~ ".join(map(written, node.parts)),
    tree.Choice: lambda node: f"{written(node.then)} if {written(node.condition)} else {written(node.otherwise)}",
    tree.Group: lambda node: f"({written(node.inner)})",
}
