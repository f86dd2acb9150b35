"""What rules ask: an expression, the facts it may use, and several of them joined into one function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from workers.engine.counters import Span
    from workers.engine.expressions.code import Code
    from workers.engine.watch import Turn


class Facts(Protocol):
    """What an expression may ask beyond the event and the lead's fields."""

    @property
    def now(self) -> datetime:
        """The instant of the decision, aware."""

    @property
    def stage(self) -> str:
        """The lifecycle stage."""

    def score(self, model: str) -> float:
        """The model's score now, clamped to its range."""

    def band(self, model: str) -> str | None:
        """The model's band, or None."""

    def grade(self, name: str) -> str | None:
        """The grade, or None while one of its models is in no band."""

    def segment(self, name: str) -> bool:
        """True if the lead is in the segment."""

    def count(self, event: str, within: Span | None = None) -> int:
        """How many events of a type there were, ever or within a span that ends now."""

    def distinct(self, event: str, name: str, within: Span | None = None) -> int:
        """How many different values a property had (at most `counters.MOST_VALUES`)."""

    def first(self, event: str, within: Span | None = None) -> datetime | None:
        """When the first event of a type happened, ever or within a span that ends now; None if none did."""

    def last(self, event: str, within: Span | None = None) -> datetime | None:
        """When the latest event of a type happened, ever or within a span that ends now; None if none did."""

    def days_since(self, event: str, within: Span | None = None) -> float | None:
        """Days since the latest event of a type, ever or within a span that ends now; None if there was none."""


class Ask(NamedTuple):
    """One thing that an expression looks at: `Ask("score", "fit")`, `Ask("count", "email.clicked", span=…)`.

    Attributes:
        what: `field`, `property`, `score`, `band`, `grade`, `segment`, `stage`, `now`, `count`, `distinct`, `first`,
            `last` or `days_since`.
        name: of the field, score, …, or the event type; empty for `stage` and `now`.
        detail: for `distinct` the property.
        span: for what is asked about events the stretch of time; None for ever.
    """

    what: str
    name: str = ""
    detail: str = ""
    span: Span | None = None

    @property
    def moves(self) -> bool:
        """True if time alone may change the answer."""
        return self.what in {"score", "days_since", "now"} or self.span is not None


Test = Callable[[Mapping[str, Any], Mapping[str, Any], Facts], Any]
"""What an expression becomes: a function of (event properties, lead fields, facts); missing values never raise."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression.

    Attributes:
        source: the text in the rule file, for people.
        value: the compiled function.
        type: `text`, `number`, `boolean`, `list`, `date`, `datetime` or `any`.
        asks: everything it may look at.
        turns: for a condition, what of it time alone may turn.
        code: what it was compiled of; None for one that was made by hand.
    """

    source: str
    value: Test
    type: str
    asks: frozenset[Ask] = frozenset()
    turns: tuple[Turn, ...] = ()
    code: Code | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        """As it stands in the rule file."""
        return self.source


MISFIT: Final = (True,)
Join = Callable[[Sequence["Expression | None"], Mapping[str, str] | None], Test]
"""Makes one function of several conditions: a tuple of their truths, where None stands for what is always true; behind
these, whether a property is not of the type that is declared for it. True where nothing is declared."""


def each_alone(conditions: Sequence[Expression | None], _: Mapping[str, str] | None = None) -> Test:
    """A `Join` of conditions that were made by hand."""
    tests = [None if each is None else each.value for each in conditions]
    return lambda event, lead, facts: (
        *[test is None or test(event, lead, facts) is True for test in tests],
        *MISFIT,
    )
