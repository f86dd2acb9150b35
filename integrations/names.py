"""Wrong words: the nearest right one, in the same sentence everywhere."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from integrations.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


def nearest(word: str, right: Iterable[str]) -> str | None:
    """The one of `right` that `word` was probably meant to be, or None."""
    return next(iter(difflib.get_close_matches(word, list(right), n=1, cutoff=0.6)), None)


def suggestion(word: str, right: Collection[str]) -> str:
    """What to write instead of `word`: `did you mean 'x'?`, else all there is."""
    meant = nearest(word, right)
    return f"did you mean '{meant}'?" if meant else f"there is: {', '.join(sorted(right)) or 'none'}."


def refuse_unknown(what: str, given: Iterable[object], right: Collection[str]) -> None:
    """Let only words of `right` pass; `what` is what such a word is called (`option of the adapter 'standard'`).

    Raises:
        ConfigurationError: one is not among them; the message names it and the nearest right one, `option` is the word.
    """
    for word in given:
        if word not in right:
            raise ConfigurationError(f"'{word}' is no {what}; {suggestion(str(word), right)}", option=(str(word),))
