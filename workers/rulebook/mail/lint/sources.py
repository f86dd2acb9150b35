"""A template's file as markup, its Jinja2 out of sight; everything still stands where its author sees it."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

from workers.rulebook.mail.links import LINKING
from workers.rulebook.mail.markup import Attribute, Token, attributes, tokens
from workers.rulebook.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

JINJA: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
FILL: Final = "\u2e28"
"""Stands for every character of Jinja2; line breaks stay."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the rules say that mails may speak of.

    Attributes:
        fields: types of the lead's fields by name.
        campaigns: names.
        site: what relative links begin with; empty if nothing is said.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    campaigns: Collection[str] = ()
    site: str = ""


@dataclass(frozen=True)
class Source:
    """One file."""

    path: str
    text: str

    @cached_property
    def masked(self) -> str:
        """The text with something else in the place of Jinja2."""
        return JINJA.sub(lambda match: re.sub(r"[^\n]", FILL, match[0]), self.text)

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        """Its markup."""
        return tuple(tokens(self.masked))

    @cached_property
    def _lines(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    def starts(self) -> Iterator[Token]:
        """All start tags."""
        return (token for token in self.tokens if token.kind == "start")

    def written(self, each: Attribute) -> str:
        """An attribute's value with its Jinja2."""
        return self.text[each.at : each.at + len(each.value)]

    def links(self) -> Iterator[tuple[Token, Attribute]]:
        """Every `href` of what leads somewhere."""
        for token in self.starts():
            for each in attributes(token) if token.name in LINKING else ():
                if each.name == "href":
                    yield token, each

    def finding(
        self, at: int, code: str, text: str, hint: str, level: Literal["error", "warning"] = "warning"
    ) -> Problem:
        """A finding at an offset of the text."""
        line = bisect_right(self._lines, at)
        return Problem(self.path, line, at - self._lines[line - 1] + 1, code, text, hint, level)
