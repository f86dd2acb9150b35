"""Where marks can stand in markup so that whatever works on it leaves them where they are, and where none can."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from workers.rulebook.mail.assembly import Unsuitable
from workers.rulebook.mail.markup import MARK, OPENS, Token, attributes, is_void, mark, tokens

if TYPE_CHECKING:
    from collections.abc import Collection

    from workers.rulebook.mail.assembly import Flat, Mark

WITHOUT_TEXT: Final = frozenset({
    "", "colgroup", "head", "html", "mjml", "optgroup", "select", "table", "tbody", "tfoot", "thead", "tr",
})  # fmt: skip
"""Elements between whose children no text can stand: a browser would put it elsewhere."""
MJML_TEXT: Final = frozenset({
    "mj-accordion-text", "mj-accordion-title", "mj-button", "mj-navbar-link", "mj-social-element", "mj-text",
})  # fmt: skip
NEVER_IN_ITSELF: Final = frozenset({"a", "button", "form", "nobr"})
"""Elements that a browser ends where another of them begins, in whichever branch or round that is."""
STYLES: Final = frozenset({"mj-style", "style"})
BESIDE: Final = re.compile(r"[+~]|:(?:first|last|nth|only|empty|has|not|is|where)\b")
"""In selectors: what depends on the elements around one, of which a mail has only those of one branch."""
BY_VALUE: Final = frozenset({"class", "css-class", "id"})
_QUOTED: Final = re.compile(r"\"[^\"]*\"|'[^']*'")


def comment(number: int) -> str:
    """A mark as it stands between tags."""
    return f"<!--{mark(number)}-->"


def marked(flat: Flat) -> str:
    """The markup of a page, each bare mark as it can stand in its place.

    What writes text is text; what writes nothing, and what stands where no text can be, is a comment.

    Raises:
        Unsuitable: a mark stands in a tag outside of quotes, or elements do not begin and end in one branch.
    """
    marking = Marking(flat)
    pieces = [marking.take(token, flat.text[token.at : token.end]) for token in tokens(flat.text)]
    return "".join(pieces)


def bare(markup: str) -> str:
    """The markup with marks as they were before they stood in comments."""
    return MARK.sub(lambda match: mark(int(match[1] or match[2])), markup)


class Marking:
    """Goes through the tokens of a page and knows which elements are open."""

    def __init__(self, flat: Flat) -> None:
        self._marks = flat.marks
        self._silent = flat.silent
        self._changes = any(kind != "leaf" for kind, _ in flat.marks)
        self._styled = any(token.kind == "start" and token.name in STYLES for token in tokens(flat.text))
        self._open: list[str] = []
        self._floors = [0]

    def take(self, token: Token, text: str) -> str:
        """The next token, marks in it as they can stand there."""
        if token.kind == "text":
            return MARK.sub(self._mark, text)
        if token.kind == "start":
            self._begin(token)
        elif token.kind == "end":
            self._end(token.name)
        elif token.kind == "raw" and token.name in STYLES and self._changes and BESIDE.search(text):
            raise Unsuitable("a style goes by the elements around one, which differ from mail to mail")
        return text

    def _mark(self, match: re.Match[str]) -> str:
        number = int(match[1] or match[2])
        self._branch(self._marks[number])
        return comment(number) if number in self._silent or self._is_without_text() else mark(number)

    def _is_without_text(self) -> bool:
        name = self._open[-1] if self._open else ""
        return name in WITHOUT_TEXT or (name.startswith("mj-") and name not in MJML_TEXT)

    def _branch(self, found: Mark) -> None:
        if found.kind == "open":
            self._floors.append(len(self._open))
        elif found.kind != "leaf" and len(self._open) != self._floors[-1]:
            raise torn(self._open[-1] if self._open else "?")
        if found.kind == "close":
            self._floors.pop()

    def _begin(self, token: Token) -> None:
        if OPENS in _QUOTED.sub("", token.text):
            raise Unsuitable("a tag has Jinja2 outside of quotes")
        if self._styled and any(each.name in BY_VALUE and OPENS in each.value for each in attributes(token)):
            raise Unsuitable("a class or id is a value")
        if token.name in NEVER_IN_ITSELF and token.name in self._open:
            raise Unsuitable(f"<{token.name}> stands in another one")
        if not is_void(token):
            self._open.append(token.name)

    def _end(self, name: str) -> None:
        """Take away the element that ends, with those in it whose end tags were left out."""
        if name in self._open[self._floors[-1] :]:
            while self._open.pop() != name:
                pass
        elif name in self._open:
            raise torn(name)


def torn(name: str) -> Unsuitable:
    """An element that begins in one branch and ends in another."""
    return Unsuitable(f"<{name}> begins in one branch of Jinja2 and ends in another")


def without(text: str, numbers: Collection[int]) -> str:
    """The text without these marks."""
    return MARK.sub(lambda match: "" if int(match[1] or match[2]) in numbers else match[0], text)
