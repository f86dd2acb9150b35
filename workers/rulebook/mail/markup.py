"""HTML and MJML as a row of tokens: as much of the grammar as mails need, and each token knows where it stands.

A mark stands for a piece of Jinja2 in markup that is worked on as a whole (`assembly`): a number between two
characters that nobody writes, and that stay as they are in styles and in MJML's attributes. In running text it stands
in a comment, which may stand everywhere between tags; inside of an attribute, a title or a style it stands bare.
"""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OPENS, CLOSES = "⸨", "⸩"
MARK: Final = re.compile(f"<!--{OPENS}(\\d+){CLOSES}-->|{OPENS}(\\d+){CLOSES}")
"""A mark, with the comment around it if there is one."""
VOID: Final = frozenset({
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr",
})  # fmt: skip
"""Elements of HTML without an end tag."""
UNPARSED: Final = frozenset({"script", "style", "textarea", "title", "mj-style", "mj-title", "mj-preview"})
"""Elements whose content is text up to their end tag."""

_TOKEN: Final = re.compile(
    r"""<!--(?P<comment>.*?)(?:-->|\Z)
    |   <(?:!|\?)[^>]*(?:>|\Z)
    |   <(?P<close>/)?(?P<name>[a-zA-Z][^\s/>]*)(?P<inside>(?:[^"'<>]++|"[^"]*+"|'[^']*+')*+)>""",
    re.DOTALL | re.VERBOSE,
)
_ATTRIBUTE: Final = re.compile(
    r"""(?P<name>[^\s"'>/=]+)(?:\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s"'=<>`]+)))?"""
)


class Token(NamedTuple):
    """A piece of markup.

    Attributes:
        kind: what it is; `raw` is the text of an element that holds nothing else.
        at, end: where it begins and ends in the whole.
        name: of an element, in lower case.
        text: of a text or comment; what stands between name and `>` of a tag.
    """

    kind: Literal["text", "raw", "start", "end", "comment", "other"]
    at: int
    end: int
    name: str
    text: str


class Attribute(NamedTuple):
    """An attribute; `at` is where its value begins in the whole, `quoted` whether quotes stand around it."""

    name: str
    value: str
    at: int
    quoted: bool


def mark(number: int) -> str:
    """The bare mark of this number."""
    return f"{OPENS}{number}{CLOSES}"


def tokens(markup: str) -> Iterator[Token]:
    """All of the markup, in order; what is no markup is text."""
    at = 0
    while match := _TOKEN.search(markup, at):
        if match.start() > at:
            yield Token("text", at, match.start(), "", markup[at : match.start()])
        token = _token(match)
        yield token
        at = token.end
        if token.kind == "start" and token.name in UNPARSED and not token.text.endswith("/"):
            end = _end_of(token.name, markup, at)
            if end > at:
                yield Token("raw", at, end, token.name, markup[at:end])
            at = end
    if at < len(markup):
        yield Token("text", at, len(markup), "", markup[at:])


def _token(match: re.Match[str]) -> Token:
    at, end = match.span()
    if match["comment"] is not None:
        return Token("comment", at, end, "", match["comment"])
    if match["name"] is None:
        return Token("other", at, end, "", match[0])
    return Token("end" if match["close"] else "start", at, end, match["name"].lower(), match["inside"])


def _end_of(name: str, markup: str, at: int) -> int:
    """Where the end tag of an element with nothing but text begins."""
    match = re.compile(f"</{re.escape(name)}", re.IGNORECASE).search(markup, at)
    return match.start() if match else len(markup)


def attributes(token: Token) -> list[Attribute]:
    """The attributes of a start tag, values as they are written."""
    begins = token.at + 1 + len(token.name)
    found = []
    for match in _ATTRIBUTE.finditer(token.text):
        group = next((name for name in ("double", "single", "bare") if match[name] is not None), None)
        value, at = (match[group], match.start(group)) if group else ("", match.end())
        found.append(Attribute(match["name"].lower(), value, begins + at, group in {"double", "single"}))
    return found


def attribute(token: Token, name: str) -> str | None:
    """What one attribute says, character references resolved; None if the tag does not have it."""
    return next((unescape(each.value) for each in attributes(token) if each.name == name), None)


def is_void(token: Token) -> bool:
    """True for a start tag without an end tag."""
    return token.name in VOID or token.text.endswith("/")


def without_comments(markup: str) -> str:
    """The markup without what its author noted for other authors; what Outlook reads in comments stays."""
    kept = []
    for token in tokens(markup):
        if token.kind == "comment" and not (token.text.startswith(("[if", "<!")) or MARK.fullmatch(token.text)):
            continue
        kept.append(markup[token.at : token.end])
    return "".join(kept)


def replaced(markup: str, change: Callable[[Token, Attribute], str]) -> str:
    """The markup with other values of attributes, both as they are written."""
    pieces, at = [], 0
    for token in tokens(markup):
        for each in attributes(token) if token.kind == "start" else ():
            if (changed := change(token, each)) != each.value:
                pieces += [markup[at : each.at], changed]
                at = each.at + len(each.value)
    return "".join((*pieces, markup[at:])) if pieces else markup
