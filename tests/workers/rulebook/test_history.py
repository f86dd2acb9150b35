"""Questions about the past, against a reference that goes through all events every time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import inf
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.engine.builders import rulebook
from workers.engine.counters import take_count
from workers.engine.expressions import Scope, compile_expression
from workers.engine.expressions.contradictions import contradictions
from workers.engine.standing import Standing
from workers.engine.values import Event, LeadState, micros
from workers.rulebook.history import counted

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
KINDS = ("page.viewed", "email.clicked")
SCOPE = Scope(events={kind: {"url": "text"} for kind in KINDS})
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.integers(0, 3 * 86_400) | st.integers(0, 400 * 86_400),
        st.none() | st.sampled_from(["a", "b", "c", 5, True]),
    ),
    max_size=30,
).map(
    lambda told: [
        Event(number, kind, NOW - timedelta(seconds=ago), {} if url is None else {"url": url})
        for number, (kind, ago, url) in enumerate(told, 1)
    ]
)
SPANS = st.sampled_from(
    [
        "1m",
        "7 minutes",
        "90 minutes",
        "2h",
        "5h",
        "25 hours",
        "47h",
        "2 days",
        "7d",
        "1 week",
        "30d",
        "100 days",
        "366d",
    ]
)
LENGTHS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def asked(expression, events, seed=0):
    """The expression's value for a lead to whom these happened, in any order."""
    wanted = counted([expression])
    state, events = LeadState(), list(events)
    Random(seed).shuffle(events)
    for event in events:
        if event.type in wanted:
            take_count(state, event, micros(event.at), wanted[event.type])
    return expression.value({}, {}, Standing(LeadState.load(state.dump()), rulebook(), NOW))


def whole(moment, grain):
    """Whole grains since 1970."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // grain


def length_of(text):
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
    return int(number) * LENGTHS[text[len(number) :].strip()[0]]


def inside(event, kind, grain, length):
    """True if the event lies in the last so many grains."""
    grains = -(-length // grain)
    return event.type == kind and whole(event.at, grain) > whole(NOW, grain) - grains


def grain_of(length):
    day, hour = timedelta(days=1), timedelta(hours=1)
    return day if length >= 2 * day else hour if length >= 2 * hour else timedelta(minutes=1)


@settings(max_examples=300, deadline=None)
@given(EVENTS, st.sampled_from(KINDS), SPANS, st.integers(0, 3))
def test_counts_within_a_span(events, kind, span, seed):
    length = length_of(span)
    expression = compile_expression(f'count("{kind}", within="{span}")', SCOPE)
    assert asked(expression, events, seed) == sum(inside(each, kind, grain_of(length), length) for each in events)


@settings(max_examples=200, deadline=None)
@given(
    EVENTS, st.sampled_from(KINDS), SPANS.filter(lambda span: length_of(span) >= timedelta(days=1)), st.integers(0, 3)
)
def test_different_values_within_a_span(events, kind, span, seed):
    expression = compile_expression(f'distinct("{kind}", "url", within="{span}")', SCOPE)
    kept = [each for each in events if inside(each, kind, timedelta(days=1), length_of(span))]
    assert asked(expression, events, seed) == len({str(each.properties["url"]) for each in kept if each.properties})


@settings(max_examples=300, deadline=None)
@given(EVENTS, st.sampled_from(KINDS), SPANS, st.integers(0, 3))
def test_the_first_and_the_latest_within_a_span(events, kind, span, seed):
    length = length_of(span)
    times = [each.at for each in events if inside(each, kind, grain_of(length), length)]
    reference = {
        f'first("{kind}", within="{span}")': min(times, default=None),
        f'last("{kind}", within="{span}")': max(times, default=None),
        f'days_since("{kind}", within="{span}")': (NOW - max(times)) / timedelta(days=1) if times else None,
    }
    for source, value in reference.items():
        found = asked(compile_expression(source, SCOPE), events, seed)
        assert found == (pytest.approx(value) if isinstance(value, float) else value), source


@settings(max_examples=200, deadline=None)
@given(EVENTS, st.sampled_from(KINDS), st.integers(0, 3))
def test_the_whole_past(events, kind, seed):
    times = [each.at for each in events if each.type == kind]
    values = {str(each.properties["url"]) for each in events if each.type == kind and each.properties}
    reference = {
        f'count("{kind}")': len(times),
        f'distinct("{kind}", "url")': len(values),
        f'first("{kind}")': min(times, default=None),
        f'last("{kind}")': max(times, default=None),
        f'days_since("{kind}")': (NOW - max(times)) / timedelta(days=1) if times else None,
        f'days_since("{kind}") > 30': bool(times) and NOW - max(times) > timedelta(days=30),
        f'now() - first("{kind}") < 7': bool(times) and NOW - min(times) < timedelta(days=7),
    }
    for source, value in reference.items():
        found = asked(compile_expression(source, SCOPE), events, seed)
        assert found == (pytest.approx(value) if isinstance(value, float) else value), source


@settings(max_examples=100, deadline=None)
@given(EVENTS, st.lists(SPANS, min_size=2, max_size=4))
def test_one_count_answers_all_spans(events, spans):
    """What is counted for several questions answers each of them as if it were the only one."""
    words = ("count", "first", "last", "days_since")
    sources = [f'{word}("page.viewed", within="{span}")' for word in words for span in spans]
    expressions = [compile_expression(source, SCOPE) for source in sources]
    together = counted(expressions)
    state = LeadState()
    for event in events:
        if event.type in together:
            take_count(state, event, micros(event.at), together[event.type])
    standing = Standing(state, rulebook(), NOW)
    for expression in expressions:
        assert expression.value({}, {}, standing) == asked(expression, events)


# ── contradictions are never more than the truth ─────────────────────────────────────────────────────────────

NUMBERS = [None, *(number / 2 for number in range(-3, 14))]
TEXTS = [None, "a", "b", "c"]
numbers = st.integers(-1, 6)
comparison = st.one_of(
    st.builds("lead.n {} {}".format, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), numbers),
    st.builds("{} {} lead.n".format, numbers, st.sampled_from(["<", "<=", ">", ">=", "==", "!="])),
    st.builds("{} < lead.n <= {}".format, numbers, numbers),
    st.builds("lead.n {} [{}, {}]".format, st.sampled_from(["in", "not in"]), numbers, numbers),
    st.builds('lead.t {} "{}"'.format, st.sampled_from(["==", "!="]), st.sampled_from("abc")),
    st.builds(
        'lead.t {} ["{}", "{}"]'.format,
        st.sampled_from(["in", "not in"]),
        st.sampled_from("abc"),
        st.sampled_from("abc"),
    ),
    st.builds('score("s") {} {}'.format, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), numbers),
)
conjunction = st.lists(comparison, min_size=1, max_size=4).map(" and ".join)
ANYTHING = Scope(fields={"n": "decimal", "t": "text"}, bands={"s": []})


class Scored:
    def __init__(self, score):
        self._score = score

    def score(self, _):
        return self._score


@settings(max_examples=400, deadline=None)
@given(conjunction)
def test_what_is_called_impossible_is_never_true(source):
    found = contradictions(source, {"s": (0, 4)})
    condition = compile_expression(source, ANYTHING)
    ever = any(
        condition.value({}, {"n": number, "t": text}, Scored(score))
        for number in NUMBERS
        for text in TEXTS
        for score in (0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4)
    )
    assert not (found and ever), (source, found)
    if not found and source.count("lead.n") + source.count("lead.t") + source.count("score") == 1:
        assert ever, source  # a single comparison that nothing fulfils is always found


def test_findings_are_placed_at_what_cannot_be():
    found = contradictions('lead.a > 5 and (lead.b == 1 and lead.a < 3) and score("s") >= 9', {"s": (-inf, 8)})
    assert [each.offset for each in found] == [32, 48]
    assert all(before.offset < after.offset for before, after in pairwise(found))
