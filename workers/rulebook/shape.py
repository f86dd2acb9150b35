"""How the kinds of rule files are declared.

A kind of rule file, or a part of one, is a frozen dataclass that inherits `Shape`: its fields are the YAML keys, their
annotations the types, their metadata (`about`) what people read about them and the bounds. Nothing else says what a
file may hold, so what is read, what editors complete and what the manual prints cannot disagree.

Types: `Text` (text that knows its place), `Source` (an expression), `str int float bool timedelta`, `Literal[...]`,
`list[T]`, `dict[str, T]`, `tuple[T, U]`, other shapes, unions of them (told apart by the first key of each), values
with a way of writing of their own (`Notation`), the engine's values that a shape or notation makes (`time`, `date`,
`Quiet`, `Calendar`, `Schedule`), `Raw` (the node as it is) and `Any` (plain data).
"""

from __future__ import annotations

import types
import typing
from dataclasses import MISSING, Field, dataclass, field, fields
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self, Union, get_args, get_origin

from workers.rulebook.nodes import Mapped, Scalar
from workers.rulebook.notations import WRITTEN, Notation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.rulebook.problems import Place, Problems


HOLE: Final = "⟨keys⟩"


class Text(str):
    """Text from a rule file."""

    __slots__ = ("place",)
    place: Place

    @classmethod
    def at(cls, text: str, place: Place) -> Self:
        """`text`, standing at `place`."""
        made = cls(text)
        made.place = place
        return made


class Source(Text):
    """The text of an expression, with the node it stands in and the column in that node's text where it begins."""

    __slots__ = ("node", "start")
    node: Scalar
    start: int

    @classmethod
    def inside(cls, node: Scalar, text: str, start: int = 0) -> Source:
        """`text`, which begins at column `start` of the node's text."""
        made = cls.at(text, node.place_of(start) if start else node.place)
        made.node, made.start = node, start
        return made


class Raw:
    """Annotates a key whose node is handed on as it is."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Base of all declarations. `node` is the mapping that was read; `shorthand` allows the first field alone. What
    stands for a value of the engine says which in `makes`; other declarations may then name that type in its place.

    For the manual: `title` says what it is, `frame` is a rule file in which HOLE stands for its keys, and `shown` are
    the keys that every example has beside the required ones.
    """

    shorthand: ClassVar[bool] = False
    makes: ClassVar[type | None] = None
    title: ClassVar[str] = ""
    frame: ClassVar[str] = HOLE
    shown: ClassVar[tuple[str, ...]] = ()
    node: Mapped = field(repr=False, compare=False)

    def __init_subclass__(cls) -> None:
        """Let declarations name the type that is made."""
        if cls.makes:
            WRITTEN[cls.makes] = cls

    def made(self, problems: Problems) -> Any:  # noqa: ARG002  those that stand for something else have some
        """What it is read as: itself, or the value that it stands for; None if that makes no sense, and why."""
        return self

    def place(self, key: str) -> Place:
        """Where the value of a key stands; the whole, where the key is missing."""
        value = self.node.entries.get(key)
        return value.place if value else self.node.place

    def names(self, key: str) -> list[str]:
        """The names that stand below a key, those included whose values could not be read."""
        value = self.node.entries.get(key)
        return [str(name) for name in value.entries] if isinstance(value, Mapped) else []


@dataclass(frozen=True, slots=True)
class About:
    """What a declaration says about a key beside its type.

    Attributes:
        doc: one sentence for people.
        pattern: what a text, or each of its keys, has to look like, with the words for it.
        least, most: bounds of a number or duration.
        single: a list of one may be written without brackets.
        rest: takes all keys that are not declared, as plain data.
        key: the YAML key, where it cannot be the field's name.
        example: a value as it is written in YAML, for the manual.
        beside: lines that the example needs beside it; a key alone is left out there.
        frame: the rule file around the example, where it is not that of its shape.
    """

    doc: str
    pattern: tuple[str, str] | None = None
    least: Any = None
    most: Any = None
    single: bool = False
    rest: bool = False
    key: str = ""
    example: str = ""
    beside: tuple[str, ...] = ()
    frame: str = ""


HIDDEN: Final = frozenset({"node", "id"})
"""Fields that are no keys of their own: the node of a shape, the id of a step."""
PLAIN: Final = About("")
NAME: Final = (r"[a-z0-9][a-z0-9_-]*", "lower-case letters, digits, - and _")
WORD: Final = (r"[a-z][a-z0-9_]*", "lower-case letters, digits and _, a letter first")
EVENT_TYPE: Final = (r"[a-z0-9_]+(\.[a-z0-9_]+)*", "lower-case words with dots between, like form.submitted")


def about(doc: str, **bounds: Any) -> dict[str, About]:
    """The metadata of a declared key; see `About`."""
    return {"about": About(doc, **bounds)}


def declared(shape: Any) -> Mapping[str, tuple[Field[Any], Any, About]]:
    """The keys of a dataclass: field, resolved type, and what is said about it."""
    return _declared(shape)


@cache
def _declared(shape: Any) -> Mapping[str, tuple[Field[Any], Any, About]]:
    # Steps name `timedelta` only for the type checker.
    hints = typing.get_type_hints(shape, localns={"timedelta": timedelta, "Any": Any})
    said = {item.name: item.metadata.get("about", PLAIN) for item in fields(shape)}
    return {
        said[item.name].key or item.name: (item, hints[item.name], said[item.name])
        for item in fields(shape)
        if item.name not in HIDDEN
    }


def is_shape(kind: Any) -> bool:
    """True if the type is a declaration."""
    return isinstance(kind, type) and issubclass(kind, Shape)


def is_notation(kind: Any) -> bool:
    """True if the type has a way of writing of its own."""
    return isinstance(kind, type) and issubclass(kind, Notation)


def members(kind: Any) -> list[Any]:
    """The types in a union, None left out; a list of one for other types. Each as it is written."""
    if isinstance(kind, types.UnionType) or get_origin(kind) is Union:
        return [WRITTEN.get(member, member) for member in get_args(kind) if member is not types.NoneType]
    return [WRITTEN.get(kind, kind)]


def required(item: Field[Any]) -> bool:
    """True if the key has to be there."""
    return item.default is MISSING and item.default_factory is MISSING


SIMPLE: Final[Mapping[Any, str]] = {
    Text: "text",
    str: "text",
    Source: "an expression",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    timedelta: "a duration like `2 days`",
    list: "a list",
    tuple: "a list",
}


def described(kind: Any) -> str:
    """A type in words."""
    if get_origin(kind) is Literal:
        return " or ".join(word(choice) for choice in get_args(kind))
    choices = members(kind)
    if len(choices) > 1:
        return " or ".join(described(choice) for choice in choices)
    if is_notation(choices[0]):
        return choices[0].words  # type: ignore[no-any-return]
    return SIMPLE.get(get_origin(choices[0]) or choices[0], "a mapping (`key: value`)")


def word(choice: object) -> str:
    """A choice as it is written in YAML."""
    return str(choice).lower() if isinstance(choice, bool) else str(choice)
