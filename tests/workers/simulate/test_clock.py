"""The virtual clock."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workers.engine.builders import (
    DAY,
    NOW,
    NURTURE,
    PROMOTION,
    WELCOME,
    model,
    points,
    rulebook,
    says,
)
from workers.engine.decide import decide
from workers.engine.rules import Band, Owner
from workers.engine.values import LeadState
from workers.simulate import BadLine, Heard, read_line, run
from workers.simulate.population import as_event


def heard(at: float, kind: str, *who: str, key: str | None = None, lead: dict | None = None, **properties) -> Heard:
    """An event so many days after NOW."""
    identities = tuple(each if ":" in each else f"email:{each}@acme.test" for each in who or ("ann",))
    instant = NOW + timedelta(days=at)
    return Heard(instant, instant, kind, identities, ("test", key) if key else None, properties, lead or {})


def newsletter(at: float, *who: str) -> Heard:
    return heard(at, "form.submitted", *who, form="newsletter")


# ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_wait_ends_at_its_instant_and_not_at_the_next_event():
    done = run([newsletter(0), heard(5, "page.viewed")], rulebook(promotion=None))
    assert [(mail.template, mail.at) for mail in done.mails] == [
        ("welcome/hello", NOW),
        ("welcome/case-study", NOW + 2 * DAY),
    ]


def test_the_clock_stops_with_the_last_event_unless_told_otherwise():
    rules = rulebook(promotion=None)
    assert len(run([newsletter(0)], rules).mails) == 1
    assert len(run([newsletter(0)], rules, NOW + 2 * DAY).mails) == 2
    early = run([newsletter(0), newsletter(1, "bob")], rules, NOW + DAY / 2)
    assert (early.counts["after-the-end"], len(early.people)) == (1, 1)


def test_events_are_heard_in_the_order_of_their_times():
    events = [heard(at, "page.viewed", str(at % 3)) for at in range(12)]
    random.Random(1).shuffle(events)
    shuffled, straight = run(events, rulebook()), run(sorted(events), rulebook())
    assert [person.state.scores for person in shuffled.people] == [person.state.scores for person in straight.people]


def test_a_band_is_left_by_itself():
    rules = rulebook(engagement=model(bands=(Band("warm", 30, 20),)), campaigns=(), promotion=None)
    done = run([heard(0, "form.submitted")], rules, NOW + 40 * DAY)
    (person,) = done.people
    assert person.state.bands == {}
    left = [decision.at for _, decision in done.decisions if decision.kind == "banded"][-1]
    assert abs(left - NOW - 30 * DAY) < timedelta(seconds=2)
    assert done.counts["wake-ups"] == 1


def test_a_rulebook_that_wakes_at_once_again_does_not_stop_the_clock():
    """Hold of less than the least wait: the clock moves on all the same."""
    rules = rulebook(engagement=model(bands=(Band("warm", 30, 20, hold=1),)), campaigns=(), promotion=None)
    done = run([heard(0, "form.submitted")], rules, NOW + DAY)
    assert next(iter(done.people)).state.bands == {"engagement": "warm"}


@given(st.lists(st.tuples(st.floats(0, 60), st.sampled_from("abc"), st.booleans()), max_size=15))
def test_every_lead_is_as_if_it_were_alone_and_decided_on_event_by_event(rows):
    rules = rulebook(campaigns=(WELCOME, NURTURE), rules=(points("form.submitted", 15), points("page.viewed", 5)))
    events = [newsletter(at, who) if asks else heard(at, "page.viewed", who) for at, who, asks in sorted(rows)]
    done = run(events, rules, NOW + 61 * DAY)
    for name in {who for _, who, _ in rows}:
        alone = run([each for each in events if each.identities == (f"email:{name}@acme.test",)], rules, NOW + 61 * DAY)
        (single,) = alone.people
        together = done.people.find(f"email:{name}@acme.test")
        assert together is not None
        ours, theirs = together.state.dump(), single.state.dump()
        for state in (ours, theirs):
            for numbered in ("told", "recent"):  # hold the numbers of events
                state.pop(numbered, None)
        assert ours == theirs


def test_it_is_the_engine_that_decides():
    rules, events = rulebook(promotion=None), [newsletter(0), heard(1, "page.viewed")]
    done, state = run(events, rules), LeadState()
    for number, each in enumerate(events, 1):
        state = decide(state, 1, [as_event(number, each)], rules, each.at).state
    assert next(iter(done.people)).state == state


# ── history ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_late_event_makes_the_lead_be_counted_anew_from_its_log():
    rules = rulebook(rules=(points("page.viewed", 9, every=2),), campaigns=(), promotion=None)
    late = heard(0.5, "page.viewed")._replace(happened=NOW - DAY)
    done = run([heard(0, "page.viewed"), late, heard(1, "page.viewed")], rules)
    assert done.counts["recounts"] == 1
    assert done.kinds["recounted"] == 1


def test_a_duplicate_is_counted_and_left_out():
    done = run([heard(0, "page.viewed", key="1"), heard(1, "page.viewed", key="1")], rulebook())
    assert (done.counts["duplicates"], done.counts["events"]) == (1, 1)


# ── who is who ───────────────────────────────────────────────────────────────────────────────────────────────


def test_identities_join_a_lead_and_conflicts_are_counted():
    done = run(
        [
            heard(0, "page.viewed", "user:1"),
            heard(1, "page.viewed", "user:1", "ann"),
            heard(2, "page.viewed", "ann"),
            heard(3, "page.viewed", "bob"),
            heard(4, "page.viewed", "ann", "bob"),
            heard(5, "page.viewed", "message:mail:1:welcome:1:hello"),
        ],
        rulebook(),
    )
    assert [person.identities for person in done.people] == [["user:1", "email:ann@acme.test"], ["email:bob@acme.test"]]
    assert [person.state.events for person in done.people] == [4, 1]
    assert (done.people.conflicts, done.counts["unknown-message"]) == (1, 1)


# ── owners ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_owners_take_turns_by_weight_and_cap():
    owners = (Owner("ana@x.test", 2, cap=2, cap_days=1), Owner("ben@x.test", 1, cap=1, cap_days=1))
    rule = replace(PROMOTION, at_least=0, when=says(lambda *_: True), owners=owners, fallback="boss@x.test")
    rules = rulebook(rules=(points("form.submitted", 80),), promotion=rule, campaigns=())
    done = run([heard(n / 100, "form.submitted", f"p{n}") for n in range(5)] + [heard(2, "form.submitted", "z")], rules)
    assert [each.opportunity["owner"].partition("@")[0] for each in done.promotions] == [
        "ana", "ana", "ben", "boss", "boss", "ana",
    ]  # fmt: skip


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────────────

AT = '"type": "a.b", "occurred_at": "2026-03-02T09:00:00Z"'
LINES = {
    '"email": "Ann@Acme.test "': ("email:ann@acme.test",),
    '"subject": "user:7", "identities": ["user:7", "email:A@b.test"]': ("user:7", "email:a@b.test"),
    '"identities": {"user": 7, "phone": null}': ("user:7",),
    '"email": "a@b.test", "identities": ["user:7"]': ("email:a@b.test", "user:7"),
}


@pytest.mark.parametrize("line", LINES)
def test_who_a_line_is_about(line: str) -> None:
    assert read_line(f"{{{AT}, {line}}}").identities == LINES[line]


def test_an_event_never_happened_after_it_was_heard_of():
    read = read_line(
        '{"type": "a", "email": "a@b.test", "occurred_at": "2026-03-03T09:00:00Z", '
        '"received_at": "2026-03-02T09:00:00Z"}'
    )
    assert read.happened == read.at


@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_no_line_crashes_it(line: bytes) -> None:
    with suppress(BadLine):
        read_line(line)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(
    st.dictionaries(
        st.sampled_from(["type", "occurred_at", "email", "identities", "subject", "lead", "source"]), VALUES
    )
)
def test_no_object_crashes_it(said: dict) -> None:
    import orjson

    with suppress(BadLine, orjson.JSONEncodeError):
        read_line(orjson.dumps(said))
