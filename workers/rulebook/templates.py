"""Mail templates, checked as far as their text goes: front matter, syntax, and names that no mail will ever have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from workers.rulebook.addresses import is_mailbox
from workers.rulebook.bundle import TEMPLATES
from workers.rulebook.mail import MAIL, body_of, read_head
from workers.rulebook.mail.files import HTML, LAYOUTS, MJML, MOST_ATTACHED, is_template, layout_path, size_of
from workers.rulebook.mail.inspection import Inspector, Known, assigned_in
from workers.rulebook.problems import Place, Problems
from workers.rulebook.sandbox import ASKED
from workers.text import suggestion

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from workers.rulebook.mail import FrontMatter
    from workers.rulebook.names import Names
    from workers.rulebook.shape import Text

NOTE: Final = "/note.txt"
MAX_TEMPLATE: Final = 500_000
ACCOUNT: Final = frozenset({"company", "zone", "currency", "sender", "address", "site"})
VARIABLES: Final = ASKED | {
    "lead", "account", "unsubscribe_url", "preferences_url", "confirm_url", "subject", "preheader",
}  # fmt: skip
SHARED: Final = ("layouts/", "partials/")
"""Folders of templates that others bring in, with names that those may have set."""
NOTE_VARIABLES: Final = ASKED | {"lead", "account", "scores", "segments", "evidence", "recent"}
"""What a hand-off note may say: the lead's fields; where it stood; `scores.fit.score` and `.band`; the names of the
segments that it is in; criteria with true or false; and the latest scoring events, each with `at`, `type` and
`points`."""


def mail_names(bundle: Mapping[str, str]) -> frozenset[str]:
    """The templates that a campaign can send: folders that hold a `mail.txt`."""
    return frozenset(
        path.removeprefix(TEMPLATES).removesuffix(MAIL)
        for path in bundle
        if path.startswith(TEMPLATES) and path.endswith(MAIL)
    )


def note_names(bundle: Mapping[str, str]) -> frozenset[str]:
    """The hand-off notes: folders that hold a `note.txt`."""
    return frozenset(
        path.removeprefix(TEMPLATES).removesuffix(NOTE)
        for path in bundle
        if path.startswith(TEMPLATES) and path.endswith(NOTE)
    )


def categories_of(bundle: Mapping[str, str]) -> dict[str, str]:
    """Of each template that can be sent, `marketing` or `transactional`; those left out that cannot be read."""
    heads = {name: read_head(MAIL, bundle[f"{TEMPLATES}{name}{MAIL}"], Problems()) for name in mail_names(bundle)}
    return {name: head.category for name, head in sorted(heads.items()) if head is not None}


def check_templates(bundle: Mapping[str, str], names: Names, problems: Problems) -> None:
    """Find what is wrong with the templates of a bundle.

    Args:
        bundle: all files.
        names: what the rule files declare.
        problems: takes what is wrong.
    """
    files = {path.removeprefix(TEMPLATES): text for path, text in bundle.items() if path.startswith(TEMPLATES)}
    texts = {path: text for path, text in files.items() if is_template(path)}
    known = Known({"lead": {"email", *names.fields}, "account": ACCOUNT}, names.scope())
    inspector = Inspector(texts, known, problems, VARIABLES)
    shared = Inspector(texts, known, problems, VARIABLES | assigned_in(texts))
    of_notes = replace(known, owners={**known.owners, "scores": set(names.bands)})
    notes = Inspector(texts, of_notes, problems, NOTE_VARIABLES)
    for path, text in texts.items():
        if len(text) > MAX_TEMPLATE:
            place = Place(TEMPLATES + path)
            problems.add(place, "too-large", f"larger than {MAX_TEMPLATE:,} characters", "shorten the mail")
        elif path.endswith(NOTE):
            notes.check(TEMPLATES + path, text)
        else:
            by = shared if path.startswith(SHARED) else inspector
            by.check(TEMPLATES + path, body_of(TEMPLATES + path, text))
            if f"/{path}".endswith(MAIL):
                HeadCheck(path, files, inspector, problems).check(text)


class HeadCheck:
    """Checks the front matter of a `mail.txt`, whose subject and preheader are templates of their own.

    Args:
        path: of the file, below `templates/`.
        files: all files there.
        inspector: of template texts.
        problems: takes what is wrong.
    """

    def __init__(self, path: str, files: Mapping[str, str], inspector: Inspector, problems: Problems) -> None:
        self._path = path
        self._folder = path.removesuffix(MAIL)
        self._files = files
        self._inspector = inspector
        self._problems = problems

    def check(self, text: str) -> None:
        """What stands between the `---` lines."""
        head = read_head(TEMPLATES + self._path, text, self._problems)
        if head is None:
            return
        for line in (head.subject, head.preheader):
            if line is not None:
                self._inspector.check(TEMPLATES + self._path, str(line), line.place.line, text)
        for mailbox in (head.sender, head.reply_to):
            if mailbox is not None and not is_mailbox(mailbox):
                text, hint = f"`{mailbox}` is no sender", "write Name <name@company.example>"
                self._problems.add(mailbox.place, "bad-address", text, hint)
        self._markup(head)
        self._attachments(head.attachments)

    def _markup(self, head: FrontMatter) -> None:
        """The mail's other files, and the layout for each."""
        written = [path for suffix in (HTML, MJML) if (path := f"{self._folder}/mail{suffix}") in self._files]
        if len(written) > 1:
            text = "the mail is written in HTML and in MJML"
            self._problems.add(Place(TEMPLATES + written[1]), "two-markups", text, "remove one of the files")
        if head.layout is None:
            return
        wanted = [layout_path(head.layout, path) for path in written or [self._path]]
        if not any(path in self._files for path in wanted):
            hint = suggestion(head.layout, layouts(self._files)) or f"write templates/{wanted[0]}"
            text = f"there is no templates/{wanted[0]}"
            self._problems.add(head.layout.place, "unknown-layout", text, hint)

    def _attachments(self, names: Collection[Text]) -> None:
        """Files that are there, and together are not too large."""
        total = 0
        for name in names:
            path = f"{self._folder}/{name}"
            if path in self._files and not is_template(path):
                total += size_of(self._files[path])
                continue
            beside = [each.removeprefix(f"{self._folder}/") for each in self._files if not is_template(each)]
            text = f"the mail's folder holds no file `{name}` that could be attached"
            hint = (
                suggestion(name, beside) or "files that end in .txt, .html or .mjml are templates and are not attached"
            )
            self._problems.add(name.place, "unknown-file", text, hint)
        if total > MOST_ATTACHED:
            text = f"the attachments have {total:,} bytes, and a mail can carry {MOST_ATTACHED:,}"
            place = next(iter(names)).place
            self._problems.add(place, "too-large", text, "put the files on your website and link to them")


def layouts(files: Collection[str]) -> set[str]:
    """The layouts that there are."""
    return {path.removeprefix(LAYOUTS).rpartition("/")[0] for path in files if path.startswith(LAYOUTS)}
