"""The functions of expressions: how they are written, what they ask, and what people read about them."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from workers.engine.counters import DAY, Span, span_of
from workers.engine.expressions.code import FACTS, Part, ask, call, constant, name
from workers.engine.expressions.durations import parse_duration, say_duration
from workers.engine.expressions.kinds import BOOLEAN, DATE, DATETIME, NUMBER, Kind, text_of
from workers.engine.expressions.vocabulary import FILTER_NAMES
from workers.engine.rules import Ask
from workers.exceptions import ExpressionError
from workers.text import MANUAL, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from workers.engine.expressions.kinds import Scope
    from workers.engine.expressions.vocabulary import Build

WITHIN: Final = "within"
LONGEST_WITHIN: Final = timedelta(days=366)
"""Every lead keeps a number for each day of it, so it has an end."""
SHORTEST_WITHIN: Final = timedelta(minutes=1)
MICROSECOND: Final = timedelta(microseconds=1)
WITH_TIME: Final = """\
What it gives changes with time alone. Segments, scores, stages, the promotion, and what runs of campaigns wait for \
are looked at anew at the very instant at which that turns their condition; others when something happens. A remainder \
(`%`) comes and goes, and is not watched: compare with the instants themselves."""
NO_SCORE: Final = "write a file that begins with `score:`"
IN_TEMPLATES: Final = """\
Templates of mails and hand-off notes ask it in the same words: see `dripline docs templates`."""
WHOLE_DAYS: Final = """\
`within` counts in whole days of UTC, today and the days before it; below two days in whole hours, below two hours in \
minutes. Opens and clicks of machines are not counted until a human sign credits them."""


@dataclass(frozen=True, slots=True)
class Called:
    """One call that is being compiled.

    Attributes:
        texts: its arguments.
        within: its span as it was written; None if it has none.
    """

    build: Build
    offset: int
    texts: Sequence[str]
    within: timedelta | None

    @property
    def scope(self) -> Scope:
        """The names that the expression may use."""
        return self.build.scope

    def asks(self, what: str, detail: str = "", span: Span | None = None) -> None:
        """Note what the expression looks at."""
        self.build.asks.add(Ask(what, self.texts[0] if self.texts else "", detail, span))


@dataclass(frozen=True, slots=True)
class Function:
    """One function.

    Attributes:
        usage: how it is written, for messages.
        takes: how many arguments, all of them texts written out.
        build: makes the part.
        doc: one line for people.
        example: a condition that uses it.
        spans: it also takes `within="7d"`.
        more: what else people should know.
    """

    usage: str
    takes: int
    build: Callable[[Called], Part]
    doc: str
    example: str
    spans: bool = False
    more: str = ""


# ── where the lead stands ────────────────────────────────────────────────────────────────────────────────────


def score(asked: Called) -> Part:
    """`score("fit")`."""
    model = known(asked, "score", asked.scope.bands, 'score("{}")', NO_SCORE)
    asked.asks("score")
    return Part(ask("score", constant(model)), NUMBER, asked.offset)


def band(asked: Called) -> Part:
    """`band("engagement")`."""
    model = known(asked, "score", asked.scope.bands, 'band("{}")', NO_SCORE)
    asked.asks("band")
    return Part(ask("band", constant(model)), text_of("band", asked.scope.bands[model]), asked.offset)


def grade(asked: Called) -> Part:
    """`grade("priority")`."""
    label = known(asked, "grade", asked.scope.grades, 'grade("{}")', "write a file that begins with `grade:`")
    asked.asks("grade")
    return Part(ask("grade", constant(label)), text_of("grade", asked.scope.grades[label]), asked.offset)


def segment(asked: Called) -> Part:
    """`segment("enterprise")`."""
    wanted = known(asked, "segment", asked.scope.segments, 'segment("{}")', "declare it in rules/segments.yaml")
    asked.asks("segment")
    return Part(ask("segment", constant(wanted)), BOOLEAN, asked.offset, exact=True)


def stage(asked: Called) -> Part:
    """`stage()`."""
    asked.asks("stage")
    return Part(call("stage", name(FACTS)), text_of("stage", asked.scope.stages), asked.offset)


def known(asked: Called, noun: str, names: Collection[str], frame: str = '"{}"', declare: str = "") -> str:
    """The first argument, if it is one of `names`."""
    word = asked.texts[0]
    if word not in names:
        hint = suggestion(word, names, frame, declare)
        raise ExpressionError(f'there is no {noun} "{word}"', hint, asked.offset, code=f"unknown-{noun}")
    return word


# ── what has happened ────────────────────────────────────────────────────────────────────────────────────────


def count(asked: Called) -> Part:
    """`count("email.clicked", within="7d")`."""
    event, span = known_event(asked), span_asked(asked)
    asked.asks("count", span=span)
    return Part(ask("count", constant(event), *held(asked, span)), NUMBER, asked.offset)


def distinct(asked: Called) -> Part:
    """`distinct("page.viewed", "url", within="30d")`."""
    event, prop = known_event(asked), asked.texts[1]
    if prop not in (properties := asked.scope.events[event]):
        hint = suggestion(prop, properties, '"{}"', f"declare it with {event} in rules/events.yaml")
        text = f'the event {event} has no property "{prop}"'
        raise ExpressionError(text, hint, asked.offset, code="unknown-property")
    span = Span(DAY, -(-(asked.within // MICROSECOND) // DAY)) if asked.within else None
    asked.asks("distinct", prop, span)
    return Part(ask("distinct", constant(event), constant(prop), *held(asked, span)), NUMBER, asked.offset)


def first(asked: Called) -> Part:
    """`first("form.submitted", within="30d")`."""
    return about_time(asked, "first", DATETIME)


def last(asked: Called) -> Part:
    """`last("form.submitted", within="30d")`."""
    return about_time(asked, "last", DATETIME)


def days_since(asked: Called) -> Part:
    """`days_since("email.clicked", within="90d")`."""
    return about_time(asked, "days_since", NUMBER)


def about_time(asked: Called, question: str, kind: Kind) -> Part:
    """A question about when a type of event happened."""
    event, span = known_event(asked), span_asked(asked)
    asked.asks(question, span=span)
    return Part(ask(question, constant(event), *held(asked, span)), kind, asked.offset)


def known_event(asked: Called) -> str:
    """The first argument, if it is a declared event type."""
    return known(asked, "event", asked.scope.events, declare="declare it in rules/events.yaml")


def span_asked(asked: Called) -> Span | None:
    """The span behind `within=`, in whole grains; None for ever."""
    return span_of(asked.within // MICROSECOND) if asked.within else None


def held(asked: Called, span: Span | None) -> tuple[ast.expr, ...]:
    """The span as an argument of the compiled code."""
    return () if span is None else (asked.build.hold(span),)


# ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────


def now(asked: Called) -> Part:
    """`now()`."""
    asked.asks("now")
    return Part(call("a_datetime", ast.Attribute(name(FACTS), "now", ast.Load())), DATETIME, asked.offset)


def today(asked: Called) -> Part:
    """`today()`."""
    asked.asks("now")
    return Part(call("today", name(FACTS), asked.build.hold(ZoneInfo(asked.scope.zone))), DATE, asked.offset)


def a_date(asked: Called) -> Part:
    """`date("2026-03-01")`."""
    try:
        value = date.fromisoformat(asked.texts[0])
    except ValueError:
        raise unreadable(asked, DATE, "2026-03-01") from None
    return Part(asked.build.hold(value), DATE, asked.offset)


def a_datetime(asked: Called) -> Part:
    """`datetime("2026-03-01T09:00:00+01:00")`."""
    written = asked.texts[0]
    try:
        value = datetime.fromisoformat(written)
        if value.tzinfo is None:
            raise ExpressionError("the offset from UTC is missing", f'write "{written}+00:00"', asked.offset)
        return Part(asked.build.hold(value.astimezone(UTC)), DATETIME, asked.offset)
    except (ValueError, OverflowError):
        raise unreadable(asked, DATETIME, "2026-03-01T09:00:00+01:00") from None


def unreadable(asked: Called, kind: Kind, example: str) -> ExpressionError:
    """The error for a date that is none."""
    return ExpressionError(f'"{asked.texts[0]}" is not {kind.described}', f"write it like {example}", asked.offset)


# ── all of them ──────────────────────────────────────────────────────────────────────────────────────────────

FUNCTIONS: Final[Mapping[str, Function]] = {
    "score": Function(
        'score("fit")', 1, score, "the score now, inside its range", 'score("fit") >= 60', more=IN_TEMPLATES
    ),
    "band": Function(
        'band("engagement")', 1, band, "the band that the lead is in; missing in none", 'band("engagement") == "hot"',
        more=IN_TEMPLATES,
    ),
    "grade": Function(
        'grade("priority")', 1, grade, "the label that its bands make; missing in none", 'grade("priority") == "A1"',
        more=IN_TEMPLATES,
    ),
    "segment": Function(
        'segment("enterprise")', 1, segment, "true if the lead is in it", 'segment("enterprise")', more=IN_TEMPLATES
    ),
    "stage": Function("stage()", 0, stage, "the lifecycle stage", 'stage() == "lead"', more=IN_TEMPLATES),
    "count": Function(
        'count("email.clicked", within="7d")', 1, count, "how many events of a type there were, ever or of late",
        'count("email.clicked", within="7d") >= 3', spans=True, more=f"{WHOLE_DAYS}\n\n{WITH_TIME}",
    ),
    "distinct": Function(
        'distinct("page.viewed", "url", within="30d")', 2, distinct, "how many different values a property had",
        'distinct("page.viewed", "url", within="30d") >= 5', spans=True,
        more=f"Up to 500 values are told apart. {WHOLE_DAYS}\n\n{WITH_TIME}",
    ),
    "first": Function(
        'first("form.submitted", within="30d")', 1, first,
        "when the first event of a type happened, ever or of late; missing if none did",
        'last("page.viewed", within="30d") - first("page.viewed", within="30d") >= 7', spans=True,
        more=f"{WHOLE_DAYS}\n\n{WITH_TIME}",
    ),
    "last": Function(
        'last("form.submitted", within="30d")', 1, last,
        "when the latest event of a type happened, ever or of late; missing if none did",
        'last("form.submitted") > first("form.submitted")', spans=True, more=f"{WHOLE_DAYS}\n\n{WITH_TIME}",
    ),
    "days_since": Function(
        'days_since("email.clicked", within="90d")', 1, days_since,
        "days since the latest event of a type, with a fraction; missing if there was none, or none of late",
        'days_since("email.clicked") > 90', spans=True, more=f"{WHOLE_DAYS}\n\n{WITH_TIME}",
    ),
    "now": Function("now()", 0, now, "the instant of the decision", 'now() > last("form.submitted")', more=WITH_TIME),
    "today": Function(
        "today()", 0, today, "the day of the decision, in the account's time zone", 'today() >= date("2026-03-01")',
        more=WITH_TIME,
    ),
    "date": Function('date("2026-03-01")', 1, a_date, "a date", 'today() < date("2026-03-01")'),
    "datetime": Function(
        'datetime("2026-03-01T09:00:00+01:00")', 1, a_datetime, "an instant",
        'now() > datetime("2026-03-01T09:00:00+01:00")',
    ),
}  # fmt: skip


def called(
    build: Build, word: str, offset: int, arguments: Sequence[Part], named: Sequence[tuple[str, Part]] = ()
) -> Part:
    """Compile `word(arguments)`."""
    function = FUNCTIONS.get(word)
    if function is None:
        as_filter = f"write it as a filter: `… | {word}`" if word in FILTER_NAMES else ""
        hint = as_filter or suggestion(word, FUNCTIONS, "{}()") or MANUAL
        raise ExpressionError(f"there is no function `{word}`", hint, offset, code="unknown-function")
    if reason := build.scope.refused.get(word):
        raise ExpressionError(f"{word}() cannot be asked here", reason, offset, code="not-here")
    within = span_given(word, function, named)
    texts = [argument.constant for argument in arguments]
    if len(texts) != function.takes or not all(isinstance(text, str) for text in texts):
        raise ExpressionError(f"`{word}` is called with the wrong arguments", f"write {function.usage}", offset)
    return function.build(Called(build, offset, texts, within))


def unnamed(function: Function, key: str) -> str:
    """What to do about an argument with a name that a function does not take."""
    if function.spans:
        return f"write {function.usage}"
    spanning = ", ".join(f"`{each}`" for each, other in FUNCTIONS.items() if other.spans)
    return f"only {spanning} look at a stretch of time" if key == WITHIN else "leave its name out"


def span_given(word: str, function: Function, named: Sequence[tuple[str, Part]]) -> timedelta | None:
    """The duration behind `within=`, if there is one."""
    for key, value in named:
        if not function.spans or key != WITHIN:
            raise ExpressionError(f"`{word}` has no argument `{key}`", unnamed(function, key), value.offset)
    if not named:
        return None
    value = named[-1][1]
    within = parse_duration(value.constant) if isinstance(value.constant, str) else None
    if within is None or len(named) > 1:
        raise ExpressionError("`within` wants one duration", 'write it like within="7d", "12h" or "2w"', value.offset)
    shortest = timedelta(days=1) if word == "distinct" else SHORTEST_WITHIN
    if not shortest <= within <= LONGEST_WITHIN:
        hint = f"it can be {say_duration(shortest)} to {say_duration(LONGEST_WITHIN)}"
        raise ExpressionError(f"`within` is {say_duration(within)}", hint, value.offset, code="out-of-range")
    return within
