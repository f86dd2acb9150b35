"""Decisions, conditions and values in words."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta

    from workers.engine.expressions.reasons import Reason
    from workers.engine.values import Decision


def spelled(value: object) -> str:
    """A value for people."""
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return f"{value.astimezone():%Y-%m-%d %H:%M:%S}"
    if isinstance(value, float):
        return f"{round(value, 4):g}"
    return f'"{value}"' if isinstance(value, str) else str(value)


def valued(name: str, value: object) -> str:
    """What an expression looked at; a lead that is in no band or grade is known well."""
    return "none" if value is None and name.startswith(("band(", "grade(")) else spelled(value)


def because(reasons: Iterable[Reason]) -> str:
    """What decides a condition: its parts, with the values they looked at."""
    said = []
    for reason in reasons:
        seen = ", ".join(f"{name} is {valued(name, value)}" for name, value in reason.values)
        said.append(f"{reason.text} is {'true' if reason.holds else 'false'}" + (f" ({seen})" if seen else ""))
    return "; ".join(said)


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


NOT_EVIDENCE = {"when": "`when` is not true", "email": "no e-mail address is known"}


def against(missing: Iterable[str]) -> str:
    """What stands against promotion: `when` is not true; no evidence of budget, need."""
    names = list(missing)
    evidence = [name for name in names if name not in NOT_EVIDENCE]
    said = [NOT_EVIDENCE[name] for name in names if name in NOT_EVIDENCE]
    return "; ".join([*said, *([f"no evidence of {', '.join(evidence)}"] if evidence else [])])
