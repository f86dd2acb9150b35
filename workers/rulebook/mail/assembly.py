"""A mail, its layout and its partials as one tree; and that tree as one text with marks, to be worked on as markup.

A mail's markup can be worked on before there are values if none of it comes out of values: then each piece of Jinja2 is
a mark in it, and whatever is done to the markup (`styling`, `plain`) moves the marks along. Macros, text kept in
variables and templates chosen by a value make markup while a mail is rendered; a mail with such parts is `Unsuitable`
and is worked on after it was rendered, every time anew.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from workers.rulebook.mail.markup import MARK, OPENS, mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from workers.rulebook.sandbox import BoundedEnvironment

MOST_PARTS: Final = 200
"""Templates that one mail may bring in, each as often as it is brought in."""
MAKE_MARKUP: Final = frozenset({"e", "escape", "forceescape"})
"""Filters whose result is markup."""
OF_BLOCKS: Final = frozenset({"caller", "self", "super"})
"""Names by which templates reach other parts of themselves."""
NAMING: Final = (nodes.Assign, nodes.AssignBlock, nodes.FromImport, nodes.Import, nodes.Macro)
SILENT: Final = (nodes.Assign, nodes.ExprStmt)
"""Statements that write nothing."""


class Unsuitable(Exception):
    """The mail can be put together only while it is rendered; the text says what stands against it."""


# ── whose lines ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Sources:
    """Whose lines the lines of an assembled tree are: each file's follow those of the one before."""

    _first: list[int] = field(default_factory=list)
    _paths: list[str] = field(default_factory=list)
    _next: int = 1

    def add(self, path: str, lines: int) -> int:
        """Make room for a file; returns what its line numbers grow by."""
        self._first.append(self._next)
        self._paths.append(path)
        self._next += lines
        return self._first[-1] - 1

    def place(self, line: int) -> tuple[str, int]:
        """The file that a line is from, and its number there."""
        at = max(bisect_right(self._first, line) - 1, 0)
        return self._paths[at], line - self._first[at] + 1


# ── one tree ─────────────────────────────────────────────────────────────────────────────────────────────────


class Assembler:
    """Puts together what a template extends and includes by written names.

    Attributes:
        sources: whose lines the tree has.
    """

    def __init__(self, environment: BoundedEnvironment) -> None:
        self.sources = Sources()
        self._environment = environment
        self._parts = 0

    def tree(self, path: str) -> nodes.Template:
        """The whole template; nothing in it extends, includes, or is a block any more.

        Raises:
            Unsuitable: a part is named by a value, brings itself in, or there are too many.
            TemplateSyntaxError: a part is wrong; its `name` says which.
        """
        tree = nodes.Template(self._body(path, ()), lineno=1)
        Unblocking().visit(tree)
        tree.set_environment(self._environment)
        return tree

    def _body(self, path: str, above: tuple[str, ...]) -> list[nodes.Node]:
        """What stands in a template, blocks included."""
        self._parts += 1
        if path in above or self._parts > MOST_PARTS:
            raise Unsuitable(f"{path} is brought in without end")
        tree, lines = self._environment.unpaid(path)
        _shift(tree, self.sources.add(path, lines))
        above = (*above, path)
        Including(lambda name: self._included(name, above)).visit(tree)
        extends = [node for node in tree.body if isinstance(node, nodes.Extends)]
        return self._extended(tree.body, extends[0], above) if extends else tree.body

    def _included(self, name: nodes.Expr, above: tuple[str, ...]) -> list[nodes.Node]:
        whole = nodes.Template(self._body(self._known(name), above), lineno=1)
        Unblocking().visit(whole)
        return _scoped(whole.body)

    def _extended(self, body: list[nodes.Node], extends: nodes.Extends, above: tuple[str, ...]) -> list[nodes.Node]:
        """The template that is extended, with the blocks of the one that does it."""
        layout = self._body(self._known(extends.template), above)
        blocks = {block.name: block for node in body for block in _blocks(node)}
        rest = [node for node in body if not isinstance(node, nodes.Block | nodes.Extends | nodes.Output)]
        if not all(isinstance(node, NAMING) for node in rest):
            raise Unsuitable("it does something outside of its blocks")
        whole = nodes.Template(layout, lineno=1)
        Overriding(blocks).visit(whole)
        return [*rest, *whole.body]

    def _known(self, name: nodes.Expr) -> str:
        if isinstance(name, nodes.Const) and isinstance(name.value, str) and self._environment.holds(name.value):
            return name.value
        raise Unsuitable("which template it brings in is known only when it is rendered")


class Including(NodeTransformer):
    """Puts what is included where it is included."""

    def __init__(self, read: Any) -> None:
        self._read = read

    def visit_Include(self, node: nodes.Include) -> list[nodes.Node]:  # noqa: N802  (Jinja2's name, as below)
        """Its text, with the names that it sets to itself."""
        if node.ignore_missing or not node.with_context:
            raise Unsuitable("it includes a template that may be missing, or that sees nothing")
        return cast("list[nodes.Node]", self._read(node.template))


class Overriding(NodeTransformer):
    """Puts other text into blocks."""

    def __init__(self, blocks: Mapping[str, nodes.Block]) -> None:
        self._blocks = blocks

    def visit_Block(self, node: nodes.Block) -> nodes.Node:  # noqa: N802
        """The block of that name that comes last."""
        return self._blocks.get(node.name) or self.generic_visit(node)


class Unblocking(NodeTransformer):
    """Makes blocks what stands in them."""

    def visit_Block(self, node: nodes.Block) -> list[nodes.Node]:  # noqa: N802
        """Its text, with the names that it sets to itself."""
        if node.required:
            raise Unsuitable(f"nothing fills the block {node.name}")
        self.generic_visit(node)
        return _scoped(node.body)


def _blocks(node: nodes.Node) -> Iterator[nodes.Block]:
    if isinstance(node, nodes.Block):
        yield node
    yield from node.find_all(nodes.Block)


def _scoped(body: list[nodes.Node]) -> list[nodes.Node]:
    names = any(isinstance(each, NAMING) for node in body for each in (node, *node.find_all(nodes.Node)))
    return [nodes.Scope(body, lineno=body[0].lineno)] if names else body


def _shift(tree: nodes.Node, by: int) -> None:
    for node in tree.find_all(nodes.Node):
        node.lineno = (node.lineno or 1) + by


# ── one text with marks ──────────────────────────────────────────────────────────────────────────────────────


class Mark(NamedTuple):
    """What a mark stands for: something without text of its own (`leaf`), or a place in something that has a body."""

    kind: Literal["leaf", "open", "turn", "close"]
    node: nodes.Node


@dataclass(slots=True)
class Flat:
    """A tree as one text.

    Attributes:
        text: markup with bare marks.
        marks: by number.
        head: statements before any text, which are no part of it.
    """

    text: str
    marks: list[Mark]
    head: list[nodes.Node]

    @property
    def statements(self) -> frozenset[int]:
        """The marks that only set names."""
        return frozenset(n for n, (kind, node) in enumerate(self.marks) if kind == "leaf" and isinstance(node, SILENT))

    @property
    def silent(self) -> frozenset[int]:
        """The marks that write nothing themselves."""
        return self.statements | {n for n, (kind, _) in enumerate(self.marks) if kind != "leaf"}


def flatten(tree: nodes.Template) -> Flat:
    """The tree as one text.

    Raises:
        Unsuitable: some of its markup is made while it is rendered.
    """
    if any(name.name in OF_BLOCKS for name in tree.find_all(nodes.Name)):
        raise Unsuitable("it uses self, super or caller")
    if any(each.name in MAKE_MARKUP for each in tree.find_all(nodes.Filter)):
        raise Unsuitable("it escapes text by itself")
    body = list(tree.body)
    head: list[nodes.Node] = []
    while body and (isinstance(body[0], nodes.Assign) or _is_blank(body[0])):
        first = body.pop(0)
        head += [first] if isinstance(first, nodes.Assign) else []
    flattening = Flattening()
    flattening.all(body)
    return Flat("".join(flattening.text), flattening.marks, head)


class Flattening:
    """Goes through a tree in the order of its text."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.marks: list[Mark] = []

    def all(self, body: Iterable[nodes.Node]) -> None:
        """Every node of a body."""
        for node in body:
            if isinstance(node, nodes.Output):
                self._output(node)
            elif isinstance(node, SILENT):
                self._mark("leaf", node)
            elif isinstance(node, nodes.If):
                self._branches(node)
            elif isinstance(node, nodes.For):
                self._around(node, node.body, node.else_)
            elif isinstance(node, nodes.Scope | nodes.With):
                self._around(node, node.body)
            else:
                raise Unsuitable(f"it has a {type(node).__name__.lower()}")

    def _mark(self, kind: Literal["leaf", "open", "turn", "close"], node: nodes.Node) -> None:
        self.text.append(mark(len(self.marks)))
        self.marks.append(Mark(kind, node))

    def _output(self, node: nodes.Output) -> None:
        for each in node.nodes:
            if isinstance(each, nodes.TemplateData):
                if OPENS in each.data:
                    raise Unsuitable(f"it holds the character {OPENS}")
                self.text.append(each.data)
            else:
                self._mark("leaf", nodes.Output([each], lineno=each.lineno))

    def _around(self, node: nodes.Node, *bodies: Sequence[nodes.Node]) -> None:
        self._mark("open", node)
        self.all(bodies[0])
        for body in bodies[1:]:
            if body:
                self._mark("turn", node)
                self.all(body)
        self._mark("close", node)

    def _branches(self, node: nodes.If) -> None:
        """`{% elif %}` becomes an `{% if %}` of its own behind the `{% else %}`."""
        rest: list[nodes.Node] = node.else_
        for each in reversed(node.elif_):
            rest = [nodes.If(each.test, each.body, [], rest, lineno=each.lineno)]
        self._around(node, node.body, rest)


def _is_blank(node: nodes.Node) -> bool:
    """True if nothing but white space is written."""
    if not isinstance(node, nodes.Output):
        return False
    return all(isinstance(each, nodes.TemplateData) and not each.data.strip() for each in node.nodes)


def rebuild(text: str, flat: Flat, needed: frozenset[int], environment: BoundedEnvironment) -> nodes.Template:
    """The tree that a worked-on text is: marks may have been moved together and repeated.

    Args:
        text: with marks, bare or in comments of their own.
        flat: what it was made of.
        needed: marks that may not be missing.
        environment: the tree's.

    Raises:
        Unsuitable: marks were lost or torn apart.
    """
    frames: list[tuple[nodes.Node | None, list[list[nodes.Node]]]] = [(None, [[*flat.head]])]
    at, seen = 0, set()
    for match in MARK.finditer(text):
        _write(frames[-1][1][-1], text[at : match.start()])
        at, number = match.end(), int(match[1] or match[2])
        seen.add(number)
        _put(flat.marks[number], frames)
    _write(frames[-1][1][-1], text[at:])
    if len(frames) != 1 or not needed <= seen:
        raise Unsuitable("its markup falls apart between the branches of Jinja2")
    tree = nodes.Template(frames[0][1][0], lineno=1)
    tree.set_environment(environment)
    return tree


def _put(found: Mark, frames: list[tuple[nodes.Node | None, list[list[nodes.Node]]]]) -> None:
    node, bodies = frames[-1]
    if found.kind == "leaf":
        bodies[-1].append(found.node)
    elif found.kind == "open":
        frames.append((found.node, [[]]))
    elif node is not found.node:
        raise Unsuitable("its markup falls apart between the branches of Jinja2")
    elif found.kind == "turn":
        bodies.append([])
    else:
        frames.pop()
        frames[-1][1][-1].append(_with(found.node, bodies))


def _with(node: nodes.Node, bodies: list[list[nodes.Node]]) -> nodes.Node:
    """The same with another body."""
    body, rest = bodies[0], bodies[1] if len(bodies) > 1 else []
    if isinstance(node, nodes.If):
        return nodes.If(node.test, body, [], rest, lineno=node.lineno)
    if isinstance(node, nodes.For):
        return nodes.For(node.target, node.iter, body, rest, node.test, node.recursive, lineno=node.lineno)
    if isinstance(node, nodes.With):
        return nodes.With(node.targets, node.values, body, lineno=node.lineno)
    return nodes.Scope(body, lineno=node.lineno)


def _write(body: list[nodes.Node], text: str) -> None:
    if text:
        body.append(nodes.Output([nodes.TemplateData(text)], lineno=1))
