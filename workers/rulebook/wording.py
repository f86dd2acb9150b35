"""Settings of steps as short text."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import time, timedelta
from typing import TYPE_CHECKING, Any

from workers.engine.campaigns.timings import Dated, Scheduled
from workers.engine.expressions.durations import say_duration
from workers.engine.hours import Schedule
from workers.engine.rules import Expression, Trigger
from workers.engine.steps import BusinessDays, Words

if TYPE_CHECKING:
    from workers.engine.rules import Timing


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


def word_of(step: Any) -> str:
    """The word that a step is written with: the name of its file."""
    return type(step).__module__.rpartition(".")[2]


def told(value: Any) -> str:
    """A step, a part of one, or what starts or ends a run, in a few words as they stand in the file.

    Settings that were not given are left out, and so are the steps inside a step.
    """
    if isinstance(value, Trigger):
        return trigger(value)
    if not is_dataclass(value) or isinstance(value, Expression | BusinessDays | Schedule):
        return said(value)
    given = [
        (name_of(each), part)
        for each in fields(value)
        if each.name != "id" and each.type != "Goto" and (part := getattr(value, each.name)) != each.default
    ]
    given.sort(key=lambda each: not isinstance(each[1], str))
    return ", ".join(text for name, part in given if (text := setting(name, part, word_of(value))))


def setting(name: str, value: Any, word: str) -> str:
    """A setting with its name, unless it goes without saying; empty if there is nothing to say."""
    text = said(value)
    return text if not text or isinstance(value, str | time) or name == word else f"{name.replace('_', ' ')} {text}"


def name_of(field: Any) -> str:
    """How a setting is written."""
    return str(field.metadata.get("key", field.name))


def said(value: Any) -> str:
    """A single setting; empty for steps inside a step, and for what has no short text."""
    if isinstance(value, Expression):
        return value.source
    if isinstance(value, time):
        return f"{value:%H:%M}"
    if isinstance(value, Words):
        return "".join(part if isinstance(part, str) else f"{{{{ {part.source} }}}}" for part in value.parts)
    if isinstance(value, tuple):
        return " ".join(each for each in value if isinstance(each, str))
    if is_dataclass(value) and not isinstance(value, BusinessDays):
        return str(value) if isinstance(value, Schedule) else told(value)
    return written(value) if isinstance(value, str | int | float | timedelta | BusinessDays) else ""


def trigger(value: Trigger) -> str:
    """What starts or ends a run: `form.submitted when event.form == "demo"`, `stage lead`."""
    what = value.event or ""
    if value.stage:
        what = f"stage {value.stage}"
    elif value.segment:
        what = f"segment {value.segment}"
    elif value.band:
        what = f"band {value.band[0]} {value.band[1]}"
    elif value.timing is not None:
        what = timing(value.timing)
    when = f"when {value.when.source}" if value.when else ""
    return f"{what} {when}".strip()


def timing(value: Timing) -> str:
    """When a campaign begins by itself: `30 days before renewal, 09:00`, `every monday 09:00`."""
    if isinstance(value, Scheduled):
        return f"every {value.schedule}"
    if not isinstance(value, Dated):
        return told(value)
    offset = abs(value.offset)
    where = f"{say_duration(offset)} {'before' if value.offset < timedelta() else 'after'} " if offset else ""
    return f"{where}{value.field}{' every year' if value.yearly else ''}, {value.at:%H:%M}"
