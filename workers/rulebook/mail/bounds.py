"""How much markup is enough: what is worked on by libraries that nothing can stop is bounded before they see it."""

from __future__ import annotations

from typing import Final

from workers.rulebook.mail.markup import is_void, tokens

DEEPEST: Final = 150
"""Elements inside of one another. The libraries walk down by recursion, and end the process where the stack does."""
MOST_STYLING: Final = 40_000_000
"""Characters of styles times elements: so much could be written into the elements."""
MOST_MARKUP: Final = 500_000
"""Characters of a page."""
SHALLOW: Final = frozenset({
    "dd", "dt", "li", "option", "p", "tbody", "td", "tfoot", "th", "thead", "tr",
})  # fmt: skip
"""Elements whose end tags may be left out; they get deep only with others around them."""


class BadMarkup(Exception):
    """The markup cannot be made into a mail; the text says what is wrong with it.

    Args:
        text: one sentence.
        at: where in the markup, if that is known.
    """

    def __init__(self, text: str, at: int | None = None) -> None:
        super().__init__(text)
        self.at = at


def check_bounds(markup: str) -> None:
    """See that the markup is none that only a machine would write.

    Raises:
        BadMarkup: it is too deep, or its styles could grow without end.
    """
    depth, elements, styles = 0, 0, 0
    for token in tokens(markup):
        if token.kind == "start":
            elements += 1
            depth += not (is_void(token) or token.name in SHALLOW)
        elif token.kind == "end" and token.name not in SHALLOW:
            depth = max(depth - 1, 0)
        elif token.kind == "raw":
            styles += len(token.text)
        if depth > DEEPEST:
            raise BadMarkup(f"more than {DEEPEST} elements stand inside of one another, or do not end", token.at)
    if styles * elements > MOST_STYLING:
        raise BadMarkup(f"{styles:,} characters of styles are too much for {elements:,} elements")


def check_size(html: str) -> str:
    """The page, if it is none that only a machine would write.

    Raises:
        BadMarkup: it is too large.
    """
    if len(html) > MOST_MARKUP:
        raise BadMarkup(f"it grows to more than {MOST_MARKUP:,} characters")
    return html
