"""Small things about words that several parts need: the nearest right word, and names made of free text."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from integrations.addresses import one_spelling

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MANUAL", "nearest", "one_spelling", "slips", "slug", "some", "suggestion"]

LONGEST: Final = 100
"""Characters of a wrong word that are looked at."""
BEGUN: Final = 3
"""Letters of a word that are enough to tell it by its beginning."""
MANUAL: Final = "`dripline docs` lists all words"
"""What to do about a word of the language that is near to none."""
LISTED: Final = 8
"""So many right words are shown when none of them is near."""


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The right word that `word` was most likely meant to be, or None if none is really near."""
    by_lower = {candidate.lower(): candidate for candidate in sorted(words, reverse=True)}
    wrong = word.lower()[:LONGEST]
    close = get_close_matches(wrong, by_lower, n=3, cutoff=0.6)
    begun = (right for right in sorted(by_lower, key=len) if len(wrong) >= BEGUN and is_part(wrong, right))
    found = next((right for right in [*close, *begun] if is_near(wrong, right)), None)
    return None if found is None else by_lower[found]


def is_near(wrong: str, right: str) -> bool:
    """True if one slip of the hand for every three letters makes one word of the other, or one is a part of it."""
    return is_part(wrong, right) or slips(wrong, right) <= max(1, len(wrong) // 3)


def is_part(wrong: str, right: str) -> bool:
    """True if the right word begins with the wrong one, or ends with it behind a sign (`Berlin`, `Europe/Berlin`)."""
    rest = right.removesuffix(wrong)
    return len(wrong) >= BEGUN and (right.startswith(wrong) or (rest != right and not rest[-1:].isalnum()))


def slips(wrong: str, right: str) -> int:
    """How many letters were left out, put in, taken for another, or changed places with the next one."""
    rows = [list(range(len(right) + 1))]
    for at, letter in enumerate(wrong, 1):
        row = [at]
        for place, other in enumerate(right, 1):
            best = min(rows[-1][place] + 1, row[place - 1] + 1, rows[-1][place - 1] + (letter != other))
            if at > 1 and place > 1 and letter == right[place - 2] and other == wrong[at - 2]:
                best = min(best, rows[-2][place - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


def suggestion(word: str, words: Iterable[str], frame: str = "{}", declare: str = "") -> str:
    """A sentence that leads from a wrong word to a right one: the nearest, or the list of them if it is short.

    Args:
        word: what was written.
        words: what could have been written.
        frame: how a word is shown, with `{}` in its place.
        declare: what to do where the word is right, and nobody has declared it yet.
    """
    known = sorted(words)
    if near := nearest(word, known):
        return f"did you mean {frame.format(near)}?"
    listed = ", ".join(frame.format(candidate) for candidate in known) if len(known) <= LISTED else ""
    if declare:
        return f"{declare}; there is {listed}" if listed else declare
    return f"there is {listed}" if listed else ""


def some(words: Iterable[str], frame: str = "{}") -> str:
    """What to do about a word that is near to none of many: the first of them, or that there is none."""
    known = sorted(words)
    if not known:
        return "there is none yet"
    listed = ", ".join(frame.format(word) for word in known[:LISTED])
    return f"there is {listed}" + (f" and {len(known) - LISTED} more" if len(known) > LISTED else "")


def slug(text: str) -> str:
    """Lower-case letters, digits and dashes of `text`: `Welcome / Hello!` becomes `welcome-hello`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
