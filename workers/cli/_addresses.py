"""Lists of addresses as other people's programs write them: CSV with commas, semicolons or tabs, whole or half broken.

What cannot be read is told line by line, and everything else is taken. Nothing is left out without a word: whoever
stands on a line that was not read could be mailed.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TextIO

import click

from workers.cli._base import cut

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EMAIL: Final = frozenset({"email", "e-mail", "email address", "e-mail address", "emailaddress"})
"""What the column with the addresses is called by those who write such files, in lower case."""
SEPARATORS: Final = ",;\t"
LONGEST: Final = 60
"""Characters that are shown of a cell."""
GUARDED: Final = tuple(f"'{mark}" for mark in "=+-")
"""How a cell begins that `guarded` has kept from spreadsheets."""


class Line(NamedTuple):
    """What a line says; empty where it says nothing."""

    email: str
    digest: str
    reason: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Where they stand, from 0; -1 for one that is not there."""

    email: int
    digest: int
    reason: int

    def line(self, cells: Sequence[str]) -> Line:
        """The cells of a line."""
        return Line(
            *(cells[at].strip() if 0 <= at < len(cells) else "" for at in (self.email, self.digest, self.reason))
        )


Wrong = Callable[[str, int], None]
"""Takes what cannot be read, and how many lines that are."""


def lines(file: TextIO, column: str, wrong: Wrong) -> Iterator[tuple[str, Line]]:
    """The lines of a file, each with words for where it stands.

    Args:
        file: what is no UTF-8 in it has to be escaped (`surrogateescape`).
        column: what the column of addresses is called; empty for one of the usual names.
        wrong: see `Wrong`.

    Raises:
        click.UsageError: the first line does not name the columns.
    """
    first = file.readline()
    separator = max(SEPARATORS, key=first.count)
    columns = columns_of(first, separator, column, file.name)
    reader = csv.reader(file, delimiter=separator, strict=True)
    while True:
        begins = reader.line_num + 2
        try:
            cells = next(reader, None)
        except csv.Error as error:
            number = reader.line_num + 2 - begins
            wrong(f"{where(file, begins, reader.line_num + 1)}: {told(error, number)}", number)
            continue
        if cells is None:
            return
        if cells:
            yield where(file, begins, reader.line_num + 1), columns.line(cells)


def columns_of(first: str, separator: str, column: str, name: str) -> Columns:
    """The columns that the first line names.

    Raises:
        click.UsageError: it names none that could be used, and what to do.
    """
    if not first:
        raise click.UsageError(f"{name} is empty; its first line has to name the columns: email,reason")
    if "\0" in first or any(is_escape(letter) for letter in first):
        raise click.UsageError(f"{name} is no text in UTF-8; save it as CSV in UTF-8.")
    titles = [" ".join(cell.split()) for cell in next(csv.reader([first], delimiter=separator))]
    names = [title.lower() for title in titles]
    if column and column.lower() not in names:
        raise click.UsageError(f"{name} has no column {column!r}; there is {listed(titles)}.")
    emails = [at for at, each in enumerate(names) if (each == column.lower() if column else each in EMAIL)]
    if len(emails) > 1:
        raise click.UsageError(f"{name} has more than one column of addresses: {listed(titles)}; keep one of them.")
    if not emails and "digest" not in names:
        if any("@" in title for title in titles):
            raise click.UsageError(f"{name} begins with an address; its first line has to name the columns: email")
        raise click.UsageError(
            f"{name} has no column `email` or `digest`; there is {listed(titles)}. Say which one has the addresses: "
            "--column NAME"
        )
    found = {each: at for at, each in reversed([*enumerate(names)])}
    return Columns(emails[0] if emails else -1, found.get("digest", -1), found.get("reason", -1))


def unguarded(email: str) -> str:
    """An address as it was before it was written for spreadsheets (`guarded`)."""
    return email[1:] if email.startswith(GUARDED) else email


def shown(cell: str) -> str:
    """A cell for people, however long and broken it is."""
    return repr(cut("".join("?" if is_escape(letter) else letter for letter in cell), LONGEST))


def is_escape(letter: str) -> bool:
    """True for what stands for a byte that is no UTF-8."""
    return "\udc80" <= letter <= "\udcff"


def where(file: TextIO, begins: int, ends: int) -> str:
    """`list.csv, line 3`."""
    return f"{file.name}, line {begins}" if ends <= begins else f"{file.name}, lines {begins} to {ends}"


def told(error: csv.Error, number: int) -> str:
    """What is wrong with lines that are no CSV."""
    if "expected after" in str(error):
        return "a quotation mark closes in the middle of a cell"
    if "larger than" in str(error) and number == 1:
        return f"a cell has more than {csv.field_size_limit():,} characters"
    return "a quotation mark opens here and is not closed"


def listed(titles: Sequence[str]) -> str:
    """The columns for people."""
    return ", ".join(f"`{cut(title, LONGEST)}`" for title in titles)
