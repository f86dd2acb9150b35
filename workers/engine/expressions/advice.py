"""What to do about an expression that cannot be read, or whose types do not go together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from workers.engine.expressions.kinds import BOOLEAN, DATE, DATETIME, LIST, NUMBER, TEXT
from workers.exceptions import ExpressionError
from workers.text import nearest

if TYPE_CHECKING:
    from workers.engine.expressions.kinds import Kind, Scope

WORD: Final = re.compile(r"\w+")
FIXED: Final = re.compile(r"\w[\w .,:;!?&/-]*", re.ASCII | re.IGNORECASE)
"""A text that somebody wrote without a thought of expressions, like `New deal`."""
LONGEST: Final = 60
UNKNOWN: Final = "unknown-name"
WANTED: Final = {
    BOOLEAN: "compare it with something, or write `is defined`",
    TEXT: 'put a text beside it: `lead.seats ~ " seats"`',
    NUMBER: "a number in a text is read by `| int`",
}
"""What to do where a value of another type stands."""
NUMBER_OF: Final = {
    "text": "a number in a text is read by `| int`",
    "boolean": "choose one: `5 if lead.vip else 0`",
    "list": "`| length` tells how many there are",
}
DIFFERENCE: Final = "the difference of two dates is a number of days"
TEXT_OF: Final = {"boolean": 'choose one: `"yes" if lead.vip else "no"`', "none": "leave it out"}
ONE_TEXT: Final = "take one of them: `| first`"
WRITTEN_DATES: Final = 'write date("2026-03-01") or datetime("2026-03-01T09:00:00+01:00")'
APART: Final = {
    frozenset({TEXT, NUMBER}): "a number stands without quotes; text that is a number is read by `| int`",
    frozenset({DATE, TEXT}): WRITTEN_DATES,
    frozenset({DATETIME, TEXT}): WRITTEN_DATES,
    frozenset({DATE, DATETIME}): "compare a date with today(), a date with time with now()",
    frozenset({BOOLEAN, TEXT}): "true and false stand without quotes",
}
"""What to do about two types that do not go together."""


def advised(error: ExpressionError, source: str, scope: Scope, want: str | None) -> ExpressionError:
    """The same error with a better hint, where there is one.

    Args:
        error: from the parser, which knows no names.
        source: the expression.
        scope: the names that it could have used.
        want: the type that its place needs.
    """
    hint = error.hint
    if want == TEXT.name and len(source) <= LONGEST and FIXED.fullmatch(source):
        hint = f"a text that is always the same stands in quotes inside quotes: '\"{source}\"'"
    elif error.code == UNKNOWN and not hint and (found := WORD.match(source, error.offset)):
        hint = about_word(found.group(), scope)
    return ExpressionError(error.text, hint, error.offset, error.code)


def about_word(word: str, scope: Scope) -> str:
    """What a word that stands alone was probably meant to be."""
    event = scope.event or {}
    names = {*scope.bands, *scope.segments, *scope.stages, *scope.grades, *scope.events}
    meant = [f"lead.{word}"] if word in {"email", *scope.fields} else []
    meant += [f"event.{word}"] if word in event else []
    meant += [f'"{word}"'] if word in names else []
    if not meant:
        for owner, known in (("lead", scope.fields), ("event", event)):
            near = nearest(word, known)
            meant += [f"{owner}.{near}"] if near else []
    return f"did you mean {' or '.join(meant)}?" if meant else f'text stands in quotes: "{word}"'


def number_of(kind: Kind) -> str:
    """How a value of another type becomes a number."""
    return NUMBER_OF.get(kind.name, DIFFERENCE)


def about_types(left: Kind, right: Kind) -> str:
    """What to do about two types that do not go together."""
    kinds = frozenset({left, right})
    if kinds in APART:
        return APART[kinds]
    if LIST in kinds:
        return "write `in` to look into a list"
    return "true or false is asked by itself: `lead.vip`, `not lead.vip`" if BOOLEAN in kinds else DIFFERENCE
