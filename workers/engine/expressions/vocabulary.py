"""The filters and functions of expressions, one table each: what they take, what they give, which helper runs."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from workers.engine.expressions.code import FACTS, NOTHING, Part, ask, call, coerced, constant, name
from workers.engine.expressions.kinds import (
    ANY,
    BOOLEAN,
    DATE,
    DATETIME,
    LIST,
    NONE,
    NUMBER,
    TEXT,
    Kind,
    common,
    text_of,
)
from workers.engine.expressions.patterns import compile_pattern
from workers.exceptions import ExpressionError
from workers.text import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workers.engine.expressions.kinds import Scope

MAX_ROUNDING: Final = 9


class Build:
    """What a filter or function needs while it is compiled: the scope, and a place for objects it runs with."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.constants: dict[str, Any] = {}

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


def filtered(build: Build, word: str, offset: int, operand: Part, arguments: Sequence[Part]) -> Part:
    """Compile `operand | word(arguments)`."""
    if word == MATCHES:
        return matched(build, offset, operand, arguments)
    if word == DEFAULT:
        return defaulted(offset, operand, arguments)
    rule = FILTERS.get(word)
    if rule is None:
        hint = suggestion(word, FILTER_NAMES, "`| {}`")
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
        raise ExpressionError(
            f"`| {word}` works on {wanted}, this is {operand.kind.described}", "", offset, code="type"
        )


def check_values(word: str, values: Sequence[Any], offset: int) -> None:
    """Refuse arguments whose type is right and whose value is not."""
    if word == "round" and not (type(values[0]) is int and 0 <= values[0] <= MAX_ROUNDING):
        raise ExpressionError(f"`| round` takes 0 to {MAX_ROUNDING} digits", "", offset)
    if word == "replace" and not values[0]:
        raise ExpressionError("`| replace` needs a text to look for", "", offset)


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


# ── functions ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Function:
    """One function.

    Attributes:
        usage: how it is written, for messages.
        takes: how many arguments, all of them texts written out.
        build: makes the part.
        doc: one line for people.
    """

    usage: str
    takes: int
    build: Callable[[Build, int, Sequence[str]], Part]
    doc: str


def score(build: Build, offset: int, arguments: Sequence[str]) -> Part:
    """`score("fit")`."""
    known_model(build.scope, arguments[0], offset, "score")
    return Part(ask("score", arguments[0]), NUMBER, offset)


def band(build: Build, offset: int, arguments: Sequence[str]) -> Part:
    """`band("engagement")`."""
    known_model(build.scope, arguments[0], offset, "band")
    return Part(ask("band", arguments[0]), text_of("band", build.scope.bands[arguments[0]]), offset)


def known_model(scope: Scope, model: str, offset: int, function: str) -> None:
    """Refuse the name of a score that no rule file has."""
    if model not in scope.bands:
        hint = suggestion(model, scope.bands, f'{function}("{{}}")')
        raise ExpressionError(f'there is no score "{model}"', hint, offset, code="unknown-score")


def stage(build: Build, offset: int, _: Sequence[str]) -> Part:
    """`stage()`."""
    return Part(call("stage", name(FACTS)), text_of("stage", build.scope.stages), offset)


def now(_: Build, offset: int, __: Sequence[str]) -> Part:
    """`now()`."""
    return Part(call("a_datetime", ast.Attribute(name(FACTS), "now", ast.Load())), DATETIME, offset)


def today(build: Build, offset: int, _: Sequence[str]) -> Part:
    """`today()`."""
    return Part(call("today", name(FACTS), build.hold(ZoneInfo(build.scope.zone))), DATE, offset)


def a_date(build: Build, offset: int, arguments: Sequence[str]) -> Part:
    """`date("2026-03-01")`."""
    try:
        value = date.fromisoformat(arguments[0])
    except ValueError:
        raise unreadable(arguments[0], DATE, "2026-03-01", offset) from None
    return Part(build.hold(value), DATE, offset)


def a_datetime(build: Build, offset: int, arguments: Sequence[str]) -> Part:
    """`datetime("2026-03-01T09:00:00+01:00")`."""
    try:
        value = datetime.fromisoformat(arguments[0])
        if value.tzinfo is None:
            raise ExpressionError("the offset from UTC is missing", f'write "{arguments[0]}+00:00"', offset)
        return Part(build.hold(value.astimezone(UTC)), DATETIME, offset)
    except (ValueError, OverflowError):
        raise unreadable(arguments[0], DATETIME, "2026-03-01T09:00:00+01:00", offset) from None


def unreadable(text: str, kind: Kind, example: str, offset: int) -> ExpressionError:
    """The error for a date that is none."""
    return ExpressionError(f'"{text}" is not {kind.described}', f"write it like {example}", offset)


FUNCTIONS: Final[Mapping[str, Function]] = {
    "score": Function('score("fit")', 1, score, "the score now, inside its range"),
    "band": Function('band("engagement")', 1, band, "the band that the lead is in"),
    "stage": Function("stage()", 0, stage, "the lifecycle stage"),
    "now": Function("now()", 0, now, "the instant of the decision"),
    "today": Function("today()", 0, today, "the day of the decision, in the account's time zone"),
    "date": Function('date("2026-03-01")', 1, a_date, "a date"),
    "datetime": Function('datetime("2026-03-01T09:00:00+01:00")', 1, a_datetime, "an instant"),
}


def called(build: Build, word: str, offset: int, arguments: Sequence[Part]) -> Part:
    """Compile `word(arguments)`."""
    function = FUNCTIONS.get(word)
    if function is None:
        hint = f"write it as a filter: `… | {word}`" if word in FILTER_NAMES else suggestion(word, FUNCTIONS, "{}()")
        raise ExpressionError(f"there is no function `{word}`", hint, offset, code="unknown-function")
    if reason := build.scope.refused.get(word):
        raise ExpressionError(f"{word}() cannot be asked here", reason, offset, code="not-here")
    texts = [argument.constant for argument in arguments]
    if len(texts) != function.takes or not all(isinstance(text, str) for text in texts):
        raise ExpressionError(f"`{word}` is called with the wrong arguments", f"write {function.usage}", offset)
    return function.build(build, offset, texts)
