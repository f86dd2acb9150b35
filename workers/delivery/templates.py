"""The mail templates of one rulebook version: parsed and compiled once, rendered for many leads.

A mail is a folder below `templates/`: `mail.txt` begins with front matter (`subject`, `category`, and `from` where the
sender differs from the account's) between two lines of `---`, then comes the text; `mail.html` beside it is optional.
A hand-off note is a folder with a `note.txt`, which is nothing but text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jinja2 import TemplateSyntaxError

from workers.exceptions import RenderError
from workers.rulebook.mail import body_of, read_head
from workers.rulebook.problems import Problems
from workers.rulebook.sandbox import BoundedEnvironment, render

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jinja2 import Template

    from workers.rulebook.mail import FrontMatter

FOLDER: Final = "templates/"


class Fields:
    """Values as a template sees them: nothing but names, and a name without a value is not there.

    Args:
        said: what the template calls them (`lead`), for error messages.
        values: by name.
    """

    __slots__ = ("__said__", "_values")

    def __init__(self, said: str, values: Mapping[str, Any]) -> None:
        self.__said__ = said
        self._values = {name: value for name, value in values.items() if value is not None}

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)


@dataclass(frozen=True, slots=True)
class MailTemplate:
    """One compiled mail. `sender` is empty where the account's own is used."""

    name: str
    category: str
    sender: str
    subject: Template
    text: Template
    html: Template | None


@dataclass(frozen=True, slots=True)
class Rendered:
    """One mail's words for one lead; no line breaks in subject and sender."""

    category: str
    sender: str
    subject: str
    text: str
    html: str | None


class Templates:
    """All templates of one rulebook version; threads may share it.

    Args:
        files: text by path, below `templates/` or with that prefix.
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = {path.removeprefix(FOLDER): text for path, text in files.items()}
        self._environment = BoundedEnvironment({path: body_of(path, text) for path, text in self._files.items()})
        self._compiled: dict[str, MailTemplate] = {}

    def __contains__(self, name: str) -> bool:
        return f"{name}/mail.txt" in self._files

    def render(self, name: str, values: Mapping[str, Any]) -> Rendered:
        """The mail `name` with these values.

        Raises:
            RenderError: there is no such template, it is broken, or it needs a value that is not there.
        """
        mail = self._compiled.get(name) or self._compile(name)
        return Rendered(
            category=mail.category,
            sender=mail.sender,
            subject=one_line(render(mail.subject, values)),
            text=render(mail.text, values),
            html=render(mail.html, values) if mail.html else None,
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

    def _compile(self, name: str) -> MailTemplate:
        if name not in self:
            raise RenderError(f"{name}: the rulebook has no templates/{name}/mail.txt")
        head = front_matter(name, self._files[f"{name}/mail.txt"])
        html = f"{name}/mail.html"
        try:
            mail = MailTemplate(
                name=name,
                category=head.category,
                sender=one_line(head.sender or ""),
                subject=self._environment.from_string(str(head.subject)),
                text=self._environment.get_template(f"{name}/mail.txt"),
                html=self._environment.get_template(html) if html in self._files else None,
            )
        except TemplateSyntaxError as error:
            raise RenderError(f"{error.name or name}, line {error.lineno}: {error.message}") from error
        mail.subject.name = f"{name}/mail.txt (subject)"
        self._compiled[name] = mail
        return mail


def front_matter(name: str, text: str) -> FrontMatter:
    """What stands between the `---` lines of a `mail.txt`.

    Raises:
        RenderError: it is missing, or cannot be used.
    """
    problems = Problems()
    head = read_head(f"{name}/mail.txt", text, problems)
    if head is None or problems:
        raise RenderError("; ".join(map(str, problems.found())))
    return head


def one_line(text: str) -> str:
    """Text that is safe as a header value: every run of white space and control characters is one space."""
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip()
