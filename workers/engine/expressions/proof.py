"""Which fields a lead surely has, of whom a condition is true: a missing value makes a comparison false."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Final

from workers.engine.expressions import tree
from workers.engine.expressions.parser import parse
from workers.engine.expressions.vocabulary import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.engine.rules import Segment

NONE: Final[frozenset[str]] = frozenset()


def proved_by_segments(segments: Mapping[str, Segment]) -> dict[str, frozenset[str]]:
    """By segment, the fields that every lead in it has."""
    found: dict[str, frozenset[str]] = {}
    waiting = dict(segments)
    while waiting:  # those that are made of others behind these; none is made of itself
        before = len(found)
        for name, segment in [*waiting.items()]:
            if all(ask.name not in waiting for ask in segment.when.asks if ask.what == "segment"):
                found[name] = proved(parse(segment.when.source), found)
                del waiting[name]
        if len(found) == before:
            break
    return found


def proved(node: tree.Node, segments: Mapping[str, frozenset[str]], *, holds: bool = True) -> frozenset[str]:
    """The fields that are there if a condition holds, or if it does not.

    Args:
        node: the condition.
        segments: by name, the fields that every lead in it has.
        holds: what it is.
    """
    match node:
        case tree.Group(_, inner) | tree.Not(_, inner):
            return proved(inner, segments, holds=holds != isinstance(node, tree.Not))
        case tree.Logic(_, operator, operands):
            parts = [proved(each, segments, holds=holds) for each in operands]
            return NONE.union(*parts) if (operator == "and") == holds else reduce(frozenset.intersection, parts)
        case tree.Test(_, operand, defined) if defined == holds:
            return needed(operand)
        case tree.Compare(_, first, rest) if holds:
            return needed(first).union(*(needed(each) for _, each in rest))
        case tree.Call(_, "segment", tree.Arguments([tree.Literal(_, name)])) if holds:
            return segments.get(str(name), NONE)
    return needed(node) if holds else NONE


def needed(node: tree.Node) -> frozenset[str]:
    """The fields without which a value is missing."""
    if isinstance(node, tree.Attribute):
        return frozenset({node.name}) if node.owner == "lead" else NONE
    return NONE.union(*map(needed, made_of(node)))


def made_of(node: tree.Node) -> Sequence[tree.Node]:
    """The parts without which a value is missing."""
    match node:
        case tree.Group(_, inner) | tree.Negative(_, inner):
            return [inner]
        case tree.Filter(_, operand, name) if name != DEFAULT:
            return [operand]
        case tree.Arithmetic(_, _, left, right):
            return [left, right]
        case tree.Join(_, parts):
            return parts
    return ()
