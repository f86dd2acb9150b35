"""What markup goes through before it is sent: MJML to HTML, styles into elements, the preheader, absolute links.

Everything here works on markup with marks as well as on a rendered mail.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from workers.rulebook.mail.bounds import BadMarkup, check_bounds, check_size
from workers.rulebook.mail.links import absolute, is_address
from workers.rulebook.mail.markup import CLOSES, OPENS, replaced, tokens, without_comments

if TYPE_CHECKING:
    from css_inline import CSSInliner

    from workers.rulebook.mail.markup import Attribute, Token

PREHEADER: Final = '<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">{}</div>'
DOCTYPE: Final = re.compile(r"\s*<!doctype", re.IGNORECASE)

_UNWRITABLE: Final = re.compile(rf"[^ !#-\[\]-~{OPENS}{CLOSES}]")
"""In attributes: what `mrml` may write as Rust writes it in source text; all else beyond ASCII, too, to be sure."""


def finished(markup: str, *, mjml: bool, preheader: str, site: str) -> str:
    """The HTML that is sent.

    Args:
        markup: as its author wrote it.
        mjml: it is MJML.
        preheader: markup of the line that inboxes show after the subject; empty for none, or if it is in there already.
        site: what relative links begin with; empty to leave them as they are.

    Raises:
        BadMarkup: it is no MJML, its styles are none, or there is too much of it.
    """
    check_bounds(markup)
    markup = without_comments(markup)
    html = check_size(_from_mjml(markup) if mjml else _inlined(markup))
    if preheader:
        html = _with_preheader(html, preheader)
    return _absolute(html, site)


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
        return absolute(each.value, site) if is_address(token, each) else each.value

    return replaced(html, changed)
