"""Fields that mails use although a lead may not have them: a finding for every place, whatever sample leads come by."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from workers.engine.expressions.proof import proved_by_segments
from workers.rulebook.guards import unguarded
from workers.rulebook.mail import MAIL, body_of, read_head
from workers.rulebook.mail.files import is_template
from workers.rulebook.mail.layouts import layouts_of
from workers.rulebook.problems import Place, Problem, Problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from workers.engine.rules import Rulebook
    from workers.rulebook.guards import Use

FOLDER: Final = "templates/"
ENTRIES: Final = (MAIL, "/mail.html", "/mail.mjml", "/note.txt")
"""Files that are rendered by themselves; others are looked at where they are included."""
SUBJECT, PREHEADER = " (subject)", " (preheader)"


def missing(rulebook: Rulebook, users: Mapping[str, str]) -> Iterator[Problem]:
    """Errors for what keeps a mail from everybody who lacks the field, warnings for what does so now and then.

    Args:
        rulebook: compiled.
        users: the mails and notes that something sends, each with words for who does.
    """
    written = {path.removeprefix(FOLDER): text for path, text in rulebook.templates.items() if is_template(path)}
    texts = {path: body_of(f"/{path}", text) for path, text in written.items()}
    layouts = layouts_of(written)
    lines = dict(read_lines(rulebook.templates))
    files = texts | {each: text for each, (text, _) in lines.items()}
    fields, segments = rulebook.fields.keys() - {"email"}, proved_by_segments(rulebook.segments)
    for path in sorted([*texts, *lines]):
        if path not in lines and not path.endswith(ENTRIES):
            continue
        name = path.removesuffix(SUBJECT).removesuffix(PREHEADER).rpartition("/")[0]
        for each in (path, layouts.get(path, "")):
            for use in unguarded(each, files, fields, segments):
                yield problem(use, place_of(use, texts, lines), users.get(name, ""))


def read_lines(templates: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, Place]]]:
    """The subjects and preheaders of all mails, each with its place."""
    for path, text in templates.items():
        head = read_head(path, text, Problems()) if path.endswith(MAIL) else None
        for line, of in ((head.subject, SUBJECT), (head.preheader, PREHEADER)) if head else ():
            if line is not None:
                yield path.removeprefix(FOLDER) + of, (str(line), line.place)


def place_of(use: Use, texts: Mapping[str, str], lines: Mapping[str, tuple[str, Place]]) -> Place:
    """Where the field stands, as near as is known."""
    if use.path in lines:
        return lines[use.path][1]
    line = texts[use.path].split("\n")[use.line - 1]
    found = re.search(rf"lead\s*(?:\.\s*|\[\s*['\"]){use.field}\b", line)
    return Place(FOLDER + use.path, use.line, found.start() + 1 if found else 1)


def problem(use: Use, place: Place, user: str) -> Problem:
    """The finding."""
    hint = f'write {{{{ lead.{use.field} | default("…") }}}}, or put {{% if lead.{use.field} is defined %}} around it'
    if use.certain and user:
        text = f"nobody without `lead.{use.field}` gets this ({user})"
        return Problem(place.file, place.line, place.column, "template-value", text, hint)
    where = user or "nothing sends it yet"
    text = f"who comes by here without `lead.{use.field}` does not get this ({where})"
    return Problem(place.file, place.line, place.column, "may-be-missing", text, hint, "warning")
