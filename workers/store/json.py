"""JSON for PostgreSQL: fast as long as the data are ordinary, and never refused because of one odd character."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

NUL_ESCAPED = b"\\u0000"


def dumps(value: Any) -> str:
    """JSON text that `jsonb` takes.

    What PostgreSQL cannot hold is replaced: the character NUL and half surrogate pairs by U+FFFD, NaN and infinities
    by null, foreign objects by their text.
    """
    try:
        encoded = orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits, half a surrogate pair, a key that is no text, an object
        return json.dumps(clean(value), ensure_ascii=False)
    if NUL_ESCAPED in encoded:  # or a backslash before `u0000`, which costs only time
        return orjson.dumps(clean(value)).decode()
    return encoded.decode()


def clean(value: Any) -> Any:
    """The value made of what PostgreSQL can hold."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, float):
        return value if abs(value) != float("inf") and value == value else None  # noqa: PLR0124  NaN is not itself
    if value is None or isinstance(value, bool | int):
        return value
    return _clean_container(value)


def _clean_container(value: Any) -> Any:
    if isinstance(value, dict):
        mapping: Mapping[Any, Any] = value
        return {clean(str(name)): clean(each) for name, each in mapping.items()}
    if isinstance(value, list | tuple):
        return [clean(each) for each in value]
    return clean(value.isoformat() if hasattr(value, "isoformat") else str(value))
