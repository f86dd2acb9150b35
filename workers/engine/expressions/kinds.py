"""The types that expressions are checked with before any value is there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product
from string import ascii_uppercase
from typing import TYPE_CHECKING, Final

from workers.engine.fields import ZONES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


@dataclass(frozen=True, slots=True)
class Kind:
    """A static type.

    Attributes:
        name: the word for it, as in `Expression.type`.
        described: the same in a sentence.
        choices: for text, the only values it can have; None for any.
        noun: what one of the choices is called (`band`, `stage`).
        form: how the choices are written, where that helps more than a list of them.
        items: for a list, the type of its elements; None if that is not known.
    """

    name: str
    described: str
    choices: frozenset[str] | None = field(default=None, compare=False)
    noun: str = field(default="", compare=False)
    form: str = field(default="", compare=False)
    items: Kind | None = field(default=None, compare=False)


TEXT: Final = Kind("text", "text")
NUMBER: Final = Kind("number", "a number")
BOOLEAN: Final = Kind("boolean", "true or false")
LIST: Final = Kind("list", "a list")
DATE: Final = Kind("date", "a date")
DATETIME: Final = Kind("datetime", "a date with time")
ANY: Final = Kind("any", "of unknown type")
NONE: Final = Kind("none", "none")

BY_NAME: Final = {kind.name: kind for kind in (TEXT, NUMBER, BOOLEAN, LIST, DATE, DATETIME, ANY)}
SINGLE: Final[Mapping[str, Kind]] = {
    "text": TEXT,
    "integer": NUMBER,
    "decimal": NUMBER,
    "money": NUMBER,
    "boolean": BOOLEAN,
    "date": DATE,
    "datetime": DATETIME,
    "email": TEXT,
    "country": TEXT,
    "zone": TEXT,
    "url": TEXT,
}
DECLARED: Final[Mapping[str, Kind]] = {
    **SINGLE,
    "list": LIST,
    **{f"list of {name}": replace(LIST, items=kind) for name, kind in SINGLE.items()},
}
"""The types that rule files declare fields and event properties with."""
ORDERED: Final = frozenset({NUMBER, TEXT, DATE, DATETIME, ANY})


CODES: Final = Kind(
    "text", "text", frozenset(map("".join, product(ascii_uppercase, repeat=2))), "country",
    "a country has two capital letters, like DE",
)  # fmt: skip
NAMES: Final = Kind("text", "text", ZONES, "time zone", "a zone has an IANA name, like Europe/Berlin")
FORMED: Final[Mapping[str, Kind]] = {"country": CODES, "zone": NAMES}
"""Texts of which a lead's field holds those alone that are of its type's form."""


def text_of(noun: str, choices: Collection[str] | None) -> Kind:
    """Text that can only be one of `choices`, each of which is called a `noun`; None for any text."""
    return Kind("text", "text", None if choices is None else frozenset(choices), noun)


def limited(kind: Kind, declared: str, allowed: Collection[str] | None) -> Kind:
    """A field's type, known to be one of a few texts, or a list of such; `allowed` is None for any.

    Args:
        kind: what expressions know of it.
        declared: what rule files say that it is.
        allowed: the values that it may have.
    """
    choice = FORMED.get(declared.removeprefix("list of ")) if allowed is None else text_of("allowed value", allowed)
    if choice is None:
        return kind
    return choice if kind == TEXT else replace(kind, items=choice)


def comparable(left: Kind, right: Kind) -> bool:
    """True if values of the two can be equal."""
    return left == right or ANY in {left, right}


def common(left: Kind, right: Kind) -> Kind | None:
    """The type of a value that is one or the other; None if there is no such type."""
    if right in {left, NONE}:
        return left
    if left == NONE:
        return right
    return ANY if ANY in {left, right} else None


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression may speak of.

    Attributes:
        fields: declared lead fields and their types as in rule files; `email` is always there.
        event: the properties of the event at hand and their types; None where no event is in sight.
        bands: the score models and the names of their bands.
        stages: names of the lifecycle stages.
        zone: IANA name of the zone that `today()` is read in.
        refused: functions that cannot be used here, each with the reason; `lead` stands for the lead's fields.
        allowed: for lead fields that have only certain values, these.
        events: the event types that can be counted, with their properties and types.
        segments: names of the segments.
        grades: the grades and the labels that they can have; None where these are not known.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    event: Mapping[str, str] | None = None
    bands: Mapping[str, Collection[str]] = field(default_factory=dict)
    stages: Collection[str] = ()
    zone: str = "UTC"
    refused: Mapping[str, str] = field(default_factory=dict)
    allowed: Mapping[str, Collection[str]] = field(default_factory=dict)
    events: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    segments: Collection[str] = ()
    grades: Mapping[str, Collection[str] | None] = field(default_factory=dict)
