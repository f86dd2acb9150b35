"""What shows only in a mail as it is sent: whether there is a way out, how large it is, how it sounds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from workers.rulebook.mail.head import MAIL
from workers.rulebook.mail.plain import plain
from workers.rulebook.problems import Place, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.delivery.templates import Rendered
    from workers.rulebook.mail.compiled import CompiledMail
    from workers.rulebook.problems import Level

CLIPPED: Final = 102_400
"""Bytes of HTML from which on Gmail shows the rest of a mail only to those who ask for it, and with it the way out."""
SHOUTED: Final = 0.6
"""Share of capital letters in a subject of which it is said that it shouts."""
LETTERS: Final = 8
"""A subject with fewer letters may be an abbreviation."""
MOST_EXCLAMATIONS: Final = 3
"""In the text; one in the subject is enough."""
LONGEST_SUBJECT: Final = 100
FEW_WORDS: Final = 20

_REPLY: Final = re.compile(r"\s*(?:re|fwd?|aw|wg)\s*:", re.IGNORECASE)
_SPELLED: Final = re.compile(r"[^\w]+")


@dataclass(frozen=True, slots=True)
class Seen:
    """A mail as somebody gets it.

    Attributes:
        unsubscribe: the way out that it was rendered with.
        address: the account's postal address.
    """

    mail: CompiledMail
    rendered: Rendered
    unsubscribe: str
    address: str

    @property
    def parts(self) -> dict[str, str]:
        """What readers see, by the file it is written in; of HTML, its text."""
        name = f"templates/{self.mail.name}"
        parts = {} if self.mail.text is None else {f"{name}{MAIL}": self.rendered.text}
        if self.mail.page is not None:
            parts[f"{name}/mail.{'mjml' if self.mail.page.mjml else 'html'}"] = plain(self.rendered.html or "")
        return parts

    @property
    def place(self) -> Place:
        """Where findings about the whole mail stand: at its subject."""
        subject = self.mail.head.subject.place
        return Place(f"templates/{self.mail.name}{MAIL}", subject.line, subject.column)


def at(place: Place, code: str, text: str, hint: str, level: Level = "warning") -> Problem:
    """A finding at a place."""
    return Problem(place.file, place.line, place.column, code, text, hint, level)


def review(seen: Seen) -> Iterator[Problem]:
    """All findings about a mail."""
    if seen.rendered.category == "marketing":
        yield from way_out(seen)
    yield from size(seen)
    yield from subject(seen)
    yield from tone(seen)


def way_out(seen: Seen) -> Iterator[Problem]:
    """What the law wants to see in marketing mail, in its HTML and in its text."""
    for file, text in seen.parts.items():
        if seen.unsubscribe not in text:
            hint = "link to {{ unsubscribe_url }}, in the mail or in its layout"
            yield at(Place(file), "no-unsubscribe-link", "marketing mail needs a way to unsubscribe", hint, "error")
        if spelled(seen.address) not in spelled(text):
            hint = "write {{ account.address }}, in the mail or in its layout"
            yield at(
                Place(file), "no-postal-address", "marketing mail needs the sender's postal address", hint, "error"
            )


def spelled(text: str) -> str:
    """Letters and digits alone: an address may be written over several lines."""
    return _SPELLED.sub("", text).lower()


def size(seen: Seen) -> Iterator[Problem]:
    """HTML that Gmail cuts off."""
    length = len((seen.rendered.html or "").encode())
    if length > CLIPPED:
        text = f"the HTML has {length / 1024:.0f} kB, and Gmail shows no more than {CLIPPED / 1024:.0f} kB of a mail"
        yield at(seen.place, "clipped", text, "say less, or link to the rest of it")


def subject(seen: Seen) -> Iterator[Problem]:
    """Subjects that say nothing, or too much."""
    said = seen.rendered.subject
    letters = [each for each in said if each.isalpha()]
    if not said:
        yield at(seen.place, "empty-subject", "the subject is empty", "write one", "error")
    if len(said) > LONGEST_SUBJECT:
        hint = "say it in fifty characters, which is what phones show"
        yield at(seen.place, "long-subject", f"the subject has {len(said)} characters", hint)
    if len(letters) >= LETTERS and sum(map(str.isupper, letters)) > SHOUTED * len(letters):
        yield at(seen.place, "shouting", "the subject is written in capitals, as in spam", "write it in small letters")
    if said.count("!") > 1:
        yield at(seen.place, "exclamations", "the subject has more than one exclamation mark", "leave them out")
    if _REPLY.match(said):
        text = "the subject pretends to answer somebody"
        yield at(seen.place, "false-reply", text, "leave the prefix out; filters and the law mind it")


def tone(seen: Seen) -> Iterator[Problem]:
    """Mails that sound like spam, or say nothing but with pictures."""
    for file, text in seen.parts.items():
        marks = text.count("!")
        if "!!" in text or marks > MOST_EXCLAMATIONS:
            said = f"the mail has {marks} exclamation marks, as spam has"
            yield at(Place(file), "exclamations", said, "leave most of them out")
        if "<img" in (seen.rendered.html or "") and not file.endswith(MAIL) and len(text.split()) < FEW_WORDS:
            said = "the mail is little more than a picture, which many readers do not see and filters distrust"
            yield at(Place(file), "only-pictures", said, "say in words what the mail is about")
