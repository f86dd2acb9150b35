"""What time alone changes: at which instant a lead is looked at again, and that nothing is missed in between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.engine.decide import Outcome, Session, decide
from workers.engine.values import Event, LeadState
from workers.exceptions import NeedsHistory
from workers.rulebook import compile_rulebook

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from workers.engine.rules import Rulebook

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY: Final = timedelta(days=1)
JUST: Final = timedelta(seconds=2)

SCORES: Final = {
    "engagement": """
score: engagement
half_life: 4 days
range: [0, 60]
bands: {warm: {enter: 20, leave: 12}, hot: {enter: 40, leave: 25, hold: 6 hours, cool_down: 2 days}}
rules:
  page: {event: page.viewed, points: 9}
  form: {event: form.submitted, points: 30}
""",
    "mood": """
score: mood
formula: 100 - score("anger")
bands: {calm: {enter: 80, leave: 70}}
""",
    "anger": """
score: anger
decay: {percent: 30, every: 2 days}
rules: {complained: {event: email.complained, points: 45}}
""",
    "trust": """
score: trust
half_life: 6 days
range: [-50, 50]
groups: {web: {range: [-10, 20]}}
bands: {trusting: {enter: 8, leave: 4}}
rules:
  page: {event: page.viewed, points: 6, group: web}
  form: {event: form.submitted, points: 14, decay: none}
  complained: {event: email.complained, points: -25, half_life: 2 days}
  opened: {event: email.opened, points: 5, expire: 5 days}
  ignored: {event: email.bounced, points: -6, expire: 3 days}
""",
    "fresh": """
score: fresh
bands: {new: {enter: 20, leave: 20}}
rules:
  lately: {when: days_since("page.viewed") < 4.5, points: 25}
  much:
    when: count("form.submitted", within="3d") > 0
    points: count("page.viewed", within="6d") * 4
""",
}
CONDITIONS: Final = {
    "at-least": 'score("engagement") >= 15',
    "above": 'score("engagement") > 33.3',
    "below": '18 > score("engagement")',
    "in-between": '5 <= score("engagement") < 10',
    "rising": 'score("trust") >= 0 and score("anger") > 0',
    "calm": 'score("mood") > 77',
    "overtaken": 'score("engagement") > score("anger")',
    "asleep": 'days_since("page.viewed") > 3',
    "just-asleep": 'days_since("page.viewed") >= 2 and not days_since("page.viewed") > 2.25',
    "awake": 'not (days_since("form.submitted") > 6 or days_since("page.viewed") > 6)',
    "newcomer": 'now() - first("page.viewed") < 5',
    "calculated": 'days_since("page.viewed") * 2 - 3 > days_since("form.submitted")',
    "regular": 'count("page.viewed", within="4d") >= 2',
    "once": 'count("page.viewed", within="6h") == 1',
    "curious": 'distinct("page.viewed", "url", within="3d") > 1',
    "more-pages": 'count("page.viewed", within="5d") > count("form.submitted", within="2d") * 2',
    "first-of-late": 'now() - first("page.viewed", within="3d") > 1.5',
    "over-days": 'last("page.viewed", within="4d") - first("page.viewed", within="4d") >= 1',
    "any-of-late": 'first("form.submitted", within="9h") is defined',
    "slowing": 'days_since("page.viewed", within="5d") > 2.5',
    "soon-again": 'days_since("page.viewed", within="30h") <= 20',
    "here-today": 'last("form.submitted", within="50m") is defined',
    "on-trial": "today() <= lead.trial_ends",
    "more-than-before": 'count("page.viewed", within="2d") * 3 > count("page.viewed", within="6d")',
    "mostly-long-ago": 'count("page.viewed") > count("page.viewed", within="4d") * 2',
    "on-the-day": "today() == lead.trial_ends",
    "any-other-day": 'today() != date("2026-03-05") and now() - first("page.viewed") < 9',
    "one-of-two-days": 'today() in [date("2026-03-03"), date("2026-03-06")]',
    "long-ago": 'last("form.submitted") < now() and today() - lead.trial_ends > 3',
    "both": 'segment("asleep") or band("engagement") == "hot"',
}


SINGLE: Final = [name for name, text in CONDITIONS.items() if not {"and", "or", "=="} & {*text.split()}]


def bundle(conditions: Mapping[str, str], scores: Mapping[str, str] = SCORES) -> dict[str, str]:
    segments = "".join(f"  {name}: '{condition}'\n" for name, condition in conditions.items())
    return {
        "rules/account.yaml": 'account: {company: A, zone: America/New_York, currency: EUR, sender: "A <a@a.test>", '
        "address: B}\n",
        "rules/fields.yaml": "fields: {trial_ends: date}\n",
        "rules/events.yaml": "events: {page.viewed: {url: text}, form.submitted: {form: text}}\n",
        "rules/segments.yaml": f"segments:\n{segments}",
        "rules/lifecycle.yaml": 'stages:\n  subscriber: {}\n  quiet: {when: segment("asleep")}\n'
        '  gone: {when: days_since("page.viewed") > 8 and score("engagement") < 3}\n',
        **{f"rules/scoring/{name}.yaml": text for name, text in scores.items()},
    }


RULES: Final = compile_rulebook(bundle(CONDITIONS))
TYPES: Final = ("page.viewed", "form.submitted", "email.complained", "email.opened", "email.bounced")


@st.composite
def histories(draw) -> list[Event]:
    rows = draw(
        st.lists(st.tuples(st.sampled_from(TYPES), st.integers(0, 8 * 86_400), st.sampled_from("ab")), max_size=9)
    )
    return [
        Event(number, kind, NOW + timedelta(seconds=after), {"url": url, "form": url}, {"trial_ends": "2026-03-09"})
        for number, (kind, after, url) in enumerate(sorted(rows, key=lambda row: row[1]))
    ]


def looks(events: list[Event], rules: Rulebook, until: datetime) -> Iterator[tuple[datetime, Outcome]]:
    """Every look at a lead that the running system would take, and what came of it."""
    outcome = decide(LeadState(), 1, (), rules, NOW - DAY)
    yield NOW - DAY, outcome
    for event in [*events, Event(0, "", until)]:
        while outcome.wake_at is not None and outcome.wake_at <= event.at:
            at = outcome.wake_at
            outcome = decide(outcome.state, 1, (), rules, at)
            yield at, outcome
        if event.type:
            outcome = decide(outcome.state, 1, (event,), rules, event.at)
            yield event.at, outcome


def standing(state: LeadState) -> tuple[object, ...]:
    return state.stage, state.segments, state.bands, state.holding, state.cooling


@settings(max_examples=40, deadline=None)
@given(events=histories(), shares=st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_nothing_changes_between_two_looks(events, shares) -> None:
    taken = [*looks(events, RULES, NOW + 60 * DAY)]
    for (began, outcome), (ended, _) in pairwise(taken):
        for at in (*(began + (ended - began) * share for share in shares), ended - JUST):
            if began < at <= ended - JUST:
                between = decide(outcome.state, 1, (), RULES, at)
                assert between.decisions == ()
                assert standing(between.state) == standing(outcome.state)
    assert len(taken) < 60 + 10 * len(events)


def alone(*names: str) -> dict[str, str]:
    """Only these conditions, over scores without bands, and no stages: nothing else makes anybody look."""
    plain = {key: "\n".join(line for line in text.splitlines() if "bands:" not in line) for key, text in SCORES.items()}
    files = bundle({name: CONDITIONS[name] for name in names}, {k: text for k, text in plain.items() if k != "fresh"})
    unneeded = {"rules/lifecycle.yaml"} if names else {"rules/lifecycle.yaml", "rules/segments.yaml"}
    return {path: text for path, text in files.items() if path not in unneeded}


BOOKS: Final = {name: compile_rulebook(alone(name)) for name in SINGLE}


@pytest.mark.parametrize("name", SINGLE)
@settings(max_examples=15, deadline=None)
@given(events=histories())
def test_nobody_is_looked_at_for_nothing(name: str, events) -> None:
    """With a single comparison, each wake-up is when it turns; joined ones are looked at when a part of them does."""
    rules = BOOKS[name]
    for at, outcome in looks(events, rules, NOW + 60 * DAY):
        if at not in {NOW - DAY, *(event.at for event in events)}:
            assert [decision.kind for decision in outcome.decisions] == ["segmented"], f"nothing at {at}"


def test_what_the_clock_alone_turns_does_not_depend_on_who_was_looked_at_before() -> None:
    files = alone() | {"rules/segments.yaml": "segments: {day: 'today() == date(\"2026-03-05\")'}\n"}
    shared, days = compile_rulebook(files), [NOW + n * DAY / 2 for n in (0, 9, 3, 8, 7, 10, 20, 1)]
    for at in days:
        assert decide(LeadState(), 1, (), shared, at) == decide(LeadState(), 1, (), compile_rulebook(files), at)


# ── in campaigns ──────────────────────────────────────────────────────────────────────────────────────────────────


def journeys() -> dict[str, str]:
    """For each condition a campaign that ends by it, one that waits for it, and one that is for it."""
    parts = {"exit": "exit: [{{when: '{}'}}]\nsteps: [{{wait: 30 days}}]\n",
             "until": "steps: [{{wait_until: {{when: '{}', at_most: 30 days}}}}]\n",
             "goal": "goal: {{when: '{}', within: 20 days, leave: false}}\nsteps: [{{wait: 1 day}}]\n"}  # fmt: skip
    return {
        f"rules/campaigns/{name}-{what}.yaml": f"campaign: {name}-{what}\nenter: {{event: form.submitted}}\n"
        + text.format(condition)
        for name, condition in CONDITIONS.items()
        if "segment" not in condition
        for what, text in parts.items()
    }


JOURNEYS: Final = compile_rulebook(alone() | journeys())


@settings(max_examples=40, deadline=None)
@given(events=histories(), share=st.floats(0, 1))
def test_runs_go_on_and_end_when_time_turns_what_they_wait_for(events, share) -> None:
    """Whenever somebody looks between two looks, nothing has happened that was not noticed at its instant."""
    for (began, outcome), (ended, _) in pairwise([*looks(events, JOURNEYS, NOW + 40 * DAY)]):
        for at in (began + (ended - began) * share, ended - JUST):
            if began < at <= ended - JUST:
                assert decide(outcome.state, 1, (), JOURNEYS, at).decisions == ()


# ── sessions ───────────────────────────────────────────────────────────────────────────────────────────────────────


ASKS_IN_OTHER_WAYS: Final = {"overtaken", "calm"}
"""With one of these, a session has to look at where the lead stands with every event."""
CALM: Final = compile_rulebook(
    bundle(
        {name: text for name, text in CONDITIONS.items() if name not in ASKS_IN_OTHER_WAYS},
        {name: text for name, text in SCORES.items() if name != "mood"},
    )
)


LED: Final = compile_rulebook(
    bundle({"gone": 'stage() == "gone"', "regular": CONDITIONS["regular"]}, {"engagement": SCORES["engagement"]})
    | {
        "rules/lifecycle.yaml": "stages: {subscriber: {}, quiet: {}, gone: {}}\n",
        "rules/campaigns/led.yaml": "campaign: led\nenter: {event: form.submitted}\nagain: 1 hour\n"
        "steps: [{wait: 1 hour}, {stage: gone}, {wait: 5 hours}, {stage: quiet}]\n",
        "rules/campaigns/often.yaml": "campaign: often\nenter: {schedule: day 09:00, when: 'stage() == \"quiet\"'}\n"
        "again: 1 hour\nsteps: [{wait: 3 hours}]\n",
    }
)
"""Stages are changed by a campaign."""


def test_there_is_a_rulebook_that_is_not_loose() -> None:
    assert not any(watch.loose for watch in LED.watched.values())
    assert not any(watch.loose for watch in CALM.watched.values())
    assert any(watch.loose for watch in RULES.watched.values())


@pytest.mark.parametrize("stops", [False, True], ids=["unbounded", "bounded"])
@pytest.mark.parametrize("rules", [RULES, CALM, JOURNEYS, LED], ids=["loose", "tight", "journeys", "led"])
@settings(max_examples=40, deadline=None)
@given(events=histories(), delays=st.lists(st.integers(0, 3 * 86_400), min_size=9, max_size=9))
def test_a_session_decides_as_separate_calls_do(rules: Rulebook, stops, events, delays) -> None:
    """Events come late, and the lead is looked at whenever it wants to be; the session may know when the next comes."""
    late = [timedelta(seconds=seconds if seconds % 3 == 0 else 0) for seconds in delays]
    heard = sorted((event.at + each, event) for event, each in zip(events, late, strict=False))
    session, state, due, log = Session(LeadState(), 1, rules), LeadState(), None, []
    looked = [*heard, (NOW + 40 * DAY, None)]
    for (at, event), (following, _) in zip(looked, [*looked[1:], looked[-1]], strict=True):
        while due is not None and due <= at:
            ours, theirs = session.decide((), due, stop=at if stops else None), decide(state, 1, (), rules, due)
            assert (ours.decisions, ours.state) == (theirs.decisions, theirs.state)
            state, due = theirs.state, theirs.wake_at
            assert session.wake_at() == due
        if event is None:
            return
        log.append(event)
        try:
            theirs = decide(state, 1, (event,), rules, at)
        except NeedsHistory:
            theirs = decide(state, 1, (event,), rules, at, history=log)
        stop = following if stops else None
        try:
            ours = session.decide((event,), at, stop=stop)
        except NeedsHistory:
            ours = session.decide((event,), at, history=log, stop=stop)
        assert (ours.decisions, ours.state) == (theirs.decisions, theirs.state)
        state, due = theirs.state, theirs.wake_at
        if stops and due is not None and due <= following:
            assert ours.wake_at == due
        state = LeadState.load(state.dump())
