"""JSON Schema of the rule files, made of the declarations, so that editors complete and underline as people type."""

from __future__ import annotations

from collections.abc import Mapping as AnyMapping
from datetime import timedelta
from inspect import cleandoc, getmodule
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

from workers.engine.expressions.durations import DURATION
from workers.engine.rules import Expression
from workers.engine.steps import Goto, Words, found
from workers.rulebook.declarations import KINDS
from workers.rulebook.settings import SPELT
from workers.rulebook.shape import (
    NAME,
    PLAIN,
    About,
    Raw,
    Shape,
    Source,
    Text,
    declared,
    is_notation,
    is_shape,
    members,
    required,
)
from workers.rulebook.stepkeys import Key, is_part, keys_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Schema = dict[str, Any]
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
TEXT: Final[Mapping[str, Any]] = {"type": "string", "pattern": r"\S"}
SINGLE: Final[Mapping[Any, Mapping[str, Any]]] = {
    Text: TEXT,
    str: TEXT,
    Source: {"type": ["string", "number", "boolean"]},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    timedelta: {"type": "string", "pattern": rf"^\s*{DURATION}\s*$"},
    Any: {},
}


def schema() -> Schema:
    """The schema of every kind of rule file; draft 2020-12. Whatever `check` accepts is valid by it."""
    writer = Writer()
    kinds = [writer.of(kind) for kind in KINDS]
    return {
        "$schema": DIALECT,
        "title": "A Dripline rule file",
        "description": "One kind of rules; the word at its beginning says which.",
        "type": "object",
        "anyOf": kinds,
        "$defs": writer.definitions,
    }


class Writer:
    """Writes schemas of declared types.

    Attributes:
        definitions: of all shapes met so far, by name.
    """

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}
        self._composed: Mapping[Any, Callable[[Sequence[Any], About], Schema]] = {
            list: self._list,
            dict: self._dict,
            tuple: self._tuple,
            Literal: lambda choices, _: {"enum": list(choices)},
        }

    def of(self, kind: Any, said: About = PLAIN) -> Schema:
        """The schema of one type."""
        choices = members(kind)
        written = self._single(choices[0], said) if len(choices) == 1 else self._union(choices, said)
        return written | ({"description": said.doc} if said.doc else {})

    def _union(self, choices: Sequence[Any], said: About) -> Schema:
        return {"anyOf": [{"type": "string"} if each is Source else self._single(each, said) for each in choices]}

    def _single(self, kind: Any, said: About) -> Schema:
        origin = get_origin(kind)
        if is_shape(kind):
            return self._reference(kind)
        if is_notation(kind):
            return {"type": "string", "pattern": kind.pattern.replace("^", r"^\s*", 1)}
        if origin in self._composed:
            return self._composed[origin](get_args(kind), said)
        return {**SINGLE[kind], **bounds(kind, said), **pattern(kind, said)}

    # ── composed types ───────────────────────────────────────────────────────────────────────────────────────

    def _list(self, kinds: Sequence[Any], said: About) -> Schema:
        item = self._step() if kinds[0] is Raw else self.of(kinds[0])
        many = {"type": "array", "items": item}
        return {"anyOf": [many, item]} if said.single else many

    def _step(self) -> Schema:
        if "step" not in self.definitions:
            self.definitions["step"] = {}  # so that a step may hold steps
            bare = [word for word, kind in found().items() if not any(key.required for key in keys_of(kind).values())]
            written = [of_step(self, word, kind) for word, kind in found().items()]
            self.definitions["step"] = {"anyOf": [*written, {"enum": bare}]}
        return {"$ref": "#/$defs/step"}

    def _dict(self, kinds: Sequence[Any], said: About) -> Schema:
        inner = self.of(kinds[1], About("", least=said.least, most=said.most))
        names = {"propertyNames": {"pattern": f"^{said.pattern[0]}$"}} if said.pattern else {}
        return {"type": ["object", "null"], **names, "additionalProperties": inner}

    def _tuple(self, kinds: Sequence[Any], said: About) -> Schema:
        items = [self.of(kind, About("", least=said.least, most=said.most)) for kind in kinds]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}

    # ── shapes ───────────────────────────────────────────────────────────────────────────────────────────────

    def _reference(self, kind: type[Shape]) -> Schema:
        if kind.__name__ not in self.definitions:
            self.definitions[kind.__name__] = {}  # so that a shape may hold itself
            self.definitions[kind.__name__] = self._shape(kind)
        reference = {"$ref": f"#/$defs/{kind.__name__}"}
        if kind.shorthand:
            _, first, said = next(iter(declared(kind).values()))
            return {"anyOf": [self.of(first, said), reference]}
        return reference

    def _shape(self, kind: type[Shape]) -> Schema:
        keys = declared(kind)
        named = {name: self.of(each, said) for name, (_, each, said) in keys.items() if not said.rest}
        needed = [name for name, (item, _, said) in keys.items() if required(item) and not said.rest]
        return {
            "title": kind.title,
            "description": cleandoc(kind.__doc__ or ""),
            "type": "object" if needed else ["object", "null"],
            "properties": named,
            "required": needed,
            "additionalProperties": any(said.rest for _, _, said in keys.values()),
        }


def bounds(kind: Any, said: About) -> Schema:
    """The bounds of a number."""
    if kind not in {int, float}:
        return {}
    written = {"minimum": said.least, "maximum": said.most}
    return {key: value for key, value in written.items() if value is not None}


def pattern(kind: Any, said: About) -> Schema:
    """What a text has to look like."""
    return {"pattern": f"^{said.pattern[0]}$"} if said.pattern and kind in {Text, str} else {}


def of_step(writer: Writer, word: str, kind: Any) -> Schema:
    """The schema of one step word: its settings, what may stand beside it, and an id."""
    keys = keys_of(kind)
    below = {name: key for name, key in keys.items() if not key.beside}
    module = getmodule(kind)
    settings = part(writer, below)
    first = next(iter(below.values()), None)
    return {
        "description": (module.__doc__ or "").partition("\n")[0] if module else "",
        "type": "object",
        "properties": {
            word: {"anyOf": [*([setting(writer, first.kind)] if first else [{"type": "null"}]), settings]},
            "id": {"description": "its own name; default: made of the word and its setting", "type": "string",
                   "pattern": f"^{NAME[0]}$"},
            **{name: described(writer, key) for name, key in keys.items() if key.beside},
        },
        "required": [word],
        "additionalProperties": False,
    }  # fmt: skip


def part(writer: Writer, keys: Mapping[str, Key]) -> Schema:
    """The schema of a mapping of settings."""
    return {
        "type": "object",
        "properties": {name: described(writer, key) for name, key in keys.items()},
        "required": [name for name, key in keys.items() if key.required],
        "additionalProperties": False,
    }


def described(writer: Writer, key: Key) -> Schema:
    """The schema of one setting, with what is said about it."""
    return setting(writer, key.kind) | ({"description": key.doc} if key.doc else {})


def setting(writer: Writer, kind: Any) -> Schema:
    """The schema of a setting of a step."""
    kinds = members(kind)
    if len(kinds) > 1:
        return {"anyOf": [setting(writer, each) for each in kinds]}
    return composed(writer, kinds[0]) or (part(writer, keys_of(kinds[0])) if is_part(kinds[0]) else writer.of(kinds[0]))


def composed(writer: Writer, kind: Any) -> Schema:
    """The schema of a type that only steps have; empty for others."""
    if kind is Goto:
        step = {"$ref": "#/$defs/step"}
        return {"anyOf": [{"type": "array", "items": step}, step]}
    if kind in {Expression, Words}:
        return dict(SINGLE[Source] if kind is Expression else TEXT)
    if kind in SPELT:
        return {"type": "string", "pattern": SPELT[kind].pattern}
    if get_origin(kind) is tuple:
        item = setting(writer, get_args(kind)[0])
        return {"anyOf": [{"type": "array", "items": item}, item]}
    if get_origin(kind) is AnyMapping:
        return {"type": "object", "additionalProperties": setting(writer, get_args(kind)[1])}
    return {}
