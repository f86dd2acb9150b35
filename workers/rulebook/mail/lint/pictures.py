"""Pictures: half of all readers see the words instead first, and some hear them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workers.rulebook.mail.markup import attribute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.rulebook.mail.lint.sources import Known, Source
    from workers.rulebook.problems import Problem

PICTURES: Final = frozenset({"img", "mj-carousel-image", "mj-image"})


def without_words(source: Source, _: Known) -> Iterator[Problem]:
    """Pictures without `alt`."""
    for token in source.starts():
        if token.name in PICTURES and attribute(token, "alt") is None:
            text = "the picture has no words for whoever does not see it"
            hint = 'write alt="what it shows", or alt="" if it is there for looks'
            yield source.finding(token.at, "picture-without-alt", text, hint)
