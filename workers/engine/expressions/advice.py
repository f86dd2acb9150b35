"""What to do about an expression that cannot be read: hints that need to know the names that rules declare."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from workers.exceptions import ExpressionError
from workers.text import nearest

if TYPE_CHECKING:
    from workers.engine.expressions.kinds import Scope

WORD: Final = re.compile(r"\w+")
FIXED: Final = re.compile(r"\w[\w .,:;!?&/-]*", re.ASCII | re.IGNORECASE)
"""A text that somebody wrote without a thought of expressions, like `New deal`."""
LONGEST: Final = 60
UNKNOWN: Final = "unknown-name"
TEXT: Final = "text"


def advised(error: ExpressionError, source: str, scope: Scope, want: str | None) -> ExpressionError:
    """The same error with a better hint, where there is one.

    Args:
        error: from the parser, which knows no names.
        source: the expression.
        scope: the names that it could have used.
        want: the type that its place needs.
    """
    hint = error.hint
    if want == TEXT and len(source) <= LONGEST and FIXED.fullmatch(source):
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
