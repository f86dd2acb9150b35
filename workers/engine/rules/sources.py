"""Where events come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """A configured webhook source: route name, adapter file name, and the adapter's own options (field mapping)."""

    name: str
    adapter: str
    options: Mapping[str, Any]
