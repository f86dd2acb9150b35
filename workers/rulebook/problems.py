"""What is wrong with rule files: where, which kind of mistake, one sentence what, and one what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from workers.exceptions import ExpressionError


Level = Literal["error", "warning"]
ADVICE: Final = {
    "yaml-syntax": (
        "look at this line and the one above: spaces and no tabs before a key, a colon and a space behind it, quotes "
        "and brackets closed"
    ),
    "yaml-alias": "write the value out where it is used",
    "too-deep": "take it apart: nothing in the rule files goes so deep",
    "too-large": "make several files of it",
    "missing-key": "`dripline docs` shows an example of every word",
    "wrong-type": "`dripline docs` shows an example of every word",
}
"""What to do about a kind of mistake, where nothing more particular can be said."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in a rule or template file; line and column count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        """As compilers write it, so that editors and code hosts make a link of it."""
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One finding.

    Attributes:
        file, line, column: where; both count from 1.
        code: a constant word for the kind of mistake (`unknown-key`).
        text: what is wrong, one sentence without a full stop.
        hint: what to do about it.
        level: `error`, or `warning` for what can be meant so.
    """

    file: str
    line: int
    column: int
    code: str
    text: str
    hint: str = ""
    level: str = "error"

    def __str__(self) -> str:
        """One line: `rules/campaigns/welcome.yaml:3:5: unknown-key: there is no key …; did you mean …?`."""
        said = f"{self.code}: {self.text}" + (f"; {self.hint}" if self.hint else "")
        return f"{self.file}:{self.line}:{self.column}: {'' if self.level == 'error' else f'{self.level}: '}{said}"


class Problems:
    """Collects findings, so that one run of `check` shows them all and not only the first.

    Attributes:
        hidden: codes that say nothing, because a file that may declare such names could not be read.
    """

    def __init__(self) -> None:
        self._found: set[Problem] = set()
        self.hidden: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """True if there is at least one error."""
        return any(problem.level == "error" for problem in self._found)

    def __len__(self) -> int:
        """How many findings there are, warnings included."""
        return len(self._found)

    def add(self, place: Place, code: str, text: str, hint: str = "") -> None:
        """Record an error."""
        self._found.add(Problem(place.file, place.line, place.column, code, text, hint or ADVICE.get(code, "")))

    def warn(self, place: Place, code: str, text: str, hint: str = "") -> None:
        """Record a warning."""
        self._found.add(Problem(place.file, place.line, place.column, code, text, hint, "warning"))

    def add_expression(self, place: Place, error: ExpressionError) -> None:
        """Record what is wrong with an expression; `place` is where the mistake in it stands."""
        self.add(place, error.code, error.text, error.hint)

    def found(self) -> list[Problem]:
        """All of them by file, line and column, without those that only follow from an unreadable file."""
        return sorted(problem for problem in self._found if problem.code not in self.hidden)
