"""Fields that a template uses although they may be missing: found by reading it, wherever they stand.

A name without a value is an error when a mail is rendered, and the mail is then not sent. What is behind `is defined`,
or behind a segment that nobody without the field is in, or has a `default`, is safe; everything else is found here, in
branches that no sample lead ever takes, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, TemplateSyntaxError, nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

OWNER: Final = "lead"
DEFAULTS: Final = frozenset({"default", "d"})
HARMLESS: Final = frozenset({"defined", "undefined", "none", "string", "number", "integer", "float", "boolean"})
"""Tests that ask what a value is, and take none for an answer."""
NOTHING: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Here:
    """What holds at a place in a template.

    Attributes:
        known: fields that are there.
        certain: every mail comes by here.
    """

    known: frozenset[str] = NOTHING
    certain: bool = True

    def inside(self, proved: frozenset[str] = NOTHING) -> Here:
        """Behind a condition that proves these fields."""
        return Here(self.known | proved, certain=False)


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """A field that is used without a guard.

    Attributes:
        path: of the template, which may be one that the mail includes.
        line: from 1.
        field: of the lead.
        certain: True if every mail comes by here; False inside a condition or a loop.
    """

    path: str
    line: int
    field: str
    certain: bool


def unguarded(
    path: str,
    files: Mapping[str, str],
    fields: Collection[str],
    segments: Mapping[str, frozenset[str]] = MappingProxyType({}),
) -> list[Use]:
    """The uses of fields in a template, and in those that it includes, that fail where the field has no value.

    Args:
        path: of the template.
        files: texts of all templates by path, without front matter.
        fields: those that may be missing.
        segments: by name, the fields that every lead in it has.
    """
    reader = Guards(files, fields, segments)
    found: dict[tuple[str, int, str], Use] = {}
    for use in reader.of_file(path, Here()):
        before = found.get((use.path, use.line, use.field))
        if before is None or use.certain:
            found[use.path, use.line, use.field] = use
    return sorted(found.values())


@cache
def parser() -> Environment:
    """Reads templates as they are written; nothing is rendered with it."""
    return Environment(autoescape=True)


class Guards:
    """Walks through templates and keeps in mind which fields are known to be there."""

    def __init__(
        self, files: Mapping[str, str], fields: Collection[str], segments: Mapping[str, frozenset[str]]
    ) -> None:
        self._segments = segments
        self._files = files
        self._fields = frozenset(fields)
        self._path = ""
        self._open: list[str] = []
        self._answers: dict[str, nodes.Expr] = {}

    def of_file(self, path: str, here: Here) -> Iterator[Use]:
        """The uses in a file; none where it cannot be read, which is a finding of its own."""
        if path in self._open or path not in self._files:
            return
        try:
            tree = parser().parse(self._files[path])
        except TemplateSyntaxError:
            return
        before, self._path = self._path, path
        self._open.append(path)
        yield from self.all(tree.body, here)
        self._open.pop()
        self._path = before

    def all(self, found: Iterable[nodes.Node], here: Here) -> Iterator[Use]:
        """One after another."""
        for node in found:
            yield from self.walk(node, here)

    def walk(self, node: nodes.Node, here: Here) -> Iterator[Use]:
        """The uses in a node and below it."""
        special = WALKS.get(type(node))
        if special is not None:
            yield from special(self, node, here)
        elif field := self.field_of(node):
            if field not in here.known:
                yield Use(self._path, node.lineno, field, here.certain)
        else:
            yield from self.all(node.iter_child_nodes(), here)

    def field_of(self, node: nodes.Node) -> str:
        """The field that `lead.name` or `lead["name"]` stands for; empty for anything else."""
        name = ""
        if isinstance(node, nodes.Getattr):
            name = node.attr
        elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
            name = str(node.arg.value)
        whole = isinstance(node, nodes.Getattr | nodes.Getitem) and isinstance(node.node, nodes.Name)
        return name if whole and node.node.name == OWNER and name in self._fields else ""  # type: ignore[attr-defined]

    # ── what a condition proves ──────────────────────────────────────────────────────────────────────────────

    def proved(self, test: nodes.Node, *, holds: bool) -> frozenset[str]:
        """The fields that are there if a condition holds, or if it does not."""
        if isinstance(test, nodes.Not):
            return self.proved(test.node, holds=not holds)
        if isinstance(test, nodes.Test) and test.name in {"defined", "undefined"}:
            field = self.field_of(test.node)
            return frozenset({field}) if field and (test.name == "defined") == holds else NOTHING
        if isinstance(test, nodes.And | nodes.Or):
            left, right = (self.proved(each, holds=holds) for each in (test.left, test.right))
            return left | right if isinstance(test, nodes.And) == holds else left & right
        if isinstance(test, nodes.Call) and holds:
            return self._segments.get(segment_of(test), NOTHING)
        if isinstance(test, nodes.Name) and test.name in self._answers:
            return self.proved(self._answers[test.name], holds=holds)
        return NOTHING

    # ── nodes that decide something ──────────────────────────────────────────────────────────────────────────

    def condition(self, node: nodes.If, here: Here) -> Iterator[Use]:
        """`{% if %}`: what one branch is behind of, the others are not."""
        for branch in (node, *node.elif_):
            yield from self.walk(branch.test, here)
            yield from self.all(branch.body, here.inside(self.proved(branch.test, holds=True)))
            here = here.inside(self.proved(branch.test, holds=False))
        yield from self.all(node.else_, here)

    def choice(self, node: nodes.CondExpr, here: Here) -> Iterator[Use]:
        """`a if condition else b`."""
        yield from self.walk(node.test, here)
        yield from self.walk(node.expr1, here.inside(self.proved(node.test, holds=True)))
        if node.expr2 is not None:
            yield from self.walk(node.expr2, here.inside(self.proved(node.test, holds=False)))

    def logic(self, node: nodes.And | nodes.Or, here: Here) -> Iterator[Use]:
        """`and`, `or`: the right side is looked at only if the left one leaves it open."""
        yield from self.walk(node.left, here)
        yield from self.walk(node.right, here.inside(self.proved(node.left, holds=isinstance(node, nodes.And))))

    def filtered(self, node: nodes.Filter, here: Here) -> Iterator[Use]:
        """`| default(…)` stands for a missing value; every other filter wants one."""
        if node.node is not None and not (node.name in DEFAULTS and self.field_of(node.node)):
            yield from self.walk(node.node, here)
        yield from self.all([*node.args, *node.kwargs], here)

    def tested(self, node: nodes.Test, here: Here) -> Iterator[Use]:
        """`is defined` and its like ask nothing of the value itself."""
        if not (node.name in HARMLESS and self.field_of(node.node)):
            yield from self.walk(node.node, here)
        yield from self.all([*node.args, *node.kwargs], here)

    def loop(self, node: nodes.For, here: Here) -> Iterator[Use]:
        """`{% for %}`: its body may be gone through not once."""
        yield from self.walk(node.iter, here)
        yield from self.all([*([node.test] if node.test else ()), *node.body, *node.else_], here.inside())

    def assigned(self, node: nodes.Assign, here: Here) -> Iterator[Use]:
        """`{% set %}`: a missing value may be given a name, and a condition, too."""
        if isinstance(node.target, nodes.Name) and isinstance(node.node, nodes.Expr):
            self._answers[node.target.name] = node.node
        if not self.field_of(node.node):
            yield from self.walk(node.node, here)

    def elsewhere(self, node: nodes.Include | nodes.Extends, here: Here) -> Iterator[Use]:
        """A template inside this one or around it: what is proved here holds there."""
        if isinstance(node.template, nodes.Const) and isinstance(node.template.value, str):
            yield from self.of_file(node.template.value, here)

    def called(self, node: nodes.Macro | nodes.CallBlock, here: Here) -> Iterator[Use]:
        """A macro: nobody may ever call it."""
        yield from self.all(node.iter_child_nodes(), here.inside())


def segment_of(call: nodes.Call) -> str:
    """The name in `segment("name")`; empty for any other call."""
    asked = isinstance(call.node, nodes.Name) and call.node.name == "segment" and len(call.args) == 1
    named = call.args[0] if asked else None
    return str(named.value) if isinstance(named, nodes.Const) else ""


WALKS: Final[dict[type[nodes.Node], Callable[..., Iterator[Use]]]] = {
    nodes.If: Guards.condition,
    nodes.CondExpr: Guards.choice,
    nodes.And: Guards.logic,
    nodes.Or: Guards.logic,
    nodes.Filter: Guards.filtered,
    nodes.Test: Guards.tested,
    nodes.For: Guards.loop,
    nodes.Assign: Guards.assigned,
    nodes.Include: Guards.elsewhere,
    nodes.Extends: Guards.elsewhere,
    nodes.Macro: Guards.called,
    nodes.CallBlock: Guards.called,
}
