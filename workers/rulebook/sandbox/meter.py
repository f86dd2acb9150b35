"""What one rendering may cost: each thing it does and each character it handles is paid for from one budget.

Counted and not timed, so that a mail that can be made can be made on every machine and on every day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, ValuesView
from collections.abc import Set as AbstractSet
from contextvars import ContextVar, Token
from typing import Final

from jinja2 import TemplateError, Undefined

MOST_WORK: Final = 1_000_000
"""Parts of templates evaluated and characters handled in one rendering: ten times a long mail, under a second."""

MEASURED: Final = (str, range)
SINGLE: Final = (bool, int, float, Undefined, type(None))
WHOLE: Final = (*MEASURED, *SINGLE)
"""What most values are. To ask for them by their classes takes a tenth of asking for what a value can do."""

_left: ContextVar[list[int] | None] = ContextVar("left", default=None)


class TooMuch(TemplateError):
    """A template does more than any mail needs."""


def begin() -> Token[list[int] | None]:
    """Everything from here to `end` is one rendering."""
    return _left.set([MOST_WORK])


def end(token: Token[list[int] | None]) -> None:
    """The rendering that began with this token is over."""
    _left.reset(token)


def pay(units: int) -> None:
    """Pay for so much work, before it is done. Outside of a rendering nothing has a price.

    Raises:
        TooMuch: the budget is used up.
    """
    left = _left.get()
    if left is None:
        return
    left[0] -= units
    if left[0] < 0:
        raise TooMuch(f"it takes more than {MOST_WORK} steps and characters to make")


def pay_for(value: object) -> int:
    """Pay for looking at all of a value, what it holds included as often as it is held; returns how much.

    A list that holds another twice, and so on, is small in memory and endless to compare or to print: the walk over it
    ends with the budget.
    """
    if isinstance(value, MEASURED):
        units = 1 + len(value)
        pay(units)
        return units
    pay(1)
    if isinstance(value, SINGLE):
        return 1
    if isinstance(value, Mapping):
        return 1 + sum(pay_for(key) + pay_for(each) for key, each in value.items())
    if isinstance(value, list | tuple | AbstractSet | ValuesView):
        return 1 + sum(map(pay_for, value))
    return 1


def listed(value: object) -> object:
    """The value itself; if it can be gone through only once, what it gives as a list, paid for."""
    if isinstance(value, WHOLE) or not isinstance(value, Iterator):
        return value
    values = []
    for each in value:
        pay_for(each)
        values.append(each)
    return values
