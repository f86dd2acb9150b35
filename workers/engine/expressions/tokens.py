"""The text of an expression cut into tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from workers.exceptions import ExpressionError

MAX_LENGTH: Final = 4_000
MAX_DIGITS: Final = 15
"""More digits than a float holds exactly are a mistake or an id, and an id is text."""

PATTERN: Final = re.compile(
    r"""
      (?P<space>  [ \t\r\n]+)
    | (?P<number> [0-9]+ (?:\.[0-9]+)? (?:[eE][+-]?[0-9]+)?)
    | (?P<name>   [A-Za-z_][A-Za-z0-9_]*)
    | (?P<text>   "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*')
    | (?P<sign>   // | == | != | <= | >= | [-+*/%~<>()\[\],.|=])
    """,
    re.VERBOSE | re.DOTALL,
)
ESCAPE: Final = re.compile(r"""\\([\\"'nt])""")
ESCAPED: Final = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "t": "\t"}
FOREIGN: Final = {
    "&": "write `and`",
    "!": "write `not`, or `!=` for unequal",
    "{": "an expression stands here without braces",
    "}": "an expression stands here without braces",
    '"': "the closing quote is missing",
    "'": "the closing quote is missing",
    "“": 'write straight quotes: "',
    "”": 'write straight quotes: "',
    "„": 'write straight quotes: "',
    "\N{LEFT SINGLE QUOTATION MARK}": 'write straight quotes: "',
    "\N{RIGHT SINGLE QUOTATION MARK}": 'write straight quotes: "',
    "@": "text stands in quotes",
    "$": "a number stands without a currency sign",
    "€": "a number stands without a currency sign",
}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of an expression.

    Attributes:
        kind: `name`, `number`, `text`, `sign` or `end`.
        text: as written; for `text` what the quotes mean.
        offset: column from 0.
    """

    kind: str
    text: str
    offset: int

    def __str__(self) -> str:
        """As it is shown in a message."""
        return "the end" if self.kind == "end" else f"`{self.text}`"


def cut(source: str) -> list[Token]:
    """All tokens of `source`, the last of kind `end`.

    Raises:
        ExpressionError: a character that means nothing here, or a text that is too long to be a condition.
    """
    if len(source) > MAX_LENGTH:
        raise ExpressionError(f"longer than {MAX_LENGTH} characters", "split it into several rules", code="too-long")
    tokens: list[Token] = []
    at = 0
    while at < len(source):
        match = PATTERN.match(source, at)
        if match is None:
            raise ExpressionError(
                f"`{source[at]}` means nothing here",
                FOREIGN.get(source[at], "leave it out, or put quotes around the text that it is in"),
                at,
            )
        if match.lastgroup != "space":
            tokens.append(token(str(match.lastgroup), match.group(), at))
        at = match.end()
    return [*tokens, Token("end", "", len(source))]


def token(kind: str, text: str, offset: int) -> Token:
    """One token, its quotes and escapes resolved."""
    if kind == "text":
        # Only these escapes are resolved; any other backslash stays, so that "\d" is what a pattern needs.
        text = ESCAPE.sub(lambda match: ESCAPED[match.group(1)], text[1:-1])
    return Token(kind, text, offset)


def number(token: Token) -> int | float:
    """The value of a number token.

    Raises:
        ExpressionError: leading zeros, or out of range.
    """
    text = token.text
    if sum(map(str.isdigit, text)) > MAX_DIGITS or abs(value := float(text)) >= 10.0**MAX_DIGITS:
        raise ExpressionError(f"the number has more than {MAX_DIGITS} digits", "quote it if it is an id", token.offset)
    if text.isdigit():
        if text != "0" and text.startswith("0"):
            raise ExpressionError(f"{text} has a leading zero", f"write {text.lstrip('0') or 0}", token.offset)
        return int(text)
    return value
