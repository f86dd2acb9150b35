"""Nothing that `check` accepts fails in the engine: rules edited and put together at random, on any events."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.workers.rulebook.full import FULL
from tests.workers.rulebook.validity import complaints
from workers.engine.decide import decide
from workers.engine.values import Event, LeadState
from workers.exceptions import NeedsHistory, RulebookError
from workers.rulebook import check, compile_rulebook

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

# ── whatever is accepted runs ────────────────────────────────────────────────────────────────────────────────

PIECES = [
    "", " ", "\n", "  ", "- ", ":", "{", "}", "[", "]", "'", '"', "#", "&a ", "*a", "0", "-1", "99999999", "1.5",
    "true", "null", "x", "when: true", "event: email.opened", "stage: lead", "points: -10000", "half_life: 1 day",
    "3660 days", "1 second", "again: 1 second", "{stage: subscriber}", "lead.employees / 0", "lead.first_name",
    "now() > now()", 'score("engagement") > 5', 'band("engagement") == "hot"', "stage() is none", "all: true",
    "range: [-5, 1000000]", "- wait: 1 second\n", "- end: x\n", "- send: welcome/hello\n", "enter: 0.5", "leave: -3",
    "amount: 1e14", "limit: once", "3 per day", "once per event.form", "1 per 1 minute", "100 per event.url",
    "every: 2", "expire: 1 day", "decay: {percent: 99, every: 1 day}", "decay: none", "range: [-5, 5]", "group: web",
    "from: 2026-01-01", 'count("page.viewed", within="1 minute")', 'distinct("form.submitted", "form")',
    'segment("north")', 'last("crm.lost")', 'first("page.viewed", within="3h") < now()',
    'days_since("form.submitted", within="9d") > 1', "between: [-10, 10]", "first", "last", "highest", "union",
    "datetime", "zone", "list of integer", "cap: 1 per day", "terminal: true", "back_from: lead", "hold: 1 second",
    "1 business hour",
]  # fmt: skip
EDITS = st.lists(
    st.tuples(st.sampled_from(sorted(FULL)), st.floats(0, 1), st.integers(0, 30), st.sampled_from(PIECES)),
    min_size=1,
    max_size=3,
)
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5), st.sampled_from(["demo", "newsletter", "ann@acme.test", 500, "DE", "ml", "later", "/pricing"]),
    st.lists(st.integers(), max_size=2),
)  # fmt: skip
KINDS = [
    "form.submitted", "trial.started", "email.opened", "email.clicked", "email.replied", "email.bounced", "crm.won",
    "crm.lost", "email.unsubscribed", "page.viewed", "order.placed", "webinar.attended", "content.downloaded",
]  # fmt: skip
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.integers(0, 10_000),
        st.dictionaries(st.sampled_from(["form", "plan", "machine", "kind", "url", "amount"]), VALUES, max_size=3),
        st.dictionaries(
            st.sampled_from(["email", "first_name", "employees", "country", "interests", "seats", "timeline"]),
            VALUES,
            max_size=4,
        ),
    ),
    max_size=8,
).map(
    lambda told: [
        Event(number, kind, NOW - timedelta(hours=ago), properties, lead)
        for number, (kind, ago, properties, lead) in enumerate(told, 1)
    ]
)


def edited(edits) -> dict[str, str]:
    """The full rulebook with a few of its lines or letters replaced."""
    bundle = dict(FULL)
    for path, where, length, piece in edits:
        text = bundle[path]
        at = int(where * len(text))
        bundle[path] = text[:at] + piece + text[at + length :]
    return bundle


def run(rulebook, events) -> LeadState:
    """A lead through its events one by one, its state stored in between, and a year and a half on."""
    state, now = LeadState(), NOW
    for count in range(len(events) + 1):
        new, history = events[count : count + 1], events[: count + 1]
        state = LeadState.load(decided(state, new, history, rulebook, now).state.dump())
    return decided(state, [], events, rulebook, NOW + timedelta(days=500)).state


def decided(state, new, history, rulebook, now):
    try:
        return decide(state, 1, new, rulebook, now)
    except NeedsHistory:
        return decide(state, 1, new, rulebook, now, history=history)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EDITS, EVENTS)
def test_whatever_is_accepted_runs_and_is_valid_for_editors(edits, events):
    bundle = edited(edits)
    problems = check(bundle)
    for problem in problems:
        assert problem.line <= bundle.get(problem.file, "").count("\n") + 1
        assert problem.code
        assert problem.text
        assert problem.hint, f"{problem} says not what to do"
    if not problems:
        run(compile_rulebook(bundle), events)
        for path in bundle:
            assert complaints(path, bundle[path]) == []


@settings(max_examples=100, deadline=None)
@given(events=EVENTS)
def test_every_word_runs_on_any_events(full, events):
    whole = decided(LeadState(), events, events, full, NOW)
    decided(whole.state, [], events, full, whole.wake_at or NOW)
    run(full, events)


# ── rules put together at random ─────────────────────────────────────────────────────────────────────────────

NUMBERS = st.integers(-20, 60)
DECAYS = st.sampled_from(
    [{}, {"half_life": "1 day"}, {"half_life": "30 days"}, {"decay": {"percent": 99, "every": "1 day"}},
     {"decay": {"percent": 1, "every": "90 days"}}, {"expire": "1 day"}, {"expire": "90 days"}, {"decay": "none"}]
)  # fmt: skip
RANGES = st.tuples(st.integers(-50, 0), st.integers(1, 100)).map(list)
EVENT_RULES = st.builds(
    lambda rule, decay, points: {**rule, **decay, **points},
    st.fixed_dictionaries(
        {"event": st.sampled_from(KINDS)},
        optional={
            "when": st.sampled_from(["true", "not false", "1 < 2"]),
            "limit": st.sampled_from(["once", "2 times", "1 per day", "2 per hour", "3 per 5 days", "1 per month"]),
            "every": st.integers(2, 4),
            "from": st.just("2026-01-01"),
            "until": st.sampled_from(["2026-02-01", "2026-02-20T12:00:00Z"]),
            "group": st.just("web"),
            "range": RANGES,
        },
    ),
    DECAYS,
    st.one_of(
        st.fixed_dictionaries({"points": NUMBERS}),
        st.fixed_dictionaries({"points": st.sampled_from(["5 / 2", "7 if true else 1"]), "between": RANGES}),
    ),
)
PROFILE_RULES = st.fixed_dictionaries(
    {
        "when": st.sampled_from(
            ["lead.employees > 5", 'segment("north")', 'count("page.viewed", within="3d") > 1', "lead.seats is none",
             'days_since("form.submitted") < 100', '"ml" in lead.interests', 'today() > date("2026-02-01")',
             'last("page.viewed", within="9d") - first("page.viewed", within="9d") > 1',
             'first("form.submitted", within="90m") is defined', 'days_since("email.clicked", within="40h") >= 1']
        ),
        "points": st.one_of(NUMBERS, st.sampled_from([
            "lead.seats * 2", "lead.seats / (lead.employees - 5)", 'count("email.clicked")',
            'days_since("page.viewed", within="30d")', '(now() - first("email.clicked", within="20d")) * 2',
        ])),
    },
    optional={"group": st.just("web")},
)  # fmt: skip
SCORES = st.builds(
    lambda rules, decay, head: {
        "score": "made",
        "groups": {"web": {"range": [-10, 30]}},
        **head,
        **decay,
        "rules": rules,
    },
    st.dictionaries(st.sampled_from("abcdef"), st.one_of(EVENT_RULES, PROFILE_RULES), max_size=5),
    DECAYS,
    st.fixed_dictionaries(
        {},
        optional={
            "range": RANGES,
            "bands": st.sampled_from(
                [
                    {"low": {"enter": 1, "leave": 1}},
                    {"low": {"enter": 5, "leave": 2, "hold": "1 hour", "cool_down": "2 days"}},
                ]
            ),
        },
    ),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SCORES, EVENTS)
def test_scores_made_at_random_run_the_same_in_one_go_and_in_many(score, events):
    """Only what makes no sense is refused; whatever is accepted runs, and how events are batched changes no score."""
    bundle = {**FULL, "rules/scoring/made.yaml": json.dumps(score)}
    try:
        rulebook = compile_rulebook(bundle)
    except RulebookError as error:
        codes = {problem.code for problem in error.problems}
        assert codes <= {"useless-key", "too-many-keys", "never-entered", "never-true"}
        return
    assert complaints("rules/scoring/made.yaml", bundle["rules/scoring/made.yaml"]) == []
    whole = decided(LeadState(), events, events, rulebook, NOW).state
    state = LeadState()
    for count in range(len(events)):
        state = LeadState.load(
            decided(state, events[count : count + 1], events[: count + 1], rulebook, NOW).state.dump()
        )
    assert {name: value for name, value in state.scores.items() if value} == {
        name: value for name, value in whole.scores.items() if value
    }
    assert (state.counts, state.grains) == (whole.counts, whole.grains)
