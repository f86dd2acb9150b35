"""Campaign steps: one file per step word, found by its name.

`send.py` is the YAML word `send`; its class `Step` is a frozen dataclass whose fields are the step's settings, with
their types, and whose last field is `id`. A step decides and never acts: it looks at a `Visit` and gives a `Verdict`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from workers.engine.values import Effect, LeadState


@dataclass(frozen=True, slots=True)
class Visit:
    """A lead standing at a step. `state` is for reading."""

    lead_id: int
    campaign: str
    run: int
    state: LeadState
    now: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a step decided.

    Attributes:
        kind: kind of the decision to log (`sent`, `waiting`, `skipped`, `finished`).
        detail: what explains it.
        effect: what has to happen outside.
        until: stay that long before the next step; None goes on at once.
        ends: the run is over.
    """

    kind: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    effect: Effect | None = None
    until: datetime | None = None
    ends: bool = False


class Step(Protocol):
    """What every step has."""

    @property
    def id(self) -> str:
        """Unique within its campaign; part of the key of what the step causes."""

    def run(self, visit: Visit) -> Verdict:
        """Decide for one lead, now."""


@cache
def found() -> Mapping[str, type]:
    """All step words and their classes."""
    return {
        module.name: import_module(f"{__name__}.{module.name}").Step
        for module in sorted(iter_modules(__path__), key=lambda module: module.name)
    }
