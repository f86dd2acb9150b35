"""Decisions of a simulation in words, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from workers.engine.values import Decision


def told(decision: Decision, after: timedelta, event: str) -> str:
    """`2d 03:00  page.viewed  scored engagement.pricing-viewed (…)`."""
    because = event or "time"
    return f"{lapse(after):>10}  {because:<20} {decision.kind} {decision.rule}{details(decision.detail)}"


def lapse(after: timedelta) -> str:
    """A stretch of time: `2d 03:00`."""
    minutes = int(after.total_seconds()) // 60
    days, rest = divmod(minutes, 24 * 60)
    return f"{days}d {rest // 60:02}:{rest % 60:02}"


def details(detail: Mapping[str, Any]) -> str:
    """What explains it, in parentheses."""
    shown = [f"{name} {value_of(value)}" for name, value in detail.items() if value not in (None, "", [], {})]
    return f" ({', '.join(shown)})" if shown else ""


def value_of(value: Any) -> str:
    """A value of a detail for people."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(value_of, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} {value_of(each)}" for name, each in value.items()) + "}"
    return f"{value:g}" if isinstance(value, float) else str(value)
