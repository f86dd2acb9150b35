"""A rule file as a tree of values that know where they stand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workers.rulebook.problems import Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value.

    Attributes:
        value: text, whole number, float, true, false or None.
        raw: as written, quotes and escapes resolved.
        style: how it was written: empty for plain, else the quote or block sign.
        starts: for every line of the value, where it begins in the file; a value that was escaped or folded has only
            the first.
    """

    place: Place
    value: str | float | bool | None
    raw: str
    style: str = ""
    starts: Sequence[Place] = ()

    @property
    def said(self) -> str:
        """What it is, for messages."""
        if self.value is None:
            return "nothing"
        if isinstance(self.value, bool):
            return f"{self.raw} (true or false)"
        word = "text" if isinstance(self.value, str) else "number"
        return f"the {word} {shortened(self.raw)}"

    @property
    def plain(self) -> Any:
        """The value without its place."""
        return self.value

    def place_of(self, offset: int) -> Place:
        """Where the character at `offset` of the value stands in the file, as near as is known."""
        before = self.raw[:offset].split("\n")
        if len(before) > len(self.starts):
            return self.place
        start = self.starts[len(before) - 1]
        return Place(start.file, start.line, start.column + len(before[-1]))


@dataclass(frozen=True, slots=True)
class Listing:
    """A list."""

    place: Place
    items: Sequence[Node]

    @property
    def said(self) -> str:
        """What it is, for messages."""
        return "a list"

    @property
    def plain(self) -> Any:
        """The values without their places."""
        return [item.plain for item in self.items]


@dataclass(frozen=True, slots=True)
class Mapped:
    """Keys and values in the order of the file; `keys` tells where each key stands."""

    place: Place
    entries: Mapping[str, Node]
    keys: Mapping[str, Place] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """What it is, for messages."""
        return "a mapping (`key: value`)"

    @property
    def plain(self) -> Any:
        """The values without their places."""
        return {key: value.plain for key, value in self.entries.items()}

    def __iter__(self) -> Iterator[tuple[str, Node]]:
        """Keys and values."""
        return iter(self.entries.items())


Node = Scalar | Listing | Mapped


def key_place(node: Node, keys: Sequence[str | int]) -> Place:
    """Where the last of these keys (numbers for items of lists) stands, each below the one before it.

    As near as the file has them.
    """
    place = node.place
    for key in keys:
        if isinstance(node, Mapped) and isinstance(key, str) and key in node.entries:
            place, node = node.keys[key], node.entries[key]
        elif isinstance(node, Listing) and isinstance(key, int):
            place, node = node.items[key].place, node.items[key]
        else:
            break
    return place


def shortened(text: str, longest: int = 40) -> str:
    """Text in quotes, cut off where it is long."""
    line = " ".join(text.split())
    return f'"{line[:longest]}…"' if len(line) > longest else f'"{line}"'
