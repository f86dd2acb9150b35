"""Settings of steps as short text."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import time, timedelta
from typing import Any

from workers.engine.expressions.durations import say_duration
from workers.engine.steps import BusinessDays, Words


def written(value: Any) -> str:
    """A setting as a word or two, for an id; empty for what has none."""
    if isinstance(value, timedelta):
        return say_duration(value)
    if isinstance(value, BusinessDays):
        return f"{value.days} business days"
    if isinstance(value, time):
        return f"{value:%H-%M}"
    if isinstance(value, Words):
        return next((part for part in value.parts if isinstance(part, str)), "")
    if is_dataclass(value):
        return next((str(held) for each in fields(value) if isinstance(held := getattr(value, each.name), str)), "")
    return str(value) if isinstance(value, str | int | float) else ""
