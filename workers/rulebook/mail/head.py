"""A `mail.txt`: front matter between two lines of `---`, then the text. Read in one way by `check` and by delivery."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from workers.rulebook.problems import Place
from workers.rulebook.reader import BAD, Reader
from workers.rulebook.shape import Shape, Text, about
from workers.rulebook.yaml12 import read_yaml

if TYPE_CHECKING:
    from workers.rulebook.problems import Problems

MAIL: Final = "/mail.txt"
FRONT_MATTER: Final = re.compile(r"---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class FrontMatter(Shape):
    """What stands between the `---` lines of a `mail.txt`."""

    subject: Text = field(metadata=about("the subject, a template itself"))
    category: Literal["marketing", "transactional"] = field(
        metadata=about("`marketing` goes only to people who may get it, and carries an unsubscribe link")
    )
    topic: Text | None = field(
        default=None, metadata=about("the category of marketing mail, as rules/consent.yaml names it")
    )
    sender: Text | None = field(default=None, metadata=about("default: the account's sender", key="from"))
    reply_to: Text | None = field(default=None, metadata=about("where answers go; default: to the sender"))
    preheader: Text | None = field(
        default=None, metadata=about("what inboxes show after the subject; a template itself, invisible in the mail")
    )
    layout: Text | None = field(
        default=None, metadata=about("a folder below templates/layouts/ that the mail's text and HTML are set into")
    )
    attachments: list[Text] = field(
        default_factory=list, metadata=about("files in the template's own folder that go with every mail", single=True)
    )


def read_head(path: str, text: str, problems: Problems) -> FrontMatter | None:
    """The front matter of a `mail.txt`; None if it cannot be used, and `problems` says why."""
    match = FRONT_MATTER.match(text)
    if match is None:
        hint = "begin with `---`, `subject: …`, `category: marketing` or `transactional`, `---`"
        problems.add(Place(path), "no-front-matter", "the mail has no front matter", hint)
        return None
    node = read_yaml(path, match[1], problems, first_line=2)
    head = Reader(problems).read(node, FrontMatter, "front matter") if node else BAD
    return head if isinstance(head, FrontMatter) else None


def body_of(path: str, text: str) -> str:
    """The template text of a file: without the front matter of a `mail.txt`, and as many lines as before.

    A Jinja2 comment stands in its place, so that what is wrong further down is found in the line of the file.
    """
    match = FRONT_MATTER.match(text) if path.endswith(MAIL) else None
    if match is None:
        return text
    return "{#" + "\n" * (match[0].count("\n") - 1) + "#}\n" + text[match.end() :]
