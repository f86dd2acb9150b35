"""The keys of a step, as the dataclasses in `workers.engine.steps` declare them."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import time, timedelta
from functools import cache
from typing import Any

from workers.engine.hours import Weekday
from workers.engine.rules import Expression
from workers.engine.steps import Words
from workers.rulebook.shape import HIDDEN, is_shape


@dataclass(frozen=True, slots=True)
class Key:
    """A key: its field, its type, and what the field's metadata say; `want` is what an expression has to give."""

    name: str
    kind: Any
    required: bool
    names: str = ""
    scope: str = ""
    beside: bool = False
    doc: str = ""
    want: str = "boolean"


@cache
def keys_of(kind: Any) -> Mapping[str, Key]:
    """The keys of a step, or of a part of one, by how they are written."""
    local = {
        "timedelta": timedelta, "time": time, "Any": Any, "Expression": Expression, "Mapping": Mapping,
        "Weekday": Weekday,
    }  # fmt: skip
    hints = typing.get_type_hints(kind, localns=local)
    return {
        item.metadata.get("key", item.name): Key(
            item.name,
            hints[item.name],
            item.default is MISSING and item.default_factory is MISSING,
            item.metadata.get("names", ""),
            item.metadata.get("scope", ""),
            item.metadata.get("beside", False),
            item.metadata.get("doc", ""),
            item.metadata.get("want", "boolean"),
        )
        for item in fields(kind)
        if item.name not in HIDDEN
    }


def is_part(kind: Any) -> bool:
    """True if the type is a dataclass that a mapping in the file becomes."""
    return isinstance(kind, type) and is_dataclass(kind) and not is_shape(kind) and kind not in {Expression, Words}
