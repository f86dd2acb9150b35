"""Template texts, checked for what no value can mend: syntax, and names that no mail will ever have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from jinja2 import TemplateSyntaxError, meta, nodes

from workers.engine.expressions import compile_expression
from workers.engine.expressions.functions import FUNCTIONS
from workers.exceptions import ExpressionError
from workers.rulebook.mail.asking import questions
from workers.rulebook.problems import Place
from workers.rulebook.sandbox import ASKED, BoundedEnvironment
from workers.text import suggestion

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from workers.engine.expressions import Scope
    from workers.rulebook.problems import Problems

OF_SEGMENTS: Final = "give it a name in rules/segments.yaml, and ask segment(…) here"
"""What to do about a function of expressions that templates have not got."""
OF_MAPPINGS: Final = frozenset({("scores", "items"), ("scores", "keys"), ("scores", "values")})


@dataclass(frozen=True, slots=True)
class Known:
    """What templates may speak of.

    Attributes:
        owners: the names that `lead` and `account` have.
        scope: what they may ask of where a lead stands.
    """

    owners: Mapping[str, Collection[str]]
    scope: Scope


class Finding(NamedTuple):
    """What is wrong in a line; `words` finds the column, for Jinja2 tells only lines."""

    line: int
    words: str
    code: str
    text: str
    hint: str


@cache
def environment() -> BoundedEnvironment:
    """What mails are rendered with; here it only parses and compiles, and computes nothing."""
    return BoundedEnvironment({})


class Inspector:
    """Checks template texts.

    Args:
        paths: of all templates, below `templates/`.
        known: the names that there are.
        problems: takes what is wrong.
        variables: what the texts are rendered with.
    """

    def __init__(
        self,
        paths: Collection[str],
        known: Known,
        problems: Problems,
        variables: frozenset[str],
    ) -> None:
        self._variables = variables
        self._paths = paths
        self._known = known
        self._problems = problems

    def check(self, path: str, text: str, first_line: int = 1, whole: str = "") -> None:
        """One text that begins in `first_line` of its file; `whole` is the file's text, if it holds more."""
        try:
            tree = environment().parse(text)
            unknown = [*unknown_words(tree)]
            if not unknown:
                environment().compile(tree)
                unknown = [*self._unknown(tree)]
        except TemplateSyntaxError as error:
            place = Place(path, error.lineno + first_line - 1)
            self._problems.add(place, "template-syntax", one_line(error.message), syntax_hint(str(error.message)))
        except (RecursionError, MemoryError, SyntaxError):
            self._problems.add(Place(path, first_line), "template-syntax", "nested too deep", "write it flatter")
        except ValueError as error:  # Python's own, on a number with thousands of digits
            self._problems.add(Place(path, first_line), "template-syntax", one_line(error), "write a smaller number")
        else:
            lines = (whole or text).split("\n")
            for found in unknown:
                line = found.line + first_line - 1
                place = Place(path, line, column_of(found.words, lines[line - 1]))
                self._problems.add(place, found.code, found.text, found.hint)

    def _unknown(self, tree: nodes.Template) -> Iterator[Finding]:
        """Names that no mail has."""
        assigned = assigned_by(tree)
        unknown = meta.find_undeclared_variables(tree) - self._variables - set(environment().globals)
        for name in tree.find_all(nodes.Name):
            if name.name in unknown and name.ctx == "load":
                hint = OF_SEGMENTS if name.name in FUNCTIONS else suggestion(name.name, self._variables)
                hint = hint or f"did you mean lead.{name.name}?"
                text = f"there is no variable `{name.name}` here"
                yield Finding(name.lineno, rf"(?<![\w.]){re.escape(name.name)}\b", "unknown-variable", text, hint)
        for node, owner, attribute in attributes(tree):
            known = self._known.owners.get(owner, ())
            if (owner, attribute) in OF_MAPPINGS or attribute in known:
                continue
            if known and owner not in assigned:
                declare = "declare it in rules/fields.yaml" if owner == "lead" else ""
                hint = suggestion(attribute, known, owner + ".{}", declare)
                text = f"the {owner} has no field `{attribute}`"
                yield Finding(node.lineno, words_of(owner, attribute), "unknown-field", text, hint)
        yield from misasked(tree, ASKED & self._variables - assigned, self._known.scope)
        for node, path in references(tree):
            if path not in self._paths:
                hint = suggestion(path, self._paths) or f"write templates/{path}"
                yield Finding(
                    node.lineno, rf"[\"']{re.escape(path)}", "unknown-template", f"there is no templates/{path}", hint
                )


def misasked(tree: nodes.Template, words: Collection[str], scope: Scope) -> Iterator[Finding]:
    """Questions about where the lead stands that no lead can answer: a segment that there is not, a band of none."""
    refused: list[str] = []
    for line, word, text in questions(tree, words):
        if any(each in text for each in refused):  # a comparison with what is told already
            continue
        if error := refusal(word, text, scope):
            refused += [text] if text else []
            called = rf"(?<![\w.]){word}\b" + (r"\s*\(" if text else r"(?!\s*\()")
            yield Finding(line, called, error.code, error.text, error.hint)


def refusal(word: str, text: str, scope: Scope) -> ExpressionError | None:
    """Why a question cannot be asked; None if it can."""
    if not text:
        said = f"`{word}` is a function, and is not called here"
        return ExpressionError(said, f"write {FUNCTIONS[word].usage}", code="not-called")
    try:
        compile_expression(text, scope)
    except ExpressionError as error:
        return error
    return None


def column_of(words: str, line: str) -> int:
    """Where the words stand in a line, counted from 1; the beginning, where they cannot be found."""
    match = re.search(words, line)
    return match.start() + 1 if match else 1


def words_of(owner: str, attribute: str) -> str:
    """What `owner.attribute` looks like in a template."""
    name = re.escape(attribute)
    return rf"(?<![\w.]){owner}\s*(?:\.\s*{name}\b|\[\s*[\"']{name}[\"'])"


def unknown_words(tree: nodes.Template) -> Iterator[Finding]:
    """Filters and tests that there are not, also where Jinja2 would find out only in the middle of a mail."""
    kinds = (
        ("filter", nodes.Filter, environment().filters, r"\|\s*{}\b"),
        ("test", nodes.Test, environment().tests, r"\bis\s+(?:not\s+)?{}\b"),
    )
    for kind, node_type, known, words in kinds:
        for node in tree.find_all(node_type):
            if node.name not in known:
                names = sorted(name for name in known if name[0].isalpha())
                hint = suggestion(node.name, names) or f"there are {', '.join(names)}"
                text = f"mails have no {kind} `{node.name}`"
                yield Finding(node.lineno, words.format(re.escape(node.name)), f"unknown-{kind}", text, hint)


def attributes(tree: nodes.Node) -> Iterator[tuple[nodes.Node, str, str]]:
    """Every `owner.attribute` and `owner["attribute"]` of a template."""
    for got in tree.find_all(nodes.Getattr):
        if isinstance(got.node, nodes.Name):
            yield got, got.node.name, got.attr
    for item in tree.find_all(nodes.Getitem):
        if isinstance(item.node, nodes.Name) and isinstance(item.arg, nodes.Const) and isinstance(item.arg.value, str):
            yield item, item.node.name, item.arg.value


def references(tree: nodes.Template) -> Iterator[tuple[nodes.Node, str]]:
    """The templates that a template includes, extends or imports by a written name."""
    for node in tree.find_all((nodes.Include, nodes.Extends, nodes.Import, nodes.FromImport)):
        named = getattr(node, "template", None)
        if isinstance(named, nodes.Const) and isinstance(named.value, str):
            yield node, named.value


def assigned_by(tree: nodes.Template) -> frozenset[str]:
    """The names that a template sets."""
    return frozenset(name.name for name in tree.find_all(nodes.Name) if name.ctx in {"param", "store"})


def assigned_in(texts: Mapping[str, str]) -> frozenset[str]:
    """The names that any of these templates sets; those that cannot be read set none."""
    found: frozenset[str] = frozenset()
    for text in texts.values():
        try:
            found |= assigned_by(environment().parse(text))
        except (TemplateSyntaxError, RecursionError, MemoryError, ValueError):  # which `Inspector.check` tells
            continue
    return found


def syntax_hint(message: str) -> str:
    """What to do about what Jinja2 cannot read."""
    if block := re.search(r"innermost block that needs to be closed is '(\w+)'", message):
        return f"write {{% end{block[1]} %}} behind it"
    if "end of print statement" in message:
        return "close it with }}"
    return "close it with %}" if "end of statement block" in message else "see `dripline docs templates`"


def one_line(text: object) -> str:
    """Jinja2's message without line breaks."""
    return " ".join(str(text).split())[:200]
