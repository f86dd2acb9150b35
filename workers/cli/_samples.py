"""Sample leads: one of whom only the address is known, and one of whom everything is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.engine.rules import Rulebook

SAMPLES: Final[Mapping[str, Any]] = {
    "text": "Ann", "integer": 42, "decimal": 42.5, "money": 1200.5, "boolean": True, "date": "2026-03-02",
    "datetime": "2026-03-02T09:00:00+00:00", "country": "DE", "zone": "Europe/Berlin", "email": "ann@acme.test",
    "url": "https://acme.test/", "list": ["Ann"],
}  # fmt: skip
"""A value of each type of field."""
TEXTS: Final[Mapping[str, str]] = {
    "last_name": "Miller", "name": "Ann Miller", "company": "Acme", "title": "Head of Marketing", "phone": "+49 40 123",
    "city": "Hamburg", "industry": "logistics",
}  # fmt: skip
"""Values of fields of type text that most companies have, by name."""
ADDRESS: Final = "ann@acme.test"


class Nowhere:
    """A lead of whom only the address is known: at the first stage, without a point, and in no band or segment."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.stage = rulebook.stages[0].name if rulebook.stages else ""

    def score(self, _: str) -> float:
        """See `Stands`."""
        return 0.0

    def band(self, _: str) -> None:
        """See `Stands`."""

    def grade(self, _: str) -> None:
        """See `Stands`."""

    def segment(self, _: str) -> bool:
        """See `Stands`."""
        return False


class Everywhere:
    """A lead of whom everything is known: in every segment, and as far up as one can get."""

    def __init__(self, rulebook: Rulebook) -> None:
        self._rulebook = rulebook
        self.stage = rulebook.stages[-1].name if rulebook.stages else ""

    def score(self, _: str) -> float:
        """See `Stands`."""
        return SAMPLES["decimal"]  # type: ignore[no-any-return]

    def band(self, model: str) -> str | None:
        """See `Stands`."""
        bands = self._rulebook.models[model].bands
        return bands[-1].name if bands else None

    def grade(self, name: str) -> str | None:
        """See `Stands`."""
        grade = self._rulebook.grades[name]
        letters = "".join(self.band(model) or "" for model in grade.models)
        return grade.labels.get(letters, letters) or None

    def segment(self, _: str) -> bool:
        """See `Stands`."""
        return True


def bare() -> dict[str, Any]:
    """The fields of a lead of whom only the address is known."""
    return {"email": ADDRESS}


def full(rulebook: Rulebook) -> dict[str, Any]:
    """A value for every declared field."""
    known = {name: sample(field.type, field.allowed) for name, field in rulebook.fields.items()}
    texts = {name: TEXTS[name] for name, value in known.items() if value == SAMPLES["text"] and name in TEXTS}
    return known | texts | bare()


def sample(kind: str, allowed: Sequence[Any]) -> Any:
    """A value of a type."""
    if kind.startswith("list of "):
        return [sample(kind.removeprefix("list of "), allowed)]
    return allowed[0] if allowed else SAMPLES[kind]
