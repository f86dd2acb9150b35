"""Parts of a rulebook as plain data, to be compared and hashed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import timedelta
from typing import Any

from workers.engine.rules import Expression


def plain(value: Any) -> Any:
    """A thing as data that can be compared: of expressions the text, of objects what they were made of."""
    if isinstance(value, Expression):
        return value.source
    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value) if each.init}
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return str(value) if isinstance(value, timedelta) else value
