"""Elements that there are not, and elements that no reader gets to see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workers.rulebook.mail.files import MJML
from workers.rulebook.mail.markup import attribute
from workers.text import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.rulebook.mail.lint.sources import Known, Source
    from workers.rulebook.problems import Problem

COMPONENTS: Final = frozenset({
    "mj-accordion", "mj-accordion-element", "mj-accordion-text", "mj-accordion-title", "mj-all", "mj-attributes",
    "mj-body", "mj-breakpoint", "mj-button", "mj-carousel", "mj-carousel-image", "mj-class", "mj-column", "mj-divider",
    "mj-font", "mj-group", "mj-head", "mj-hero", "mj-html-attributes", "mj-image", "mj-navbar", "mj-navbar-link",
    "mj-preview", "mj-raw", "mj-section", "mj-social", "mj-social-element", "mj-spacer", "mj-style", "mj-table",
    "mj-text", "mj-title", "mj-wrapper",
})  # fmt: skip
"""MJML 4, as mjml.io documents it, without what brings in other files: `{% include %}` does."""
REMOVED: Final = {
    "applet": "a picture and a link",
    "audio": "a picture and a link",
    "embed": "a picture and a link",
    "form": "a link to a page with the form",
    "frame": "a link",
    "iframe": "a link",
    "object": "a picture and a link",
    "script": "a link to a page that does it",
    "video": "a picture and a link",
}
"""What mail programs take out of mails, and what does instead."""


def unknown(source: Source, _: Known) -> Iterator[Problem]:
    """Components that MJML does not have: they would be sent as they are, and shown by nobody."""
    for token in source.starts() if source.path.endswith(MJML) else ():
        if token.name == "mj-include":
            hint = 'write {% include "partials/….mjml" %}'
            yield source.finding(token.at, "unknown-element", "MJML's own include is not used here", hint, "error")
        elif token.name.startswith("mj-") and token.name not in COMPONENTS:
            text = f"MJML has no <{token.name}>"
            hint = suggestion(token.name, COMPONENTS, "<{}>") or "write it with <mj-text> or <mj-raw>"
            yield source.finding(token.at, "unknown-element", text, hint, "error")


def removed(source: Source, _: Known) -> Iterator[Problem]:
    """Elements that mail programs take out."""
    for token in source.starts():
        if token.name in REMOVED:
            text, hint = f"mail programs take <{token.name}> out of mails", f"use {REMOVED[token.name]}"
            yield source.finding(token.at, "not-in-mails", text, hint)
        elif token.name == "link" and (attribute(token, "rel") or "").lower() == "stylesheet":
            text = "mail programs load no style sheets"
            yield source.finding(token.at, "not-in-mails", text, "write the styles in a <style>; they are put in place")
