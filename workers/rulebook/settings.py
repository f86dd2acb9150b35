"""The settings of steps: nodes into the values that the dataclasses of `workers.engine.steps` declare."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_args, get_origin

from workers.engine.expressions.durations import parse_duration
from workers.engine.rules import Expression
from workers.engine.steps import BusinessDays, Goto, Percent, Words
from workers.rulebook.lookups import LOOKED_UP
from workers.rulebook.nodes import Listing, Mapped, Node, Scalar
from workers.rulebook.notations import share_of
from workers.rulebook.reader import BAD, Reader
from workers.rulebook.shape import PLAIN, Source, Text, members
from workers.rulebook.stepkeys import Key, is_part, keys_of
from workers.text import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.rulebook.names import Checker

BRACES: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
WORKING: Final = re.compile(r"\s*(\d{1,3})\s+business\s+days?\s*", re.ASCII)


class Spelling(NamedTuple):
    """How a type is written: what reads it, the words for it in messages, and a regular expression for editors."""

    read: Callable[[str], Any]
    words: str
    pattern: str


class Settings:
    """Reads the settings of one step.

    Args:
        check: compiles expressions and looks up names; takes what is wrong.
        nested: reads the steps inside a step, and gives the id of the first.
    """

    def __init__(self, check: Checker, nested: Callable[[Node], Any]) -> None:
        self._check = check
        self._reader = Reader(check.problems)
        self._nested = nested

    def of_step(self, word: str, kind: Any, node: Mapped) -> Mapping[str, Any]:
        """The settings by field; BAD for those that cannot be read, and nothing for those that are left out."""
        keys = keys_of(kind)
        below = as_mapping(node.entries[word], keys)
        inner = {name: key for name, key in keys.items() if not key.beside}
        if not inner and isinstance(node.entries[word], Scalar) and node.entries[word].plain is not None:
            self._reader.wrong(node.entries[word], "nothing beside it", word, f"write `- {word}`")
        if list(inner) == [word] and not scalar_like(inner[word].kind):  # the word's own value is one whole
            below = Mapped(node.place, {word: node.entries[word]}, {word: node.keys[word]})
        beside = Mapped(node.place, {name: each for name, each in node if keys.get(name, NO_KEY).beside}, node.keys)
        outer = {name: key for name, key in keys.items() if key.beside}
        return self._fields(word, below, inner) | self._fields(word, beside, outer)

    def _fields(self, word: str, node: Mapped, keys: Mapping[str, Key]) -> dict[str, Any]:
        """The keys of a mapping; conditions last, because they may be about the event that another key names."""
        for name in node.entries:
            if name not in keys:
                hint = suggestion(name, keys, "`{}`") or f"`dripline docs {word}` tells its keys"
                self._check.problems.add(node.keys[name], "unknown-key", f"`{word}` has no key `{name}`", hint)
        values: dict[str, Any] = {}
        for name, key in sorted(keys.items(), key=lambda pair: Expression in members(pair[1].kind)):
            if name in node.entries:
                values[key.name] = self._value(node.entries[name], key, name, values)
            elif key.required:
                text = f"`{word}` wants a value" if name == word else f"`{word}` wants the key `{name}`"
                self._check.problems.add(node.place, "missing-key", text, key.doc)
                values[key.name] = BAD
        order = [key.name for key in keys.values()]
        return {name: values[name] for name in order if name in values}

    def _value(self, node: Node, key: Key, name: str, known: Mapping[str, Any]) -> Any:
        """One setting."""
        kinds = members(key.kind)
        if Expression in kinds and not (float in kinds and is_number(node)):
            return self._expression(node, name, key, known.get("event") if key.scope == "event" else None)
        value = self._typed(node, key.kind, name, key)
        if value is not BAD and key.names:
            unknown = [each for each in (value if isinstance(value, tuple) else (value,)) if not self._known(key, each)]
            if unknown:
                return BAD
            value = tuple(map(str, value)) if isinstance(value, tuple) else value
        return str(value) if isinstance(value, Text) and not isinstance(value, Source) else value

    def _known(self, key: Key, name: Text) -> bool:
        """True if what a setting names is there."""
        return LOOKED_UP[key.names](self._check, name)

    def _typed(self, node: Node, kind: Any, name: str, key: Key) -> Any:
        """A value of a type."""
        kinds = members(kind)
        kind = kinds[0] if len(kinds) == 1 else next((each for each in kinds if fits(node, each)), kinds[0])
        if kind in {Goto, Words}:
            return self._nested(node) if kind is Goto else self._words(node, name)
        if kind in SPELT:
            return self._patterned(node, kind, name)
        if is_part(kind):
            return self._part(node, kind, name)
        if get_origin(kind) is tuple:
            return self._tuple(node, get_args(kind)[0], name, key)
        if get_origin(kind) in {dict, Mapping}:
            return self._mapping(node, get_args(kind)[1], name, key)
        return self._reader.read(node, Text if kind is str else kind, name, PLAIN)

    def _expression(self, node: Node, name: str, key: Key, event: str | None) -> Any:
        source = self._reader.read(node, Source, name, PLAIN)
        if source is BAD or event is BAD:
            return BAD
        compiled = self._check.expression(source, key.want or None, self._check.names.scope(event))
        return BAD if compiled is None else compiled

    def _words(self, node: Node, name: str) -> Any:
        """Text with expressions in double braces."""
        text = self._reader.read(node, Text, name, PLAIN)
        if text is BAD or not isinstance(node, Scalar):
            return BAD
        parts = [self._part_of_words(node, *each) for each in pieces(node.raw)]
        return BAD if None in parts else Words(tuple(parts))

    def _part_of_words(self, node: Scalar, text: str, start: int) -> Any:
        """Plain text, or the expression that stands in it; None for one that is none."""
        if start < 0:
            return text
        return self._check.expression(Source.inside(node, text, start), None, self._check.names.scope())

    def _patterned(self, node: Node, kind: Any, name: str) -> Any:
        spelling = SPELT[kind]
        value = spelling.read(node.raw) if isinstance(node, Scalar) else None
        return self._reader.wrong(node, spelling.words, name) if value is None else value

    def _part(self, node: Node, kind: Any, name: str) -> Any:
        """A mapping as a dataclass of its own."""
        if not isinstance(node, Mapped):
            return self._reader.wrong(node, "a mapping (`key: value`)", name)
        values = self._fields(name, node, keys_of(kind))
        return BAD if BAD in values.values() else kind(**values)

    def _tuple(self, node: Node, kind: Any, name: str, key: Key) -> Any:
        items = node.items if isinstance(node, Listing) else [node]
        values = tuple(self._typed(item, kind, name, key) for item in items)
        return BAD if BAD in values else values

    def _mapping(self, node: Node, kind: Any, name: str, key: Key) -> Any:
        if not isinstance(node, Mapped):
            return self._reader.wrong(node, "a mapping (`key: value`)", name)
        values = {str(each): self._typed(value, kind, f"{name}.{each}", key) for each, value in node}
        return BAD if BAD in values.values() else values


NO_KEY: Final = Key("", None, required=False)


def as_mapping(node: Node, keys: Mapping[str, Key]) -> Mapped:
    """A value that is no mapping as the first of the settings."""
    if isinstance(node, Mapped):
        return node
    first = next(iter(keys), None)
    entries = {first: node} if first and not (isinstance(node, Scalar) and node.value is None) else {}
    return Mapped(node.place, entries, dict.fromkeys(entries, node.place))


def scalar_like(kind: Any) -> bool:
    """True if a value of the type is one word, so that a mapping in its place holds the settings."""
    whole = (is_part(each) or get_origin(each) in {tuple, dict, Mapping} for each in members(kind))
    return not any(whole) or any(each in SPELT for each in members(kind))


def fits(node: Node, kind: Any) -> bool:
    """True if a node looks like a value of this type."""
    if kind in SPELT:
        return isinstance(node, Scalar) and SPELT[kind].read(node.raw) is not None
    if kind is timedelta:
        return isinstance(node, Scalar) and parse_duration(node.raw) is not None
    if is_part(kind) or get_origin(kind) in {dict, Mapping}:
        return isinstance(node, Mapped)
    if get_origin(kind) is tuple:
        return isinstance(node, Listing)
    return isinstance(node, Scalar)


def is_number(node: Node) -> bool:
    """True if a plain number stands there."""
    return isinstance(node, Scalar) and type(node.value) in {int, float}


def pieces(text: str) -> Iterator[tuple[str, int]]:
    """Plain text with -1, and what stands in double braces with the column where that begins."""
    end = 0
    for match in BRACES.finditer(text):
        if match.start() > end:
            yield text[end : match.start()], -1
        inner = match[1]
        yield inner.strip(), match.start(1) + len(inner) - len(inner.lstrip())
        end = match.end()
    if end < len(text):
        yield text[end:], -1


def percent(text: str) -> Percent | None:
    """A share."""
    share = share_of(text)
    return None if share is None else Percent(share)


def business_days(text: str) -> BusinessDays | None:
    """A number of business days."""
    match = WORKING.fullmatch(text)
    return BusinessDays(int(match[1])) if match and int(match[1]) else None


SPELT: Final[Mapping[Any, Spelling]] = {
    Percent: Spelling(percent, "a share like 95%", r"^[0-9]{1,3}([.][0-9]+)?\s*%$"),
    BusinessDays: Spelling(business_days, "business days like `2 business days`", r"^[0-9]{1,3}\s+business\s+days?$"),
}
"""Types of settings that have a way of writing of their own."""
