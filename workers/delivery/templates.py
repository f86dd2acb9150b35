"""The mail templates of one rulebook version: compiled once, rendered for many leads.

A mail is a folder below `templates/`: `mail.txt` begins with front matter (`workers.rulebook.mail.head`) between two
lines of `---`, then comes the text; beside it a `mail.html` or a `mail.mjml`, whose text is also the plain text if
`mail.txt` says none. A hand-off note is a folder with a `note.txt`, which is nothing but text.

A mail goes through these stages, each a function of what the one before made: values into subject and preheader; values
into the HTML, which is finished already or is finished now (`compiled.Page`); the plain text beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING, Any, Final

from jinja2 import TemplateSyntaxError
from markupsafe import escape as escaped

from workers.exceptions import RenderError
from workers.rulebook.mail.compiled import compile_mail, environment_of
from workers.rulebook.sandbox import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.rulebook.mail.compiled import CompiledMail, File

FOLDER: Final = "templates/"
UNSAFE: Final = re.compile(r'href="\s*((?i:(?!(?:https?|mailto|tel|sms):)[a-z][a-z0-9+.-]*:)[^"]*)"')
"""A link that a mail may not have. A field's value can make one where a template begins a link with it. Finished pages
have their attributes in lower case and in double quotes; looking for just that takes a twentieth of the time."""
BREAKS: Final = re.compile(r"[\s\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class Rendered:
    """One mail's words for one lead; no line breaks in subject, preheader and addresses.

    Attributes:
        sender, reply_to: empty where the account's sender, or none, is meant.
        files: go with it.
    """

    category: str
    sender: str
    subject: str
    text: str
    html: str | None
    preheader: str = ""
    reply_to: str = ""
    files: tuple[File, ...] = ()


class Templates:
    """All templates of one rulebook version; threads may share it.

    Args:
        files: text by path, below `templates/` or with that prefix.
        site: our website, where relative links lead.
    """

    def __init__(self, files: Mapping[str, str], site: str = "") -> None:
        self._files = {path.removeprefix(FOLDER): text for path, text in files.items()}
        self._environment = environment_of(self._files, site)
        self._site = site
        self._compiled: dict[str, CompiledMail] = {}

    def __contains__(self, name: str) -> bool:
        return f"{name}/mail.txt" in self._files

    def mail(self, name: str) -> CompiledMail:
        """The mail of that name, compiled.

        Raises:
            RenderError: there is no such template, or it is broken.
        """
        if name not in self._compiled:
            self._compiled[name] = compile_mail(self._environment, self._files, name, self._site)
        return self._compiled[name]

    def render(self, name: str, values: Mapping[str, Any]) -> Rendered:
        """The mail `name` with these values.

        Raises:
            RenderError: there is no such template, it is broken, or it needs a value that is not there.
        """
        mail = self.mail(name)
        subject = one_line(mail.subject.render(values))
        preheader = one_line(mail.preheader.render({**values, "subject": subject})) if mail.preheader else ""
        values = {**values, "subject": subject, "preheader": preheader}
        html = self._html(mail, values, preheader)
        return Rendered(
            category=mail.head.category,
            sender=one_line(mail.head.sender or ""),
            subject=subject,
            text=self._text(mail, values, html),
            html=html,
            preheader=preheader,
            reply_to=one_line(mail.head.reply_to or ""),
            files=mail.files,
        )

    def note(self, name: str, values: Mapping[str, Any]) -> str:
        """The hand-off note `name` with these values.

        Raises:
            RenderError: there is no such template, it is broken, or it needs a value that is not there.
        """
        path = f"{name}/note.txt"
        if path not in self._files:
            raise RenderError(f"{name}: the rulebook has no templates/{path}")
        try:
            template = self._environment.get_template(path)
        except TemplateSyntaxError as error:
            raise RenderError(f"{error.name or path}, line {error.lineno}: {error.message}") from error
        return render(template, values).strip()

    def _html(self, mail: CompiledMail, values: Mapping[str, Any], preheader: str) -> str | None:
        if mail.page is None:
            return None
        html = mail.page.render(values, escaped(preheader), self._site)
        if unsafe := UNSAFE.search(html):
            address = unescape(unsafe[1])[:60]
            raise RenderError(f"{mail.page.script.template.name}: a mail cannot link to {address!r}")
        return html

    @staticmethod
    def _text(mail: CompiledMail, values: Mapping[str, Any], html: str | None) -> str:
        if mail.text is not None:
            return mail.text.render(values)
        assert mail.page is not None
        assert html is not None
        return mail.page.plain(values, html)


def one_line(text: str) -> str:
    """Text that is safe as a header value: every run of white space and control characters is one space."""
    return BREAKS.sub(" ", text).strip() if text else ""
