from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from datetime import timedelta
from math import fsum
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.engine.builders import DAY_MICROS, NOW, model, points, rulebook, says
from workers.engine import limits
from workers.engine.counters import Counted
from workers.engine.decay import KEEP, UNIT
from workers.engine.decide import decide
from workers.engine.limits import MOST_KEYS, MOST_SLOTS, MOST_WINDOWS, TOO_MANY_KEYS
from workers.engine.rules import Group, Limit, Part
from workers.engine.values import LONGEST_MARK, Event, LeadState, mark, micros
from workers.exceptions import NeedsHistory

URL = says(lambda event, _, __: event.get("url"))
SUM = Group("g", (Part("engagement", KEEP),))


def book(limit: Limit):
    rule = points(
        "page.viewed", says(lambda event, _, __: event["worth"]), name="pages", decay=KEEP, limit=limit, most=2**40
    )
    unbounded = model(minimum=-1e9, maximum=1e9, bands=(), groups=(SUM,))
    counted = {"page.viewed": Counted(values={"url": 0})}
    return rulebook(rules=(rule,), engagement=unbounded, campaigns=(), promotion=None, counted=counted)


def view(number: int, at: int, url: object) -> Event:
    return Event(
        number, "page.viewed", NOW - timedelta(days=900) + timedelta(microseconds=at), {"url": url, "worth": 2**number}
    )


def fed(batches, rules) -> tuple[LeadState, list]:
    """A lead after its batches, stored in between, and the decisions about it."""
    state, seen, made = LeadState(), [], []
    for batch in batches:
        seen += batch
        try:
            outcome = decide(state, 1, batch, rules, NOW)
        except NeedsHistory:
            outcome = decide(state, 1, batch, rules, NOW, history=seen)
        state = LeadState.load(outcome.state.dump())
        made += outcome.decisions
    return state, made


def counting(events, limit: Limit, most_keys: int) -> float:
    """The reference: from the whole list, in its order of time."""
    windows: dict[int, dict[object, int]] = defaultdict(dict)
    total = []
    for event in sorted(events, key=lambda event: (event.at, event.id)):
        keys = windows[limits.window_index(limit.window, micros(event.at))]
        key = event.properties["url"]
        if key in keys or len(keys) < most_keys:
            keys[key] = keys.get(key, 0) + 1
            total += [event.properties["worth"]] if keys[key] <= limit.most else []
    return fsum(total)


@contextmanager
def bounds(keys: int, slots: int, windows: int):
    """Small ones, so that few events reach them."""
    with mock.patch.multiple(limits, MOST_KEYS=keys, MOST_SLOTS=slots, MOST_WINDOWS=windows):
        yield


@pytest.mark.parametrize("window", [None, "day", 5 * DAY_MICROS, "month"])
@settings(max_examples=100)
@given(
    rows=st.lists(st.tuples(st.integers(0, 40 * DAY_MICROS), st.sampled_from("abcdefg")), max_size=30),
    random=st.randoms(use_true_random=False),
    size=st.integers(1, 7),
    most=st.integers(1, 3),
)
def test_what_a_limit_with_keys_counts_is_the_same_in_every_order_whatever_is_remembered(
    rows, random, size, most, window
) -> None:
    events = [view(number, at, url) for number, (at, url) in enumerate(rows)]
    limit = Limit(most, URL, window)
    shuffled = random.sample(events, len(events))
    batches = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]
    with bounds(keys=3, slots=6, windows=4):
        state, _ = fed(batches, book(limit))
    assert state.scores.get("engagement", 0) / UNIT == counting(events, limit, 3)
    for windows in state.limits.values():
        assert len(windows) <= 4
        assert sum(map(len, windows.values())) <= 6


def test_a_lead_with_any_number_of_keys_and_windows_stays_small_and_says_what_it_leaves_out() -> None:
    often = [view(n, n * 1_000_000, f"https://acme.test/{n}") for n in range(MOST_KEYS + 20)]
    late = [view(1, DAY_MICROS * (n // 5), f"https://acme.test/{n}") for n in range(2_000)]
    state, made = fed(
        [[event._replace(properties={**event.properties, "worth": 1})] for event in often + late],
        book(Limit(1, URL, "day")),
    )
    windows = state.limits["engagement.pages"]
    assert len(windows) <= MOST_WINDOWS
    assert sum(map(len, windows.values())) <= MOST_SLOTS
    left = [each for each in made if each.kind == "skipped"]
    assert len(left) == 20
    assert {(each.rule, each.detail["reason"]) for each in left} == {("engagement.pages", TOO_MANY_KEYS)}
    assert state.scores["engagement"] == (MOST_KEYS + 2_000 - 5) * UNIT  # five of `late` were seen on the first day


@given(st.lists(st.text(max_size=300), min_size=2, max_size=2, unique=True))
def test_marks_are_short_and_tell_different_values_apart(pair) -> None:
    one, other = (mark(each) for each in pair)
    assert one != other
    assert mark(one) == one or len(one) == LONGEST_MARK + 1
    assert max(len(one), len(other)) <= LONGEST_MARK + 1


def test_long_values_that_begin_alike_are_told_apart_by_limits_and_distinct() -> None:
    urls = [f"https://acme.test/{'x' * 400}/{n}" for n in range(3)]
    events = [view(n, n, urls[n % 3]) for n in range(6)]
    state, _ = fed([events], book(Limit(1, URL)))
    assert state.scores["engagement"] == (1 + 2 + 4) * UNIT
    assert len(state.values["page.viewed|url"]) == 3
    assert max(map(len, state.values["page.viewed|url"])) == LONGEST_MARK + 1


def test_a_state_whose_limits_were_kept_otherwise_is_counted_anew() -> None:
    rules, event = book(Limit(1, URL)), view(0, 0, "a")
    old = {**fed([[event]], rules)[0].dump(), "format": 2, "limits": {"engagement.pages": {"0|a": [[0, 0, 7]]}}}
    loaded = LeadState.load(old)
    assert (loaded.limits, loaded.scoring, loaded.events) == ({}, "", 1)
    with pytest.raises(NeedsHistory):
        decide(loaded, 1, [], rules, NOW)
    again = view(1, 1, "a")
    state = decide(loaded, 1, [again], rules, NOW, history=[event, again]).state
    assert state.scores["engagement"] == UNIT
