"""What templates may ask of where a lead stands, in the words of expressions: `segment("enterprise")`, `stage()`.

What a lead is not in, or has not got, is said as in expressions, too: a comparison with it is false, `is defined` is
false, and `default("…")` stands in its place. Written as it is, it stops the mail, as a field without a value does.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Protocol

from workers.rulebook.sandbox.rewriting import Nothing

if TYPE_CHECKING:
    from collections.abc import Callable

ASKED: Final = frozenset({"band", "grade", "score", "segment", "stage"})
"""The functions of expressions that templates have. What they ask is known of every lead at every time; what asks for
more, such as a count, is given a name as a segment."""


class Stands(Protocol):
    """Where a lead stands."""

    @property
    def stage(self) -> str:
        """The lifecycle stage; empty before the first event."""

    def score(self, model: str) -> float:
        """The model's score, clamped to its range."""

    def band(self, model: str) -> str | None:
        """The model's band, or None."""

    def grade(self, name: str) -> str | None:
        """The grade, or None."""

    def segment(self, name: str) -> bool:
        """True if the lead is in the segment."""


def answers(stands: Stands) -> dict[str, Callable[..., Any]]:
    """The functions, for one lead."""
    return {
        "score": stands.score,
        "segment": stands.segment,
        "band": lambda model: there(stands.band(model), "band", model),
        "grade": lambda name: there(stands.grade(name), "grade", name),
        "stage": lambda: there(stands.stage, "stage"),
    }


def there(value: str | None, *call: str) -> Any:
    """A text, or what stands for none."""
    if value:
        return value
    word, *names = call
    asked = f"{word}({', '.join(map(json.dumps, names))})"
    return Nothing(
        hint=f'{asked} has no value here; write {{{{ {asked} | default("…") }}}} to say what stands in its place'
    )
