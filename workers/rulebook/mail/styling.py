"""What markup goes through before it is sent: MJML to HTML, styles into elements, the preheader, absolute links.

Everything here works on markup with marks as well as on a rendered mail.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

from workers.rulebook.mail.markup import CLOSES, OPENS, replaced, tokens, without_comments

if TYPE_CHECKING:
    from css_inline import CSSInliner

    from workers.rulebook.mail.markup import Attribute, Token

PREHEADER: Final = '<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">{}</div>'
LINKING: Final = frozenset({"a", "area", "v:rect", "v:roundrect"})
"""Elements that lead somewhere; the latter two are what Outlook draws buttons with."""
LOADING: Final = frozenset({"body", "img", "source", "table", "td", "th", "video"})
DOCTYPE: Final = re.compile(r"\s*<!doctype", re.IGNORECASE)

_ADDRESSES: Final = frozenset({"background", "href", "poster", "src"})
_UNWRITABLE: Final = re.compile(rf"[^ !#-\[\]-~{OPENS}{CLOSES}]")
"""In attributes: what `mrml` may write as Rust writes it in source text; all else beyond ASCII, too, to be sure."""
_SCHEME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")


class BadMarkup(Exception):
    """The markup cannot be made into a mail; the text says what is wrong with it.

    Args:
        text: one sentence.
        at: where in the markup, if that is known.
    """

    def __init__(self, text: str, at: int | None = None) -> None:
        super().__init__(text)
        self.at = at


def finished(markup: str, *, mjml: bool, preheader: str, site: str) -> str:
    """The HTML that is sent.

    Args:
        markup: as its author wrote it.
        mjml: it is MJML.
        preheader: markup of the line that inboxes show after the subject; empty for none, or if it is in there already.
        site: what relative links begin with; empty to leave them.

    Raises:
        BadMarkup: it is no MJML, or its styles are none.
    """
    markup = without_comments(markup)
    html = _from_mjml(markup) if mjml else _inlined(markup)
    if preheader:
        html = _with_preheader(html, preheader)
    return _absolute(html, site) if site else html


def _from_mjml(markup: str) -> str:
    """MJML compiled; `<mj-style inline="inline">` goes into the elements, other styles stay where they are.

    Fonts are the reader's own: by itself `mrml` would have every reader's program fetch some from Google.
    """
    import mrml  # not everybody has MJML, and what has none starts without it

    markup = replaced(markup.strip(), lambda _, each: _UNWRITABLE.sub(_reference, each.value))
    try:
        return mrml.to_html(markup, render_options=mrml.RenderOptions(fonts={})).content
    except OSError as error:  # its only error
        place = re.search(r"position (\d+)", str(error))
        said = re.sub(r" in root template.*", "", str(error))
        at = len(markup.encode()[: int(place[1])].decode(errors="ignore")) if place else _unclosed(markup)
        raise BadMarkup(f"this is no MJML: {said}", at) from error


def _unclosed(markup: str) -> int | None:
    """Where an element begins that does not end before the one around it does."""
    open_: list[Token] = []
    for token in tokens(markup):
        if token.kind == "start" and not token.text.endswith("/"):
            open_.append(token)
        elif token.kind == "end" and open_ and open_.pop().name != token.name:
            return token.at
    return open_[-1].at if open_ else None


def _reference(match: re.Match[str]) -> str:
    return f"&#{ord(match[0])};"


@cache
def _inliner() -> CSSInliner:
    """Keeps what has no place in an element: media queries, fonts, `:hover`."""
    from css_inline import CSSInliner

    return CSSInliner(
        keep_style_tags=True, keep_at_rules=True, remove_inlined_selectors=True, load_remote_stylesheets=False
    )


def _inlined(markup: str) -> str:
    from css_inline import InlineError

    try:
        html = _inliner().inline(markup)
    except InlineError as error:
        raise BadMarkup(f"a style cannot be read: {error}") from error
    return html if DOCTYPE.match(html) else f"<!DOCTYPE html>{html}"


def _with_preheader(html: str, preheader: str) -> str:
    for token in tokens(html):
        if token.kind == "start" and token.name == "body":
            return html[: token.end] + PREHEADER.format(preheader) + html[token.end :]
    return html


def _absolute(html: str, site: str) -> str:
    def changed(token: Token, each: Attribute) -> str:
        leads = token.name in LINKING or token.name in LOADING
        return absolute(each.value, site) if leads and each.name in _ADDRESSES else each.value

    return replaced(html, changed)


def is_relative(address: str) -> bool:
    """True for an address that says nothing outside of a website; what begins with a value is taken to be whole."""
    address = address.strip()
    return bool(address) and not address.startswith(("#", OPENS)) and not _SCHEME.match(address)


def absolute(address: str, site: str) -> str:
    """An address that leads to the same place from everywhere."""
    if not is_relative(address):
        return address
    if address.strip().startswith("//"):
        return f"https:{address.strip()}"
    return urljoin(site.rstrip("/") + "/", address.strip())
