from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from math import fsum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.engine.builders import DAY, DAY_MICROS, MONTHLY, NOW, model, points, rulebook, says
from workers.engine.decay import LANDMARK, RESOLUTION, Expiry, HalfLife, Keep, Steps, units
from workers.engine.decide import decide
from workers.engine.rules import Band, Group, Limit, Part
from workers.engine.scoring import band_at
from workers.engine.standing import Standing
from workers.engine.values import Event, LeadState, micros, pack, unpack
from workers.exceptions import NeedsHistory

NOW_MICROS = micros(NOW)
HALF_LIFE = MONTHLY.length
NOISE = 1e-12
"""The last digits of a float; whoever asks when a sum falls below a number takes a margin."""
DECAYS = {
    "keep": Keep(),
    "half-life": HalfLife(HALF_LIFE),
    "steps": Steps(20, 7 * DAY_MICROS),
    "expiry": Expiry(90),
}


def open_model(decay):
    return model(minimum=-1e9, maximum=1e9, bands=(), groups=(Group("g", (Part("engagement", decay),)),))


def worth(kind: str, amount: float, at: int, now: int) -> float:
    """The reference: what one entry is worth, straight from the words of the manual."""
    age = now - at
    if kind == "half-life":
        return amount * 2 ** -(age / HALF_LIFE)
    if kind == "steps":
        week = 7 * DAY_MICROS
        return amount * 0.8 ** ((now - LANDMARK) // week - (at - LANDMARK) // week)
    if kind == "expiry":
        return amount if now // DAY_MICROS - at // DAY_MICROS < 90 else 0
    return amount


# ── the law: a score is a function of the events ─────────────────────────────────────────────────────────────

TYPES = ("form.submitted", "page.viewed", "email.clicked", "email.unsubscribed", "chat.started")
POINTS = {"form.submitted": 40, "page.viewed": 2.5, "email.clicked": 7, "email.unsubscribed": -50}


@st.composite
def histories(draw):
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(TYPES),
                st.one_of(st.integers(0, 3 * DAY_MICROS), st.integers(0, 700 * DAY_MICROS)),
                st.sampled_from(["a", "b", "c"]),
                st.booleans(),
            ),
            max_size=25,
        )
    )
    return [
        Event(number, kind, NOW - timedelta(microseconds=ago), {"form": form, "machine": machine})
        for number, (kind, ago, form, machine) in enumerate(rows)
    ]


LIMITS = {
    "none": {},
    "once": {"limit": Limit(1)},
    "two-a-day": {"limit": Limit(2, None, "day")},
    "once-per-form": {"limit": Limit(1, says(lambda event, _, __: event.get("form")))},
    "one-per-form-and-week": {"limit": Limit(1, says(lambda event, _, __: event.get("form")), "week")},
    "every-third": {"every": 3},
    "first-three-months": {"since": NOW_MICROS - 300 * DAY_MICROS, "until": NOW_MICROS - 200 * DAY_MICROS},
}


def book(decay: str, limit: str, *, credit: int = 0):
    kinds = DECAYS[decay]
    rules = tuple(points(name, POINTS[name], decay=kinds, **LIMITS[limit]) for name in POINTS)
    return rulebook(rules=rules, engagement=open_model(kinds), campaigns=(), promotion=None, credit=credit)


def fed(batches, rules, now=NOW) -> LeadState:
    """A lead that took in its events batch by batch, stored in between, and counted anew whenever it asked for it."""
    state, seen = LeadState(), []
    for batch in batches:
        seen += batch
        try:
            outcome = decide(state, 1, batch, rules, now)
        except NeedsHistory:
            outcome = decide(state, 1, batch, rules, now, history=seen)
        state = LeadState.load(outcome.state.dump())
    return state


def counted(events, limit, credit=0):
    """The reference: which events count at all, from the whole list."""
    humans = [
        micros(e.at)
        for e in events
        if e.type != "email.unsubscribed" and not (e.type == "email.clicked" and e.properties["machine"])
    ]
    slots, nth = defaultdict(int), Counter()
    for event in sorted(events, key=lambda event: (event.at, event.id)):
        at = micros(event.at)
        if event.type not in POINTS:
            continue
        machine = event.type == "email.clicked" and event.properties["machine"]
        if machine and not any(at <= sign <= at + credit for sign in humans):
            continue
        form, day = event.properties["form"], at // DAY_MICROS
        slot, most = {
            "once": (0, 1),
            "two-a-day": (day, 2),
            "once-per-form": (form, 1),
            "one-per-form-and-week": ((form, (day + 3) // 7), 1),
        }.get(limit, (None, None))
        if limit == "first-three-months" and not NOW_MICROS - 300 * DAY_MICROS <= at < NOW_MICROS - 200 * DAY_MICROS:
            continue
        nth[event.type] += 1
        if limit == "every-third" and nth[event.type] % 3:
            continue
        slots[event.type, slot] += 1
        if most and slots[event.type, slot] > most:
            continue
        yield POINTS[event.type], at


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("decay", DECAYS)
@settings(max_examples=25)
@given(events=histories(), random=st.randoms(use_true_random=False), size=st.integers(1, 7))
def test_a_score_is_the_same_in_every_order_and_batching_and_equals_the_sum_from_scratch(
    events, random, size, decay, limit
) -> None:
    rules = book(decay, limit, credit=DAY_MICROS)
    shuffled = random.sample(events, len(events))
    batches = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]
    state = fed(batches, rules)
    assert state.scores == fed([events], rules).scores or not events
    score = Standing(state, rules, NOW).score("engagement")
    reference = fsum(worth(decay, amount, at, NOW_MICROS) for amount, at in counted(events, limit, DAY_MICROS))
    assert score == pytest.approx(reference, abs=2e-6)


@pytest.mark.parametrize("rows", [((400, 1), (0, 1)), ((400, 1), (0, 1), (0, -1))], ids=["limited", "cancelled"])
def test_what_has_expired_does_not_stay_in_the_state_by_the_order_of_arrival(rows) -> None:
    limit = LIMITS["once"] if len(rows) == 2 else {}
    kinds = {1: "form.submitted", -1: "email.unsubscribed"}
    rules = rulebook(
        rules=tuple(points(kind, 40 * sign, decay=DECAYS["expiry"], **limit) for sign, kind in kinds.items()),
        engagement=open_model(DECAYS["expiry"]),
        campaigns=(),
        promotion=None,
    )
    events = [Event(n, kinds[sign], NOW - ago * DAY, {}) for n, (ago, sign) in enumerate(rows)]
    states = [fed([[event] for event in order], rules).scores for order in permutations(events)]
    assert all(state == states[0] for state in states)
    assert all(int(day) > NOW_MICROS // DAY_MICROS - 90 for day in states[0]["engagement"])


# ── sums ─────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.integers(-10_000, 10_000), st.integers(1, 400), st.integers(0, 3_000))
def test_whole_half_lives_are_exact(amount, days, lives) -> None:
    decay = HalfLife(days * DAY_MICROS)

    def left(at: int) -> float:
        return decay.worth(decay.add(None, units(amount), at), at + lives * decay.length)

    assert left(LANDMARK + 5 * decay.length) == amount / 2**lives
    assert left(LANDMARK + 5 * DAY_MICROS) == pytest.approx(amount / 2**lives, abs=RESOLUTION / 1000)


def test_an_event_from_before_the_landmark_counts_as_what_is_left_of_it() -> None:
    for decay, left in ((HalfLife(HALF_LIFE), 10), (Steps(50, HALF_LIFE), 10)):
        assert decay.worth(decay.add(None, units(80), LANDMARK - 3 * HALF_LIFE), LANDMARK) == left


@pytest.mark.parametrize("decay", DECAYS.values(), ids=DECAYS)
@given(amount=st.integers(-5_000, 5_000), ago=st.integers(0, 2_000 * DAY_MICROS), other=st.integers(0, 80))
def test_what_is_taken_out_again_leaves_no_trace(decay, amount, ago, other) -> None:
    before = decay.add(None, units(7), NOW_MICROS - other * DAY_MICROS)
    at = NOW_MICROS - ago
    assert decay.add(decay.add(before, units(amount), at), -units(amount), at) == before


@pytest.mark.parametrize("kind", ["half-life", "steps", "expiry"])
@given(
    rows=st.lists(st.tuples(st.integers(1, 100), st.integers(0, 80 * DAY_MICROS)), min_size=1, max_size=12),
    threshold=st.integers(1, 99),
)
def test_a_sum_passes_its_threshold_at_the_computed_instant(kind, rows, threshold) -> None:
    decay, total = DECAYS[kind], None
    for amount, ago in rows:
        total = decay.add(total, units(amount), NOW_MICROS - ago)
    at = decay.falls_below(total, threshold, NOW_MICROS)
    if decay.worth(total, NOW_MICROS) < threshold:
        return
    assert at is not None
    assert at > NOW_MICROS
    assert decay.worth(total, at) < threshold + NOISE
    assert decay.worth(total, max(NOW_MICROS, at - 60_000_000)) >= threshold


def test_decay_never_passes_zero() -> None:
    for decay in DECAYS.values():
        total = decay.add(None, units(40), NOW_MICROS)
        if not isinstance(decay, Expiry):
            assert decay.falls_below(total, 0, NOW_MICROS) is None
    assert Keep().falls_below(units(40), 10, NOW_MICROS) is None


@given(st.one_of(st.integers(), st.dictionaries(st.text(), st.integers())))
def test_sums_of_any_size_survive_packing(total) -> None:
    assert unpack(pack(total)) == total


def test_the_state_stays_small_after_years() -> None:
    events = [Event(n, "form.submitted", NOW - n * DAY / 4, {"form": str(n % 9)}) for n in range(4_000)]
    state = fed([events], book("half-life", "two-a-day"))
    assert len(str(state.dump())) < 20_000


# ── groups, ranges, formulas ─────────────────────────────────────────────────────────────────────────────────


def test_every_range_is_kept_when_the_score_is_read_not_while_adding() -> None:
    web = Group("web", (Part("web.a", Keep(), maximum=10), Part("web.b", Keep())), minimum=-5, maximum=12)
    mail = Group("mail", (Part("mail", Keep()),))
    grouped = model(groups=(web, mail), minimum=0, maximum=15, bands=())
    rules = rulebook(
        rules=(
            points("page.viewed", 30, part="web.a", decay=Keep()),
            points("form.submitted", -100, part="web.b", decay=Keep()),
            points("email.clicked", 8, part="mail", decay=Keep()),
        ),
        engagement=grouped,
        campaigns=(),
        promotion=None,
    )

    def score(*kinds):
        state = fed([[Event(n, kind, NOW, {}) for n, kind in enumerate(kinds)]], rules)
        return Standing(state, rules, NOW).score("engagement")

    assert score("page.viewed") == 10
    assert score("page.viewed", "email.clicked") == 15
    assert score("form.submitted", "email.clicked") == 3
    assert score("form.submitted") == 0


def test_a_band_of_several_sums_ends_at_the_right_instant() -> None:
    parts = (Part("fast", HalfLife(DAY_MICROS)), Part("slow", HalfLife(HALF_LIFE)))
    rules = rulebook(
        rules=(
            points("form.submitted", 40, part="fast", decay=HalfLife(DAY_MICROS)),
            points("form.submitted", 40, name="slow", part="slow", decay=HalfLife(HALF_LIFE)),
        ),
        engagement=model(groups=(Group("g", parts),)),
        campaigns=(),
        promotion=None,
    )
    outcome = decide(LeadState(), 1, [Event(1, "form.submitted", NOW, {})], rules, NOW)
    assert outcome.state.bands == {"engagement": "hot"}
    at = outcome.wake_at
    assert Standing(outcome.state, rules, at).score("engagement") < 55
    assert Standing(outcome.state, rules, at - timedelta(microseconds=1)).score("engagement") >= 55 - 2 * RESOLUTION


def test_a_formula_combines_scores_and_its_band_ends_with_theirs() -> None:
    both = replace(
        model(),
        name="priority",
        groups=(),
        formula=says(lambda _, __, facts: facts.score("fit") * 0.5 + facts.score("engagement") * 0.5),
        bands=(Band("high", 45, 42),),
    )
    rules = rulebook(campaigns=(), promotion=None)
    rules = replace(rules, models={**rules.models, "priority": both})
    state = fed([[Event(1, "form.submitted", NOW, {}, {"size": 500})]], rules)
    assert Standing(state, rules, NOW).score("priority") == 50
    outcome = decide(state, 1, [], rules, NOW)
    first = outcome.wake_at
    assert decide(outcome.state, 1, [], rules, first).state.bands.get("priority") is None


# ── bands ────────────────────────────────────────────────────────────────────────────────────────────────────

BANDS = (Band("warm", 30, 20), Band("hot", 70, 55))


@pytest.mark.parametrize(
    ("current", "score", "expected"),
    [
        (None, 29.999999, None),
        (None, 30, "warm"),
        (None, 100, "hot"),
        ("warm", 20, "warm"),
        ("warm", 19.999999, None),
        ("warm", 69, "warm"),
        ("warm", 70, "hot"),
        ("hot", 55, "hot"),
        ("hot", 54, "warm"),
        ("hot", 25, "warm"),
        ("hot", 19, None),
        ("gone-from-the-rules", 25, None),
    ],
)
def test_bands_have_hysteresis(current, score, expected) -> None:
    assert band_at(BANDS, current, score) == expected
