"""Expressions: cases as data, Jinja2 as oracle, and anything at all as input."""

from __future__ import annotations

import string
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from jinja2 import Undefined
from jinja2.sandbox import SandboxedEnvironment

from workers.engine.counters import DAY, Span, span_of
from workers.engine.expressions import Scope, compile_expression
from workers.engine.expressions.durations import parse_duration
from workers.engine.expressions.functions import FUNCTIONS
from workers.engine.expressions.parser import parse
from workers.engine.expressions.proof import proved, proved_by_segments
from workers.engine.expressions.vocabulary import FILTER_NAMES
from workers.engine.rules import Ask, Segment
from workers.exceptions import ExpressionError

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "expressions.yaml").read_text("utf-8"))
LEAD = CASES["lead"]
EVENT = CASES["event"]
SCOPE = Scope(
    fields={
        "name": "text",
        "title": "text",
        "company": "text",
        "employees": "integer",
        "budget": "decimal",
        "vip": "boolean",
        "tags": "list",
        "born": "date",
        "seen": "datetime",
        "country": "country",
        "price": "money",
        "timeline": "text",
        "interests": "list of text",
        "sizes": "list of integer",
    },
    event={"form": "text", "url": "text", "minutes": "integer", "machine": "boolean"},
    bands={"fit": ["good"], "engagement": ["warm", "hot"]},
    stages=["lead", "customer"],
    zone="Europe/Berlin",
    allowed={"timeline": ["now", "later"], "interests": ["bi", "ml"]},
    events={
        "email.clicked": {"url": "text"},
        "page.viewed": {"url": "text", "minutes": "integer"},
        "form.submitted": {},
    },
    segments=["enterprise", "smb"],
    grades={"priority": ["A1", "A2"], "unclear": None},
)


def attempt(source: str) -> tuple[Any, ExpressionError | None]:
    try:
        return compile_expression(source, SCOPE), None
    except ExpressionError as error:
        return None, error


class Facts:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    stage = "lead"

    def score(self, model: str) -> float:
        return {"fit": 75.0, "engagement": 80.5}[model]

    def band(self, model: str) -> str | None:
        return {"engagement": "hot"}.get(model)

    def grade(self, name: str) -> str | None:
        return {"priority": "A1"}.get(name)

    def segment(self, name: str) -> bool:
        return name == "smb"

    def count(self, event: str, within: Span | None = None) -> int:
        return {"email.clicked": 7}.get(event, 0) if within is None else within.grains

    def distinct(self, event: str, name: str, within: Span | None = None) -> int:
        return len(event) + len(name) + (within.grains if within else 0)

    def first(self, event: str, within: Span | None = None) -> datetime | None:
        return self.now - timedelta(days=within.grains - 0.5 if within else 10) if event == "email.clicked" else None

    def last(self, event: str, within: Span | None = None) -> datetime | None:
        return None if (days := self.days_since(event, within)) is None else self.now - timedelta(days=days)

    def days_since(self, event: str, within: Span | None = None) -> float | None:
        return 2.5 if event == "email.clicked" and (within is None or within.grains > 2) else None


FACTS = Facts()


@pytest.mark.parametrize(("source", "expected"), CASES["values"], ids=[case[0] for case in CASES["values"]])
def test_value(source, expected):
    value = compile_expression(source, SCOPE).value(EVENT, LEAD, FACTS)
    assert value == expected
    assert (type(value) is bool) == (type(expected) is bool)


@pytest.mark.parametrize(
    ("source", "code", "offset", "word"), CASES["refused"], ids=[case[0] for case in CASES["refused"]]
)
def test_refused(source, code, offset, word):
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source, SCOPE)
    error = caught.value
    assert (error.code, error.offset) == (code, offset), f"{error} / {error.hint}"
    assert word in f"{error.text} {error.hint}"


@pytest.mark.parametrize(
    ("source", "want", "value"),
    [
        ("lead.employees", "number", None),
        ("lead.employees", None, None),
        ("lead.title", "text", None),
        ("lead.vip", "boolean", False),
        ("lead.tags | first", "boolean", False),
        ("lead.born", "date", None),
    ],
)
def test_a_value_of_another_type_than_declared_is_missing(source, want, value):
    wrong: dict[str, Any] = {"employees": True, "title": 5, "vip": "yes", "tags": ["x"], "born": [1]}
    assert compile_expression(source, SCOPE, want).value({}, wrong, FACTS) is value


@pytest.mark.parametrize(
    ("source", "want", "words"),
    [
        ("lead.title", "boolean", "true or false is wanted here, this is text"),
        ('score("fit") > 5', "number", "a number is wanted here, this is true or false"),
        ("none", None, "`none` says nothing"),
    ],
)
def test_the_wanted_type_is_checked(source, want, words):
    with pytest.raises(ExpressionError, match=words):
        compile_expression(source, SCOPE, want)


@pytest.mark.parametrize(
    ("source", "asks"),
    [
        ("1 < 2", []),
        ("lead.vip and lead.vip", [Ask("field", "vip")]),
        ('event.form == lead.name or stage() == "lead"', [Ask("property", "form"), Ask("field", "name"), Ask("stage")]),
        ('score("fit") > 5 and band("fit") == "good"', [Ask("score", "fit"), Ask("band", "fit")]),
        ('segment("smb") and grade("priority") == "A1"', [Ask("segment", "smb"), Ask("grade", "priority")]),
        ('today() > date("2026-01-01") and now() > now()', [Ask("now")]),
        ('count("page.viewed")', [Ask("count", "page.viewed")]),
        (
            'count("page.viewed", within="7d") + count("page.viewed", within="90 minutes")',
            [Ask("count", "page.viewed", "", Span(DAY, 7)), Ask("count", "page.viewed", "", Span(DAY // 1_440, 90))],
        ),
        (
            'distinct("page.viewed", "url", within="36h")',
            [Ask("distinct", "page.viewed", "url", Span(DAY, 2))],
        ),
        (
            'first("page.viewed") < last("page.viewed") and days_since("page.viewed") < 5',
            [Ask("first", "page.viewed"), Ask("last", "page.viewed"), Ask("days_since", "page.viewed")],
        ),
        (
            'first("page.viewed", within="7d") < now() or last("page.viewed", within="3h") < now()',
            [
                Ask("first", "page.viewed", "", Span(DAY, 7)),
                Ask("last", "page.viewed", "", Span(DAY // 24, 3)),
                Ask("now"),
            ],
        ),
        (
            'days_since("page.viewed", within="1m") < 5',
            [Ask("days_since", "page.viewed", "", Span(DAY // 1_440, 1))],
        ),
    ],
)
def test_an_expression_knows_what_it_looks_at(source, asks):
    assert compile_expression(source, SCOPE).asks == frozenset(asks)


@pytest.mark.parametrize("word", FUNCTIONS)
def test_every_function_is_documented_by_what_works(word):
    function = FUNCTIONS[word]
    assert f"{word}(" in function.example
    assert attempt(function.usage)[1] is None, function.usage


def test_no_event_in_sight():
    with pytest.raises(ExpressionError, match="no event here"):
        compile_expression('event.form == "x"', Scope())


def test_a_refused_function_says_why():
    with pytest.raises(ExpressionError) as caught:
        compile_expression('score("fit") > 1', Scope(bands={"fit": []}, refused={"score": "because"}))
    assert caught.value.hint == "because"


def test_dates_are_read_in_the_accounts_zone():
    late = Facts()
    late.now = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    assert compile_expression('today() == date("2026-03-02")', SCOPE).value({}, {}, late) is True


def test_no_python_is_in_reach():
    compiled = compile_expression("lead.employees > 5", SCOPE).value
    assert compiled.__globals__["__builtins__"] == {}


# ── what cannot run away ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "source",
    [
        "(" * 100_000,
        "(" * 1_900 + "1" + ")" * 1_900,
        "[" * 1_000,
        "not " * 900 + "true",
        "-" * 3_000 + "1",
        "1" + "+1" * 390,
        "lead.name" + " | lower" * 390,
        "lead.name" + '| replace("a", "aaaaaaaaaaaaaaaaaaaa")' * 70,
        "1 if true else " * 150 + "1",
        "lead." * 700,
        '"' + "\\" * 3_999,
        "9" * 4_000,
        "1e" + "9" * 300,
        'lead.name | matches("' + "(" * 500 + '")',
        'lead.name | matches("' + "a?" * 400 + "a" * 400 + '")',
        'lead.name | matches("' + "(a|a)" * 100 + '")',
    ],
    ids=lambda source: source[:30],
)
def test_monsters_are_refused_quickly(source):
    started = time.perf_counter()
    with pytest.raises(ExpressionError):
        compile_expression(source, SCOPE)
    assert time.perf_counter() - started < 1


def test_results_are_bounded():
    grown = compile_expression("lead.name" + '| replace("a", "aaaaaaaaaaaaaaaaaaaa")' * 10, SCOPE)
    assert grown.value({}, {"name": "a"}, FACTS) is None
    joined = compile_expression(" ~ ".join(["lead.name"] * 20), SCOPE)
    assert joined.value({}, {"name": "a" * 1_000}, FACTS) is None


@pytest.mark.parametrize("pattern", [".*a.*", "a*b", "(x|y)z+", "(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)b", "a?a?a?a?a?a?a?a?b"])
def test_the_worst_accepted_patterns_end_quickly(pattern):
    try:
        found = compile_expression(f'lead.name | matches("{pattern}")', SCOPE)
    except ExpressionError:
        return
    started = time.perf_counter()
    found.value({}, {"name": "a" * 100_000}, FACTS)
    assert time.perf_counter() - started < 0.5


# ── the oracle ───────────────────────────────────────────────────────────────────────────────────────────────

JINJA = SandboxedEnvironment(undefined=Undefined)
NUMBERS = {"employees": 120, "budget": 0.5}
TEXTS = {"name": "Ann Lee", "title": "vp", "country": "US"}
MISSING = ("company", "email")

ANSWERS = {
    **{name: getattr(FACTS, name) for name in ("score", "band", "grade", "segment")},
    "stage": lambda: FACTS.stage,
    "count": lambda event, within=None: FACTS.count(event, spanned(within)),
    "distinct": lambda event, name, within=None: FACTS.distinct(event, name, spanned(within)),
    "days_since": lambda event, within=None: FACTS.days_since(event, spanned(within)),
    "last": lambda event, within=None: FACTS.last(event, spanned(within)),
    "first": lambda event, within=None: FACTS.first(event, spanned(within)),
}
"""What a template would be given to ask the same questions."""


def spanned(within: str | None) -> Span | None:
    return None if within is None else span_of(parse_duration(within) // timedelta(microseconds=1))


numbers = st.one_of(
    st.sampled_from(["0", "1", "2", "7", "100", "0.5", "1.5", "2.25"]),
    st.sampled_from([f"lead.{name}" for name in NUMBERS]),
    st.sampled_from(
        [
            'score("fit")',
            'count("email.clicked")',
            'count("page.viewed", within="7d")',
            'days_since("email.clicked")',
            'days_since("email.clicked", within="30 days")',
            'distinct("page.viewed", "url", within="2 weeks")',
        ]
    ),
)
texts = st.one_of(
    st.sampled_from(['"vp"', "'Ann'", '"US"', '""', '"e"', '"hot"']),
    st.sampled_from([f"lead.{name}" for name in TEXTS]),
    st.sampled_from(['band("engagement")', 'grade("priority")', "stage()"]),
)
times = st.sampled_from(
    [
        'first("email.clicked")',
        'last("email.clicked")',
        'last("email.clicked", within="3d")',
        'first("email.clicked", within="2d")',
        'first("email.clicked", within="400 minutes")',
    ]
)


def calculations(inner):
    operator = st.sampled_from(["+", "-", "*", "/", "//", "%"])
    return st.one_of(
        st.builds("{} {} {}".format, inner, operator, inner),
        st.builds("({} {} {})".format, inner, operator, inner),
        st.builds("-{}".format, inner),
        st.builds("({} | abs)".format, inner),
        st.builds("({} | round(2))".format, inner),
        st.builds("({} | int)".format, inner),
    )


def changes(inner):
    return st.one_of(
        st.builds("({} ~ {})".format, inner, inner),
        st.builds("({} | {})".format, inner, st.sampled_from(["lower", "upper", "trim"])),
        st.builds('({} | replace("n", "m"))'.format, inner),
        st.builds("({} | default({}))".format, st.sampled_from([f"lead.{name}" for name in MISSING]), inner),
    )


def combinations(inner):
    return st.one_of(
        st.builds("{} {} {}".format, inner, st.sampled_from(["and", "or"]), inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner),
        st.builds("not {}".format, inner),
    )


number = st.recursive(numbers, calculations, max_leaves=6)
text = st.recursive(texts, changes, max_leaves=4)
NEVER_EQUAL = ("unknown-country", "unknown-band", "unknown-grade", "unknown-stage")
"""Comparisons like `"vp" == lead.country` are refused."""
order = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
chain = st.sampled_from(["==", "<", "<=", ">", ">="])
membership = st.sampled_from(["in", "not in"])
field = st.sampled_from([f"lead.{name}" for name in (*NUMBERS, *TEXTS, *MISSING)])
comparison = st.one_of(
    st.builds("{} {} {}".format, number, order, number),
    st.builds("{} {} {} {} {}".format, numbers, chain, number, chain, numbers),
    st.builds("{} {} {}".format, text, order, text),
    st.builds("{} {} {}".format, text, membership, text),
    st.builds("{} {} [{}, {}]".format, text, membership, texts, texts),
    st.builds("{} {} [{}, {}]".format, number, membership, numbers, numbers),
    st.builds("{} is {}".format, field, st.sampled_from(["defined", "not defined"])),
    st.builds("{} | length {} {}".format, texts, order, numbers),
    st.builds("{} {} {}".format, times, order, times),
    st.sampled_from(["lead.vip", 'segment("smb")', 'segment("enterprise")']),
)
condition = st.recursive(comparison, combinations, max_leaves=5)
chosen = st.builds("{} if {} else {}".format, number, condition, number)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(condition, number, text, chosen))
@example("1 - 2 - 3 * 4 // 5 % 3")
@example("not lead.vip or lead.vip and not lead.vip")
def test_same_as_jinja(source):
    values = {**NUMBERS, **TEXTS, "vip": True}
    try:
        expected = JINJA.compile_expression(source, undefined_to_none=True)(lead=values, **ANSWERS)
    except (ZeroDivisionError, OverflowError):
        assume(False)
    assume(not isinstance(expected, complex))
    expression, error = attempt(source)
    assert error is None or error.code in {"ambiguous", "too-long", *NEVER_EQUAL}, source
    assume(error is None)
    value = expression.value({}, values, FACTS)
    assert value == expected, source
    assert type(value) is type(expected), source


# ── what a condition proves ──────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=400, deadline=None)
@given(condition, st.sets(st.sampled_from([*NUMBERS, *TEXTS, "vip"])))
@example('lead.name | default("x") == "x" and not (lead.vip or lead.title is defined)', {"name"})
def test_whoever_fulfils_a_condition_has_the_fields_that_it_proves(source, missing):
    expression, error = attempt(source)
    assume(error is None)
    lead = {name: value for name, value in {**NUMBERS, **TEXTS, "vip": True}.items() if name not in missing}
    if expression.value({}, lead, FACTS) is True:
        assert proved(parse(source), {"smb": frozenset()}) <= lead.keys(), source


@pytest.mark.parametrize(
    ("source", "fields"),
    [
        ("lead.employees >= 1000", {"employees"}),
        ('lead.title | lower | matches("vp")', {"title"}),
        ("lead.vip", {"vip"}),
        ("not lead.vip", set()),
        ("lead.employees | default(1) < 50", set()),
        ("(lead.budget - lead.employees * 2) | abs <= 5", {"budget", "employees"}),
        ("lead.name is defined and not (lead.title is none)", {"name", "title"}),
        ("lead.name is none or lead.title is defined", set()),
        ('lead.name == "a" or lead.name == "b" and lead.vip', {"name"}),
        ('(lead.employees > 5) == false and "ml" in lead.interests', {"interests"}),
        ('segment("smb") and lead.vip', {"vip", "country"}),
        ('not segment("smb")', set()),
        ('lead.name ~ "x" == "ax"', {"name"}),
    ],
)
def test_a_condition_proves_fields(source, fields):
    assert attempt(source)[1] is None
    assert proved(parse(source), {"smb": frozenset({"country"})}) == fields


def test_segments_prove_what_those_that_they_are_made_of_prove():
    conditions = {"b": 'segment("a") and lead.vip', "a": "lead.employees > 5", "c": 'segment("b") or segment("a")'}
    scope = replace(SCOPE, segments=[*conditions])
    segments = {name: Segment(name, compile_expression(source, scope)) for name, source in conditions.items()}
    assert proved_by_segments(segments) == {"a": {"employees"}, "b": {"employees", "vip"}, "c": {"employees"}}


# ── anything at all ──────────────────────────────────────────────────────────────────────────────────────────

NAMES = [f"lead.{name}" for name in (*SCOPE.fields, "nothing")] + ["event.form", "event.machine", "lead", "event"]
WORDS = [
    "and",
    "or",
    "not",
    "in",
    "is",
    "defined",
    "none",
    "if",
    "else",
    "true",
    "score",
    "band",
    "stage",
    "today",
    "now",
    "count",
    "distinct",
    "first",
    "last",
    "days_since",
    "segment",
    "grade",
    "within",
]
SIGNS = [
    *"<+-*/%~|()[],.()|",
    "==",
    "!=",
    ">=",
    '"fit"',
    '"a"',
    '"2026-01-01"',
    "0",
    "1",
    "2.5",
    '"a|b*"',
    '"%s"',
    "date",
    '"page.viewed"',
    '"url"',
    '"7d"',
    '"smb"',
    '"priority"',
    "=",
]
CALLS = [function.usage for function in FUNCTIONS.values() if "form" not in function.usage] + [
    f'{word}("email.clicked", within="{span}")'
    for word in ("count", "first", "last", "days_since")
    for span in ("90s", "2h", "366d")
]
words = st.sampled_from([*NAMES, *WORDS, *SIGNS, *CALLS, *sorted(FILTER_NAMES)])
soup = st.lists(words, max_size=25).map(" ".join)
json_values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**63), 2**64), st.floats(allow_nan=False), st.text(max_size=20),
        st.sampled_from(["2026-01-01", "0001-01-01", "9999-12-31T23:59:59-12:00", "12", "1e5", ""]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=4,
)  # fmt: skip
mappings = st.dictionaries(st.sampled_from([*SCOPE.fields, *(SCOPE.event or {}), "email"]), json_values, max_size=8)


@settings(max_examples=1_000, deadline=2_000)
@given(
    st.one_of(soup, st.text(max_size=60), st.text(alphabet=string.printable, max_size=60), condition),
    mappings,
    mappings,
)
def test_any_text_compiles_or_is_refused_and_what_compiles_never_raises(source, event, lead):
    expression, error = attempt(source)
    if error:
        assert 0 <= error.offset <= len(source)
        assert error.text
        assert error.hint, f"{source!r}: {error.text}"
        return
    value = expression.value(event, lead, FACTS)
    assert value is None or expression.type == "any" or type(value).__name__ in {
        "boolean": {"bool"}, "number": {"int", "float"}, "text": {"str"}, "list": {"list"},
        "date": {"date"}, "datetime": {"datetime"},
    }[expression.type]  # fmt: skip


@settings(max_examples=300, deadline=2_000)
@given(st.text(alphabet=r"ab()|[]^-$.*+?\dwsb1{}", max_size=20), st.text(alphabet="ab1 -", max_size=40))
def test_any_pattern_compiles_or_is_refused(pattern, value):
    quoted = pattern.replace("\\", "\\\\")
    expression, error = attempt(f'lead.name | matches("{quoted}")')
    if error:
        assert error.hint, f"{pattern!r}: {error.text}"
        return
    assert expression.value({}, {"name": value}, FACTS) in {True, False}
