"""What is questionable about mails as they are written, each finding at its place; what cannot be right is an error.

`sources` finds the places, `links`, `pictures` and `elements` look at the markup of single files. What shows only in
the whole mail (the way out, the address, its size) is looked at where mails are rendered (`workers.delivery.review`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workers.rulebook.mail.files import HTML, MJML
from workers.rulebook.mail.lint import elements, links, pictures
from workers.rulebook.mail.lint.sources import Known, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from workers.rulebook.problems import Problem

__all__ = ["Known", "lint"]
FOLDER: Final = "templates/"
CHECKS: Final[tuple[Callable[[Source, Known], Iterator[Problem]], ...]] = (
    elements.unknown,
    elements.removed,
    links.relative,
    links.empty,
    links.unsafe,
    links.misleading,
    links.shortened,
    links.of_fields,
    links.unencoded,
    links.campaigns,
    pictures.without_words,
)


def lint(templates: Mapping[str, str], known: Known) -> Iterator[Problem]:
    """All findings in the HTML and MJML of a bundle.

    Args:
        templates: by path, as in the bundle.
        known: what the rules say.
    """
    for path, text in templates.items():
        if path.endswith((HTML, MJML)):
            source = Source(path, text)
            for check in CHECKS:
                yield from check(source, known)
