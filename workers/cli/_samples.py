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
ADDRESS: Final = "ann@acme.test"


def bare() -> dict[str, Any]:
    """The fields of a lead of whom only the address is known."""
    return {"email": ADDRESS}


def full(rulebook: Rulebook) -> dict[str, Any]:
    """A value for every declared field."""
    return {name: sample(field.type, field.allowed) for name, field in rulebook.fields.items()} | bare()


def sample(kind: str, allowed: Sequence[Any]) -> Any:
    """A value of a type."""
    if kind.startswith("list of "):
        return [sample(kind.removeprefix("list of "), allowed)]
    return allowed[0] if allowed else SAMPLES[kind]
