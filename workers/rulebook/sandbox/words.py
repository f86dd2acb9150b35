"""What templates may use: filters, tests, functions, and methods of values. What is not listed here is not there.

Left out is what multiplies text by a number (`center`, `indent`, `batch`, …), what gives another mail on every try
(`random`), what takes long on hostile text (`striptags`, `urlize`), what lets a stranger's markup through (`safe`), and
what mails do not need.
"""

from __future__ import annotations

from datetime import date, time, timedelta
from decimal import Decimal
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from jinja2 import TemplateRuntimeError, Undefined, pass_context, pass_environment, pass_eval_context
from jinja2.defaults import DEFAULT_NAMESPACE
from jinja2.filters import FILTERS as DEFAULT_FILTERS
from jinja2.runtime import BlockReference, LoopContext, Macro, TemplateReference
from jinja2.sandbox import safe_range
from jinja2.tests import TESTS as DEFAULT_TESTS
from jinja2.utils import Cycler, Joiner, Namespace

from workers.rulebook.sandbox.meter import TooMuch, listed, pay, pay_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jinja2 import Environment
    from jinja2.nodes import EvalContext
    from jinja2.runtime import Context

LARGEST: Final = 10**15
"""Numbers to calculate with; beyond it the time that a calculation takes depends on the numbers."""
LARGEST_POWER: Final = 10
MOST_PLACES: Final = 12
LONG: Final = 100
"""Characters of an argument that cost nothing more; a filter may go through a longer one for every item."""
STEP: Final = 10
"""What a call costs beside its arguments."""

PLAIN: Final = (int, float, Decimal, date, time, timedelta, Undefined, type(None))
"""What can stand in a mail as it is, beside text. Writing what is not there fails by itself."""


# ── what is text, and what is a number ───────────────────────────────────────────────────────────────────────


def written(value: object) -> Any:
    """A value on its way into the text, paid for.

    Raises:
        TemplateRuntimeError: it is a list or something else that would stand in a mail as program text.
    """
    if isinstance(value, str):
        pay(1 + len(value))
    elif isinstance(value, PLAIN):
        pay(STEP)
    else:
        kind = type(value).__name__
        raise TemplateRuntimeError(f'a {kind} cannot stand in a mail as it is; a list is written with join(", ")')
    return value


def is_number(value: object) -> bool:
    """True if it can be calculated with, whatever its size."""
    return isinstance(value, int | float | Decimal)


def number(value: Any) -> Any:
    """A number that can be calculated with in no time.

    Raises:
        TooMuch: it is too large.
        TemplateRuntimeError: it is no number.
    """
    if not is_number(value):
        raise TemplateRuntimeError(f"{str(value)[:50]!r} is no number")
    if not -LARGEST <= value <= LARGEST:  # nor is what is no number in the sense of IEEE 754
        raise TooMuch("a number this large")
    return value


# ── filters and tests of our own, where Jinja2's would run away ──────────────────────────────────────────────


@pass_eval_context
def join(context: EvalContext, value: Any, d: str = "") -> Any:
    """Texts put together, with `d` between them."""
    pieces = [written(each) for each in value]
    pay(len(pieces) * len(str(d)))
    return DEFAULT_FILTERS["join"](context, pieces, d)


@pass_eval_context
def replace(context: EvalContext, value: Any, old: str, new: str) -> Any:
    """Text with every `old` turned into `new`."""
    pay(str(value).count(str(old)) * len(str(new)))
    return DEFAULT_FILTERS["replace"](context, value, old, new)


def rounded(value: Any, precision: Any = 0, method: str = "common") -> Any:
    """A number with so many places after the point, or before it if below zero."""
    if not isinstance(precision, int) or abs(precision) > MOST_PLACES:
        raise TooMuch(f"more than {MOST_PLACES} places")
    return DEFAULT_FILTERS["round"](number(value), precision, method)


def whole(value: Any, default: Any = 0) -> Any:
    """A whole number, or the default where it is none."""
    return number(DEFAULT_FILTERS["int"](value, default))


def total(value: Any, start: float = 0) -> Any:
    """The sum of numbers."""
    return sum(map(number, value), number(start))


# Jinja2's take a path of attributes too, and go along it for every item, however long it is.


@pass_context
def mapped(context: Context, value: Any, name: str, *args: Any) -> Any:
    """What a filter makes of every item."""
    return DEFAULT_FILTERS["map"](context, value, name, *args)


@pass_environment
def in_order(environment: Environment, value: Any, reverse: bool = False, case_sensitive: bool = False) -> Any:
    """The items in order."""
    return DEFAULT_FILTERS["sort"](environment, value, reverse, case_sensitive)


@pass_environment
def distinct(environment: Environment, value: Any, case_sensitive: bool = False) -> Any:
    """The items without those that came before."""
    return DEFAULT_FILTERS["unique"](environment, value, case_sensitive)


@pass_environment
def least(environment: Environment, value: Any, case_sensitive: bool = False) -> Any:
    """The first item in order."""
    return DEFAULT_FILTERS["min"](environment, value, case_sensitive)


@pass_environment
def most(environment: Environment, value: Any, case_sensitive: bool = False) -> Any:
    """The last item in order."""
    return DEFAULT_FILTERS["max"](environment, value, case_sensitive)


def divisible(value: Any, by: Any) -> bool:
    """True if nothing remains."""
    return bool(number(value) % number(by) == 0)


def even(value: Any) -> bool:
    """True for 0, 2, 4, …"""
    return divisible(value, 2)


def odd(value: Any) -> bool:
    """True for 1, 3, 5, …"""
    return not even(value)


# ── the lists ────────────────────────────────────────────────────────────────────────────────────────────────


def metered(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter or test whose value and arguments are paid for, and what it makes of them too.

    With the context as its argument it is also one that Jinja2 never runs while it compiles.
    """
    wants = getattr(getattr(function, "jinja_pass_arg", None), "name", None)

    @pass_context
    @wraps(function, assigned=("__name__", "__doc__"), updated=())
    def run(context: Context, value: Any, *args: Any, **given: Any) -> Any:
        value = listed(value)
        size, longest = pay_for(value), max(map(pay_for, (*args, *given.values())), default=0)
        pay(STEP + len(args) + size * (longest // LONG))
        if wants is None:
            made = listed(function(value, *args, **given))
        else:
            made = listed(function(_leading(wants, context), value, *args, **given))
        pay_for(made)
        return made

    return run


def _leading(wants: str, context: Context) -> Any:
    """The argument that a filter of Jinja2 wants before the value."""
    match wants:
        case "eval_context":
            return context.eval_ctx
        case "environment":
            return context.environment
    return context


def _all(standard: Mapping[str, Any], names: str, own: Mapping[str, Any]) -> dict[str, Callable[..., Any]]:
    functions = {**{name: standard[name] for name in names.split()}, **own}
    return {name: metered(function) for name, function in functions.items()}


FILTERS: Final = _all(
    DEFAULT_FILTERS,
    "abs capitalize count d default e escape first float forceescape last length list lower reject reverse "
    "select string title trim truncate upper urlencode wordcount",
    {
        "int": whole,
        "join": join,
        "map": mapped,
        "max": most,
        "min": least,
        "replace": replace,
        "round": rounded,
        "sort": in_order,
        "sum": total,
        "unique": distinct,
    },
)
TESTS: Final = _all(
    DEFAULT_TESTS,
    "!= < <= == > >= boolean defined eq equalto false float ge greaterthan gt in integer iterable le lessthan lower lt "
    "mapping ne none number sameas sequence string true undefined upper",
    {"divisibleby": divisible, "even": even, "odd": odd},
)
GLOBALS: Final = {"range": safe_range} | {name: DEFAULT_NAMESPACE[name] for name in ("cycler", "joiner", "namespace")}
METHODS: Final[tuple[tuple[type, frozenset[str]], ...]] = (
    (
        str,
        frozenset({
            "capitalize", "endswith", "lower", "lstrip", "removeprefix", "removesuffix", "rstrip", "split",
            "startswith", "strip", "title", "upper",
        }),
    ),
    (dict, frozenset({"get", "items", "keys", "values"})),
)  # fmt: skip
MACHINERY: Final = (BlockReference, Cycler, Joiner, LoopContext, Macro, Namespace, TemplateReference)
"""Jinja2's own objects, whose attributes its sandbox judges."""
