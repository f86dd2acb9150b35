"""HTML as plain text that people like to read: paragraphs, lists, headings, tables, and the address behind each link.

Lines are not wrapped, because the reader's window does that better; marks (`markup`) stay where their text is.
"""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Final

from workers.rulebook.mail.marking import without
from workers.rulebook.mail.markup import MARK, Token, attribute, is_void, tokens

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from workers.rulebook.mail.assembly import Flat

PARAGRAPHS: Final = frozenset({
    "address", "blockquote", "dl", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "ol", "p", "pre", "table", "ul",
})  # fmt: skip
"""Elements with an empty line before and after."""
LINES: Final = PARAGRAPHS | {
    "article", "body", "caption", "center", "dd", "div", "dt", "footer", "form", "header", "li", "main", "nav",
    "section", "tr",
}  # fmt: skip
"""Elements that begin and end a line."""
UNSEEN: Final = frozenset({"head", "script", "style", "svg", "template", "title"})
RULERS: Final = {"h1": "=", "h2": "-"}
"""What headings are underlined with."""
CELLS: Final = frozenset({"td", "th"})
LISTS: Final = frozenset({"ol", "ul"})
RULE: Final = "-" * 40
A_WORD: Final = 8
"""Characters that a value is taken to have, for the length of a ruler."""

_HIDDEN: Final = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all)")
_SPACE: Final = re.compile(r"[ \t\r\n\f]+")
_INVISIBLE: Final = re.compile("[\u00ad\u034f\u200b-\u200f\u2060\ufeff]")
_SCHEME: Final = re.compile(r"^(?:mailto:|tel:|https?://)|/$")


def plain(html: str, flat: Flat | None = None) -> str:
    """The text of an HTML page.

    Args:
        html: marks stand in comments of their own or in attributes.
        flat: what the marks stand for, if there are any.
    """
    writer = Writer(flat)
    for token in tokens(html):
        writer.take(token)
    return "".join(writer.out)


def tidied(text: str) -> str:
    """Text without white space that nobody sees, once its values are in it."""
    text = "\n".join([line.rstrip() for line in text.split("\n")])
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.strip("\n") + "\n"


class Writer:
    """Takes the tokens of a page and writes its text.

    Attributes:
        out: what is written so far.
    """

    def __init__(self, flat: Flat | None) -> None:
        self.out: list[str] = []
        self._flat = flat
        self._silent: AbstractSet[int] = flat.silent if flat else frozenset()
        self._due = 0  # line breaks to write before the next word
        self._hard = False  # somebody wrote <br> for one of them
        self._begun = False
        self._spaced = True  # white space would be the second
        self._open: list[str] = []
        self._unseen = 0  # open elements that nobody sees
        self._lists: list[list[int]] = []  # for each open list the number of its last item, or nothing
        self._links: list[tuple[str, int]] = []
        self._headings: list[int] = []
        self._dues: list[int] = []
        self._loops = 0

    def take(self, token: Token) -> None:
        """The next token."""
        if token.kind == "comment":
            if match := MARK.fullmatch(token.text):
                self._mark(int(match[2]), match[0])
        elif token.kind == "start":
            self._start(token)
        elif token.kind == "end":
            self._end(token.name)
        elif token.kind == "text":
            self._words(token.text)

    # ── words ────────────────────────────────────────────────────────────────────────────────────────────────

    def _words(self, text: str) -> None:
        """Running text, in which values have their marks."""
        at = 0
        for match in MARK.finditer(text) if self._flat else ():
            self._said(text[at : match.start()])
            self._mark(int(match[2]), match[0])
            at = match.end()
        self._said(text[at:])

    def _said(self, text: str) -> None:
        if not self._unseen:
            self._text(unescape(text))

    def _text(self, text: str) -> None:
        text = _INVISIBLE.sub("", text)
        if "pre" not in self._open:
            text = _SPACE.sub(" ", text)
            text = text.lstrip(" ") if self._spaced or self._due else text
        self._write(text.replace("\u00a0", " "))

    def _write(self, text: str) -> None:
        if not text:
            return
        self._break()
        self.out.append(text)
        self._spaced = text.endswith((" ", "\n"))

    def _break(self) -> None:
        """Write the line breaks that are due."""
        if self._due and self._begun:
            self.out.append("\n" * self._due + self._indent())
            self._spaced = True
        self._begun, self._due, self._hard = True, 0, False

    def _indent(self) -> str:
        return "> " * self._open.count("blockquote") + "    " * self._open.count("li")

    def _lines(self, number: int) -> None:
        self._due = max(self._due, number)

    # ── Jinja2 ───────────────────────────────────────────────────────────────────────────────────────────────

    def _mark(self, number: int, text: str) -> None:
        if number not in self._silent:
            if not self._unseen:
                self._write(text)
            return
        kind, node = self._flat.marks[number] if self._flat else ("leaf", None)
        is_loop = type(node).__name__ == "For"
        if kind == "open":
            self._break()
            self._loops += is_loop
            self._dues.append(0)
        elif kind in {"turn", "close"}:
            if self._hard:
                self._break()
            # What follows is as far apart as either way needs; `tidied` takes what is too much.
            self._dues[-1], self._due = max(self._dues[-1], self._due), 0
            if kind == "close":
                self._due = self._dues.pop()
                self._loops -= is_loop
        self.out.append(text)
        self._spaced = False

    # ── elements ─────────────────────────────────────────────────────────────────────────────────────────────

    def _start(self, token: Token) -> None:
        name = token.name
        hidden = self._unseen or name in UNSEEN or _HIDDEN.search((attribute(token, "style") or "").lower())
        if is_void(token):
            if not hidden:
                self._void(token)
            return
        if hidden:
            self._unseen += 1
        else:
            self._begin(token)
        self._open.append(name)

    def _void(self, token: Token) -> None:
        if token.name == "br":
            self._due, self._hard = min(self._due + 1, 2), True
        elif token.name == "img":
            self._text(attribute(token, "alt") or "")
        elif token.name == "hr":
            self._lines(2)
            self._write(RULE)
            self._lines(2)

    def _begin(self, token: Token) -> None:
        name = token.name
        if name == "li" and name in self._open and not LISTS & set(self._open[_last(self._open, name) :]):
            self._end(name)
        parent = self._open[-1] if self._open else ""
        if name in CELLS and not self._due and not self._spaced:
            self._write("  ")
        elif name in LINES:
            apart = (name in PARAGRAPHS and not (name in LISTS and self._lists)) or (name == "div" and parent in CELLS)
            self._lines(2 if apart else 1)
        if name in LISTS:
            self._lists.append([0] if name == "ol" and not self._loops else [])
        elif name == "li":
            self._item()
        elif name == "a":
            self._links.append((attribute(token, "href") or "", len(self.out)))
        elif name in RULERS:
            self._headings.append(len(self.out))

    def _item(self) -> None:
        numbers = self._lists[-1] if self._lists else []
        if numbers:
            numbers[0] += 1
        self._write(f"  {numbers[0]}. " if numbers else "  * ")
        self._spaced = True

    def _end(self, name: str) -> None:
        if name not in self._open:
            return
        while self._open:  # elements whose end tags were left out end with the one around them
            each = self._open.pop()
            if self._unseen:
                self._unseen -= 1
            else:
                self._finish(each)
            if each == name:
                return

    def _finish(self, name: str) -> None:
        if name == "a":
            self._link(*self._links.pop())
        elif name in RULERS:
            self._rule(RULERS[name], self._headings.pop())
        elif name in LISTS:
            self._lists.pop()
        if name in LINES:
            self._lines(2 if name in PARAGRAPHS and not (name in LISTS and self._lists) else 1)

    def _link(self, address: str, since: int) -> None:
        said = without("".join(self.out[since:]), self._silent).strip()
        if not address or address.startswith("#") or (said and _bare(said) == _bare(address)):
            return
        if said:
            self.out[-1] = self.out[-1].rstrip(" ")
        self._write(f" <{address}>" if said else f"<{address}>")

    def _rule(self, ruler: str, since: int) -> None:
        said = MARK.sub("x" * A_WORD, "".join(self.out[since:])).strip()
        if said:
            self._lines(1)
            self._write(ruler * min(len(said), len(RULE)))


def _last(names: list[str], name: str) -> int:
    return len(names) - 1 - names[::-1].index(name)


def _bare(address: str) -> str:
    return _SCHEME.sub("", address.strip().lower()).removesuffix("/")
