"""Small things about words that several parts need: the nearest right word, and names made of free text."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

LISTED: Final = 8
"""So many right words are shown when none of them is near."""


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The right word that `word` was most likely meant to be, or None if none is near."""
    by_lower = {candidate.lower(): candidate for candidate in sorted(words, reverse=True)}
    close = get_close_matches(word.lower()[:100], by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def suggestion(word: str, words: Iterable[str], frame: str = "{}") -> str:
    """A sentence that leads from a wrong word to a right one: the nearest, or the list of them if it is short.

    Args:
        word: what was written.
        words: what could have been written.
        frame: how a word is shown, with `{}` in its place.
    """
    known = sorted(words)
    if near := nearest(word, known):
        return f"did you mean {frame.format(near)}?"
    if known and len(known) <= LISTED:
        return f"there is {', '.join(frame.format(candidate) for candidate in known)}"
    return ""


def slug(text: str) -> str:
    """Lower-case letters, digits and dashes of `text`: `Welcome / Hello!` becomes `welcome-hello`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
