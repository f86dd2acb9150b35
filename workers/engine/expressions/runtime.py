"""What compiled expressions call: each takes whatever a lead or an event may hold and never raises.

Values come from JSON: `str`, `int`, `float`, `bool`, `list`, `dict` or `None`, of that very class. A missing value
(`None`), or one of another type than the rules declare, makes a comparison False and everything else None.
"""

from __future__ import annotations

import operator
import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Final

from workers.engine.expressions.patterns import MAX_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workers.engine.rules import Facts

NUMBERS: Final[frozenset[Any]] = frozenset({int, float})
"""`bool` is not a number here: its class is its own."""
MAX_NUMBER: Final = 10.0**18
"""Results beyond it are missing. It keeps whole numbers small, and leaves out infinity and not-a-number."""
MAX_RESULT: Final = 10_000
"""Characters of a text that an expression builds; a longer one is missing."""
NUMERAL: Final = re.compile(r"\s*[+-]?[0-9]{1,18}(\.[0-9]{1,18})?\s*", re.ASCII)
SECONDS_PER_DAY: Final = 86_400.0


# ── one type each ────────────────────────────────────────────────────────────────────────────────────────────


def number(value: Any) -> int | float | None:
    """The value if it is a number in range."""
    return value if value.__class__ in NUMBERS and -MAX_NUMBER <= value <= MAX_NUMBER else None


def text(value: Any) -> str | None:
    """The value if it is text."""
    return value if value.__class__ is str else None


def a_list(value: Any) -> list[Any] | None:
    """The value if it is a list."""
    return value if value.__class__ is list else None


def a_date(value: Any) -> date | None:
    """The value as a date, if it is one or is written as one (2026-03-01)."""
    if value.__class__ is date:
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        return None


def a_datetime(value: Any) -> datetime | None:
    """The value as an aware datetime, if it is one or is written as one; without an offset it is UTC."""
    try:
        moment = value if value.__class__ is datetime else datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def truth(value: Any) -> bool | None:
    """The value if it is true or false."""
    return value if value is True or value is False else None


def either(value: Any, default: Any) -> Any:
    """`| default(…)`."""
    return default if value is None else value


# ── comparisons ──────────────────────────────────────────────────────────────────────────────────────────────


def alike(left: Any, right: Any) -> bool:
    """True if the two can be compared: both there, and of one kind."""
    kind = left.__class__
    if kind in NUMBERS:
        return right.__class__ in NUMBERS
    return left is not None and kind is right.__class__


def eq(left: Any, right: Any) -> bool:
    """`==`."""
    return alike(left, right) and bool(left == right)


def ne(left: Any, right: Any) -> bool:
    """`!=`; False if either is missing."""
    return alike(left, right) and bool(left != right)


ORDERED: Final = NUMBERS | {str, date, datetime}


def ordering(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], bool]:
    """`<` and its like, False where the two have no order."""

    def ordered(left: Any, right: Any) -> bool:
        return left.__class__ in ORDERED and alike(left, right) and bool(compare(left, right))

    return ordered


def contains(container: Any, item: Any) -> bool:
    """`item in container`: text in text, or an equal element in a list."""
    if container.__class__ is str:
        return item.__class__ is str and item in container
    return container.__class__ is list and any(eq(element, item) for element in container)


def lacks(container: Any, item: Any) -> bool:
    """`item not in container`; False if either is missing."""
    if container.__class__ is str:
        return item.__class__ is str and item not in container
    return container.__class__ is list and item is not None and not contains(container, item)


# ── calculations ─────────────────────────────────────────────────────────────────────────────────────────────


def calculation(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Arithmetic on two numbers, missing where it has no result."""

    def calculated(left: Any, right: Any) -> Any:
        if left.__class__ not in NUMBERS or right.__class__ not in NUMBERS:
            return None
        try:
            return number(function(left, right))
        except (ZeroDivisionError, OverflowError):
            return None

    return calculated


def negative(value: Any) -> int | float | None:
    """`-value`."""
    return number(-value) if value.__class__ in NUMBERS else None


def days_between(later: Any, earlier: Any) -> int | float | None:
    """Days from `earlier` to `later`: whole ones between dates, with a fraction between instants."""
    if later.__class__ is not earlier.__class__ or not isinstance(later, date):
        return None
    gap: timedelta = later - earlier
    return gap.total_seconds() / SECONDS_PER_DAY if isinstance(later, datetime) else gap.days


def joined(*parts: Any) -> str | None:
    """`a ~ b`; missing if one part is."""
    written = [written_out(part) for part in parts]
    if any(part is None for part in written) or sum(len(part or "") for part in written) > MAX_RESULT:
        return None
    return "".join(part or "" for part in written)


def written_out(value: Any) -> str | None:
    """A value as text; None if it has no plain one."""
    if value.__class__ is str:
        return value
    return str(value) if number(value) is not None or isinstance(value, date) else None


# ── filters ──────────────────────────────────────────────────────────────────────────────────────────────────


def lower(value: Any) -> str | None:
    """`| lower`."""
    return value.lower() if value.__class__ is str else None


def upper(value: Any) -> str | None:
    """`| upper`."""
    return value.upper() if value.__class__ is str else None


def trim(value: Any) -> str | None:
    """`| trim`: no white space at either end."""
    return value.strip() if value.__class__ is str else None


def length(value: Any) -> int | None:
    """`| length` of a text or a list."""
    return len(value) if value.__class__ in {str, list} else None


def first(value: Any) -> Any:
    """`| first` element of a list or character of a text."""
    return value[0] if value.__class__ in {str, list} and value else None


def last(value: Any) -> Any:
    """`| last` element of a list or character of a text."""
    return value[-1] if value.__class__ in {str, list} and value else None


def replace(value: Any, old: str, new: str) -> str | None:
    """Filter `replace`: one text put for another."""
    if value.__class__ is not str or len(value) + value.count(old) * (len(new) - len(old)) > MAX_RESULT:
        return None
    return value.replace(old, new)


def rounded(value: Any, digits: int) -> int | float | None:
    """`| round(digits)`."""
    return round(value, digits) if number(value) is not None else None


def absolute(value: Any) -> int | float | None:
    """`| abs`."""
    return number(abs(value)) if value.__class__ in NUMBERS else None


def whole(value: Any) -> int | None:
    """`| int`: the part before the decimal point; text that reads as a number counts."""
    read = numeral(value)
    return None if read is None else int(read)


def real(value: Any) -> float | None:
    """`| float`; text that reads as a number counts."""
    read = numeral(value)
    return None if read is None else float(read)


def numeral(value: Any) -> int | float | None:
    """A number, or the number that a text says."""
    if value.__class__ is str:
        if not NUMERAL.fullmatch(value):
            return None
        value = float(value) if "." in value else int(value)
    return number(value)


def matches(value: Any, pattern: re.Pattern[str]) -> bool:
    """Filter `matches`: the pattern is found anywhere in the first MAX_TEXT characters."""
    return value.__class__ is str and pattern.search(value[:MAX_TEXT]) is not None


# ── functions ────────────────────────────────────────────────────────────────────────────────────────────────


def stage(facts: Facts) -> str | None:
    """`stage()`; missing before the first event."""
    return facts.stage or None


def today(facts: Facts, zone: tzinfo) -> date:
    """`today()` in the account's time zone."""
    return facts.now.astimezone(zone).date()


def helpers() -> dict[str, Any]:
    """Every name that compiled code may use, and no builtins."""
    functions: Sequence[Callable[..., Any]] = (
        *(number, text, a_list, a_date, a_datetime, truth, either, eq, ne, contains, lacks),
        *(negative, days_between, joined),
        *(lower, upper, trim, length, first, last, replace, rounded, absolute, whole, real, matches, stage, today),
    )
    operators = {"lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge}
    arithmetic = {
        "add": operator.add,
        "subtract": operator.sub,
        "multiply": operator.mul,
        "divide": operator.truediv,
        "floor_divide": operator.floordiv,
        "remainder": operator.mod,
    }
    return {
        "__builtins__": {},
        "S": str,
        "N": NUMBERS,
        **{function.__name__: function for function in functions},
        **{name: ordering(function) for name, function in operators.items()},
        **{name: calculation(function) for name, function in arithmetic.items()},
    }
