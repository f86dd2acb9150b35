"""Values that have a way of writing of their own: limits, caps, times to accept, days."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from workers.engine.expressions.durations import DURATION, parse_duration
from workers.engine.values import micros

if TYPE_CHECKING:
    from datetime import tzinfo

    from workers.rulebook.nodes import Scalar

WINDOWS: Final = ("hour", "day", "week", "month")
WINDOW: Final = rf"(?:{'|'.join(WINDOWS)}|{DURATION})"
MICROSECOND: Final = timedelta(microseconds=1)


WRITTEN: Final[dict[Any, type]] = {}
"""For types of the engine (`time`, `Quiet`), the notation or shape that says how their values are written."""


class Notation(ABC):
    """Base of all of them.

    Attributes:
        words: what is wanted, for messages.
        advice: how it is written.
        pattern: a regular expression of everything that can be read, for editors.
        code: kind of mistake, where it cannot be read.
        makes: the type that it is read as, if declarations may name that in its place.
    """

    words: ClassVar[str]
    advice: ClassVar[str]
    pattern: ClassVar[str]
    code: ClassVar[str] = "wrong-type"
    makes: ClassVar[type | None] = None

    def __init_subclass__(cls) -> None:
        """Let declarations name the type that is made."""
        if cls.makes:
            WRITTEN[cls.makes] = cls

    @classmethod
    def hint(cls, node: Scalar) -> str:  # noqa: ARG003  some look at what was written
        """What to do about a node that cannot be read."""
        return cls.advice

    @classmethod
    @abstractmethod
    def read(cls, node: Scalar) -> Any:
        """The value that a node says, or None."""


@dataclass(frozen=True, slots=True)
class Limited(Notation):
    """`once`, `3 times`, `once per event.form`, `3 per day`, `2 per event.url per week`, `1 per 14 days`.

    Attributes:
        most: how many count.
        key: an expression for what makes events alike, empty for none; `key_at` is its column in the text.
        window: `hour`, `day`, `week`, `month`, or a duration; None for ever.
    """

    words = "a limit"
    advice = "write it like once, once per event.form, 3 per day, 2 per event.url per week or 1 per 14 days"
    pattern = r"^((once|[0-9]{1,3} times)|(once|[0-9]{1,3}( times)?) per .+)$"

    most: int
    key: str = ""
    key_at: int = 0
    window: str | timedelta | None = None

    @classmethod
    def read(cls, node: Scalar) -> Limited | None:
        """See `Notation.read`."""
        match = re.fullmatch(r"(?:once|([0-9]{1,3})(?:\s+times)?)(\s+per\s+(?P<rest>.+))?", node.raw.strip(), re.ASCII)
        if match is None or (match[1] and not match[2] and "times" not in match[0]):
            return None
        most, rest = int(match[1] or 1), match["rest"] or ""
        split = re.fullmatch(rf"(?:(?P<key>.+)\s+per\s+)?(?P<window>{WINDOW})", rest)
        key = (rest if split is None else split["key"] or "").strip()
        window = window_of(split["window"]) if split else None
        return cls(most, key, node.raw.find(key), window)

    @property
    def engine_window(self) -> str | int | None:
        """The window as the engine takes it: a word, or microseconds."""
        return self.window // MICROSECOND if isinstance(self.window, timedelta) else self.window


def window_of(text: str) -> str | timedelta | None:
    """A window as it was written."""
    return text if text in WINDOWS else parse_duration(text)


@dataclass(frozen=True, slots=True)
class Cap(Notation):
    """`5 per day`, `20 per week`, `3 per 14 days`; a month has 30 days."""

    words = "a cap"
    advice = "write it like 5 per day, 20 per week or 3 per 14 days"
    pattern = r"^[0-9]{1,4} per (day|week|month|[0-9]{1,3} days?)$"

    most: int
    days: int

    @classmethod
    def read(cls, node: Scalar) -> Cap | None:
        """See `Notation.read`."""
        match = re.fullmatch(r"([0-9]{1,4})\s+per\s+(day|week|month|([0-9]{1,3})\s+days?)", node.raw.strip(), re.ASCII)
        if match is None:
            return None
        return cls(int(match[1]), int(match[3]) if match[3] else {"day": 1, "week": 7, "month": 30}[match[2]])


@dataclass(frozen=True, slots=True)
class Rate(Notation):
    """`10 per second`, `600 per minute`, `5000 per hour`, `100000 per day`; `window` in microseconds."""

    words = "a rate"
    advice = "write it like 10 per second, 600 per minute, 5000 per hour or 100000 per day"
    pattern = r"^[0-9]{1,9} per (second|minute|hour|day)$"

    most: int
    window: int

    @classmethod
    def read(cls, node: Scalar) -> Rate | None:
        """See `Notation.read`."""
        match = re.fullmatch(r"([0-9]{1,9})\s+per\s+(second|minute|hour|day)", node.raw.strip(), re.ASCII)
        if match is None or not int(match[1]):
            return None
        return cls(int(match[1]), timedelta(**{f"{match[2]}s": 1}) // MICROSECOND)


@dataclass(frozen=True, slots=True)
class Percentage(Notation):
    """`5%`, `0.3%`; `share` is a number from 0 to 1."""

    words = "a share"
    advice = "write it like 5%"
    pattern = r"^[0-9]{1,3}([.][0-9]+)?\s*%$"

    share: float

    @classmethod
    def read(cls, node: Scalar) -> Percentage | None:
        """See `Notation.read`."""
        share = share_of(node.raw)
        return None if share is None else cls(share)


def share_of(text: str) -> float | None:
    """A percentage as a number from 0 to 1."""
    match = re.fullmatch(r"([0-9]{1,3}(?:[.][0-9]+)?)\s*%", text.strip(), re.ASCII)
    share = float(match[1]) / 100 if match else None
    return share if share is not None and share <= 1 else None


@dataclass(frozen=True, slots=True)
class Allowance(Notation):
    """`1 business day`, `4 business hours`, or a plain duration. A business day is 24 hours, not on a day off."""

    words = "a time to accept"
    advice = "write it like 1 business day, 4 hours or 2 days"
    pattern = rf"^([0-9]{{1,3}} business (hour|day)s?|{DURATION})$"

    length: timedelta
    business: bool = False

    @classmethod
    def read(cls, node: Scalar) -> Allowance | None:
        """See `Notation.read`."""
        match = re.fullmatch(r"([0-9]{1,3})\s+business\s+(hour|day)s?", node.raw.strip(), re.ASCII)
        length = parse_duration(f"{match[1]} {match[2]}" if match else node.raw)
        return cls(length, match is not None) if length else None


@dataclass(frozen=True, slots=True)
class Instant(Notation):
    """`2026-03-01` (midnight in the account's time zone) or `2026-03-01T09:00:00+01:00`."""

    words = "a day"
    advice = "write it like 2026-03-01 or 2026-03-01T09:00:00+01:00"
    pattern = r"^20[0-9]{2}-[0-9]{2}-[0-9]{2}(T[0-9:]{5,8}(Z|[+-][0-9]{2}:[0-9]{2}))?$"

    value: date | datetime

    @classmethod
    def read(cls, node: Scalar) -> Instant | None:
        """See `Notation.read`."""
        if not re.fullmatch(cls.pattern, node.raw, re.ASCII):
            return None
        try:
            whole = "T" in node.raw
            return cls(datetime.fromisoformat(node.raw) if whole else date.fromisoformat(node.raw))
        except ValueError:
            return None

    def micros(self, zone: tzinfo) -> int:
        """Whole microseconds since 1970."""
        day = self.value
        if isinstance(day, datetime):
            return micros(day)
        return micros(datetime(day.year, day.month, day.day, tzinfo=zone))
