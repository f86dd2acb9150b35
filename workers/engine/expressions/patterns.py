r"""The patterns of `matches("vp|head of|chief .* officer")`: a part of regular expressions that cannot run away.

Letters stand for themselves, `|` for or, `.` for any character, `[a-z]` and `[^a-z]` for classes, `\d` `\w` `\s` for
the usual ones, `^` `$` `\b` for start, end and word border, parentheses group. `?`, `*` and `+` may follow a single
character or class. There is no repetition of groups, so nothing nests; how many ways a pattern can be tried is counted
when it is compiled, and bounded. Matching looks at the first MAX_TEXT characters.
"""

from __future__ import annotations

import re
from typing import Final

from workers.exceptions import ExpressionError

MAX_TEXT: Final = 1_000
MAX_PATTERN: Final = 1_000
MAX_DEPTH: Final = 10
MAX_WORK: Final = 500
"""Ways to try at one place of the text. An open repetition counts as REPEATED: it can stop anywhere in the text."""
REPEATED: Final = 50
SHORTHANDS: Final = frozenset("dws")


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The pattern, to be searched for anywhere in a text.

    Raises:
        ExpressionError: not in the language above, or too many ways to try. Its offset counts from the pattern's start.
    """
    if len(pattern) > MAX_PATTERN:
        raise ExpressionError(f"the pattern is longer than {MAX_PATTERN} characters", "split it", code="bad-pattern")
    reader = Reader(pattern)
    work = reader.alternatives()
    if not reader.ended:
        reader.refuse("`)` closes nothing", "write \\) for the character itself")
    if work > MAX_WORK:
        reader.refuse("the pattern can be tried in too many ways", "use fewer of `|` in groups, `?`, `*` and `+`", 0)
    return re.compile("".join(reader.written))


class Reader:
    """Reads a pattern, writes the same one for Python's `re`, and counts the ways to try it."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._depth = 0
        self.written: list[str] = []

    @property
    def ended(self) -> bool:
        """True behind the last character."""
        return self._at >= len(self._pattern)

    @property
    def next(self) -> str:
        """The next character, or nothing."""
        return self._pattern[self._at : self._at + 1]

    def take(self) -> str:
        """The next character, passed."""
        self._at += 1
        return self._pattern[self._at - 1 : self._at]

    def refuse(self, text: str, hint: str = "", at: int | None = None) -> None:
        """Raise the error for the place reached, or for `at`."""
        raise ExpressionError(text, hint, self._at if at is None else at, code="bad-pattern")

    def alternatives(self) -> int:
        """Sequences with `|` between; returns the ways to try them."""
        work = self.sequence()
        while self.next == "|":
            self.written.append(self.take())
            work += self.sequence()
        return work

    def sequence(self) -> int:
        """One thing after another; the ways multiply."""
        work = 1
        while self.next and self.next not in "|)":
            work = min(work * self.item(), MAX_WORK + 1)
        return work

    def item(self) -> int:
        """One character, class, border or group, with what may follow it."""
        character = self.take()
        if character == "(":
            return self.group()
        if character in "^$":
            self.written.append("^" if character == "^" else r"\Z")
            return 1
        if character in "?*+{":
            self.refuse(f"`{character}` repeats nothing", f"write \\{character} for the character itself", self._at - 1)
        if character == "\\" and self.next == "b":
            self.take()
            self.written.append(r"\b")
            return 1
        self.written.append(self.single(character))
        return self.repetition()

    def single(self, character: str) -> str:
        """What stands for exactly one character of the text."""
        if character == ".":
            return "."
        if character == "[":
            return self.character_class()
        if character == "\\":
            return self.escaped()
        return re.escape(character)

    def escaped(self) -> str:
        """What follows a backslash."""
        character = self.take()
        if character and character in SHORTHANDS:
            return "\\" + character
        if not character or character.isalnum():
            self.refuse(f"`\\{character}` is not known in patterns", r"there is \d, \w, \s, \b", self._at - 1)
        return re.escape(character)

    def repetition(self) -> int:
        """`?`, `*` or `+` behind a single character."""
        if not self.next or self.next not in "?*+":
            return 1
        sign = self.take()
        self.written.append(sign)
        if self.next and self.next in "?*+":
            self.refuse(f"`{sign}{self.next}` is not known in patterns", "one repetition sign is enough")
        return 2 if sign == "?" else REPEATED

    def group(self) -> int:
        """What stands in parentheses."""
        opened = self._at - 1
        if self.next == "?":
            self.refuse("`(?` is not known in patterns", "plain parentheses group")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self.refuse("groups nest too deep")
        self.written.append("(?:")
        work = self.alternatives()
        if self.take() != ")":
            self.refuse("`(` is never closed", "write \\( for the character itself", opened)
        self.written.append(")")
        self._depth -= 1
        if self.next and self.next in "?*+{":
            self.refuse(f"`{self.next}` behind a group", "only a single character or class may be repeated")
        return work

    def character_class(self) -> str:
        """What stands in brackets."""
        opened = self._at - 1
        parts = ["["]
        if self.next == "^":
            parts.append(self.take())
        while self.next != "]":
            if self.ended:
                self.refuse("`[` is never closed", "write \\[ for the character itself", opened)
            parts.append(self.member())
        self.take()
        if parts[-1] in {"[", "^"}:
            self.refuse("the class is empty", "write the characters between the brackets", opened)
        return "".join([*parts, "]"])

    def member(self) -> str:
        """A character or a range in brackets."""
        low = self.class_character()
        if self.next != "-" or self._pattern[self._at + 1 : self._at + 2] in {"]", ""}:
            return low
        at = self._at
        self.take()
        high = self.class_character()
        single = low[1:] not in SHORTHANDS and high[1:] not in SHORTHANDS
        if not single or low[-1:] > high[-1:]:
            self.refuse(f"`{low}-{high}` is not a range", "write it from low to high: a-z", at)
        return f"{low}-{high}"

    def class_character(self) -> str:
        """One character in brackets, safe to write down."""
        character = self.take()
        if character == "\\":
            return self.escaped()
        return "\\" + character if character in "[]^-\\&~|" else character
