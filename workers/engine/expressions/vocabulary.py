"""The filters of expressions: what they take, what they give, and which helper runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from workers.engine.expressions.code import NOTHING, Part, call, coerced, constant, name
from workers.engine.expressions.kinds import ANY, BOOLEAN, LIST, NONE, NUMBER, TEXT, Kind, common
from workers.engine.expressions.patterns import compile_pattern
from workers.exceptions import ExpressionError
from workers.text import MANUAL, suggestion

if TYPE_CHECKING:
    import ast
    from collections.abc import Mapping, Sequence

    from workers.engine.expressions.kinds import Scope
    from workers.engine.rules import Ask

MAX_ROUNDING: Final = 9


class Build:
    """What a filter or function needs while it is compiled.

    Attributes:
        scope: the names it may use.
        constants: objects that the compiled code runs with, by name.
        asks: what the expression looks at.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.constants: dict[str, Any] = {}
        self.asks: set[Ask] = set()

    def hold(self, value: object) -> ast.Name:
        """A name under which the compiled code finds `value`."""
        identifier = f"k{len(self.constants)}"
        self.constants[identifier] = value
        return name(identifier)


# ── filters ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter.

    Attributes:
        takes: types it can be put behind.
        gives: type of the result.
        helper: the function of `runtime` that runs.
        parameters: types of its arguments, which are constants.
        defaults: values of the arguments that may be left out.
        doc: one line for people.
    """

    takes: frozenset[Kind]
    gives: Kind
    helper: str
    doc: str
    parameters: tuple[Kind, ...] = ()
    defaults: tuple[Any, ...] = ()


TEXTS: Final = frozenset({TEXT, ANY})
COUNTED: Final = frozenset({TEXT, LIST, ANY})
NUMERIC: Final = frozenset({NUMBER, ANY})
READABLE: Final = frozenset({NUMBER, TEXT, ANY})

FILTERS: Final[Mapping[str, Filter]] = {
    "lower": Filter(TEXTS, TEXT, "lower", "in lower case"),
    "upper": Filter(TEXTS, TEXT, "upper", "in upper case"),
    "trim": Filter(TEXTS, TEXT, "trim", "without white space at either end"),
    "length": Filter(COUNTED, NUMBER, "length", "how many characters or elements"),
    "first": Filter(COUNTED, ANY, "first", "the first element"),
    "last": Filter(COUNTED, ANY, "last", "the last element"),
    "replace": Filter(TEXTS, TEXT, "replace", "with one text put for another", (TEXT, TEXT)),
    "round": Filter(NUMERIC, NUMBER, "rounded", "rounded to so many digits", (NUMBER,), (0,)),
    "abs": Filter(NUMERIC, NUMBER, "absolute", "without its sign"),
    "int": Filter(READABLE, NUMBER, "whole", "as a whole number; missing if it is none"),
    "float": Filter(READABLE, NUMBER, "real", "as a number; missing if it is none"),
}
MATCHES: Final = "matches"
DEFAULT: Final = "default"
FILTER_NAMES: Final = frozenset({*FILTERS, MATCHES, DEFAULT})
PATTERNS: Final = """\
true if a pattern is found anywhere in the first 1,000 characters of a text. Letters stand for themselves, `|` for or, \
`.` for any character, `[a-z]` for one of several, `^` and `$` for the beginning and the end, `\\b` for the border of \
a word; `?`, `*` and `+` repeat a single character. Capital and small letters are different: put `| lower` before it"""
FILTER_EXAMPLES: Final[Mapping[str, str]] = {
    "lower": 'lead.title | lower == "owner"',
    "upper": 'lead.title | upper == "CEO"',
    "trim": 'lead.title | trim == "CEO"',
    "length": "lead.company | length > 3",
    "first": '(lead.title | first) == "V"',
    "last": '(lead.title | last) == "O"',
    "replace": '(lead.title | replace("Vice President", "VP")) == "VP"',
    "round": "lead.budget | round(2) == 99.95",
    "abs": "lead.budget | abs > 100",
    "int": "lead.title | int > 5",
    "float": "lead.title | float > 5",
    MATCHES: 'lead.title | lower | matches("chief|vp|head of")',
    DEFAULT: "lead.employees | default(1) < 50",
}
FILTER_DOCS: Final[Mapping[str, str]] = {
    **{word: filter_.doc for word, filter_ in FILTERS.items()},
    MATCHES: PATTERNS,
    DEFAULT: "the value, or another of the same type where it is missing",
}


def filtered(build: Build, word: str, offset: int, operand: Part, arguments: Sequence[Part]) -> Part:
    """Compile `operand | word(arguments)`."""
    if word == MATCHES:
        return matched(build, offset, operand, arguments)
    if word == DEFAULT:
        return defaulted(offset, operand, arguments)
    rule = FILTERS.get(word)
    if rule is None:
        hint = suggestion(word, FILTER_NAMES, "`| {}`") or MANUAL
        raise ExpressionError(f"there is no filter `{word}`", hint, offset, code="unknown-filter")
    fits(word, rule.takes, operand, offset)
    values = [argument.constant for argument in arguments]
    if NOTHING in values or [argument.kind for argument in arguments] != list(rule.parameters[: len(values)]):
        raise ExpressionError(f"`| {word}` is called with the wrong arguments", usage(word, rule), offset)
    values += rule.defaults[len(values) - len(rule.parameters) :] if len(values) < len(rule.parameters) else ()
    if len(values) != len(rule.parameters):
        raise ExpressionError(f"`| {word}` takes {len(rule.parameters)} arguments", usage(word, rule), offset)
    check_values(word, values, offset)
    return Part(call(rule.helper, operand.code, *map(constant, values)), result(rule, operand), offset)


def fits(word: str, takes: frozenset[Kind], operand: Part, offset: int) -> None:
    """Refuse a filter behind something that it cannot work on."""
    if operand.kind not in takes:
        wanted = " or ".join(sorted(kind.described for kind in takes if kind != ANY))
        text = f"`| {word}` works on {wanted}, this is {operand.kind.described}"
        raise ExpressionError(text, "leave it out, or put it behind something else", offset, code="type")


def check_values(word: str, values: Sequence[Any], offset: int) -> None:
    """Refuse arguments whose type is right and whose value is not."""
    if word == "round" and not (type(values[0]) is int and 0 <= values[0] <= MAX_ROUNDING):
        raise ExpressionError(f"`| round` takes 0 to {MAX_ROUNDING} digits", "write `| round(2)`", offset)
    if word == "replace" and not values[0]:
        raise ExpressionError("`| replace` needs a text to look for", 'write `| replace("old", "new")`', offset)


def result(rule: Filter, operand: Part) -> Kind:
    """Type of what a filter gives; a part of a text is text."""
    return TEXT if rule.gives == ANY and operand.kind == TEXT else rule.gives


def usage(word: str, rule: Filter) -> str:
    """How a filter is written."""
    inside = ", ".join('"…"' if kind == TEXT else "2" for kind in rule.parameters)
    return f"write `| {word}({inside})`" if inside else f"write `| {word}` without parentheses"


def matched(build: Build, offset: int, operand: Part, arguments: Sequence[Part]) -> Part:
    """Compile `operand | matches("pattern")`."""
    fits(MATCHES, TEXTS, operand, offset)
    if len(arguments) != 1 or not isinstance(arguments[0].constant, str):
        raise ExpressionError("`| matches` takes one pattern", 'write `| matches("vp|head|chief")`', offset)
    try:
        pattern = compile_pattern(arguments[0].constant)
    except ExpressionError as error:
        # +1: the pattern begins behind its quote
        raise ExpressionError(error.text, error.hint, arguments[0].offset + 1 + error.offset, code=error.code) from None
    return Part(call("matches", operand.code, build.hold(pattern)), BOOLEAN, offset, exact=True)


def defaulted(offset: int, operand: Part, arguments: Sequence[Part]) -> Part:
    """Compile `operand | default(other)`."""
    if len(arguments) != 1:
        raise ExpressionError("`| default` takes one value", "write `| default(0)`", offset)
    other = arguments[0]
    kind = common(operand.kind, other.kind)
    if kind is None or other.kind == NONE:
        raise ExpressionError(
            f"the default of {operand.kind.described} cannot be {other.kind.described}",
            "give a default of the same type",
            other.offset,
            code="type",
        )
    return Part(call("either", strictly(operand, kind), coerced(other, kind)), kind, offset)


def strictly(part: Part, kind: Kind) -> ast.expr:
    """Like `coerced`, but a missing true or false stays missing."""
    return call("truth", part.code) if kind == BOOLEAN else coerced(part, kind)
