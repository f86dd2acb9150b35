"""What campaigns change comes back as events of our own: once, to the right lead, and as history like all others."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from tests.conftest import NOW
from tests.workers.processing import InForce, append, event
from tests.workers.rulebook.base import BASE
from workers.clock import SteppedClock
from workers.engine.standing import Standing
from workers.engine.values import LeadState
from workers.pipeline import Processed, process_slice
from workers.rulebook import compile_rulebook
from workers.simulate.clock import run as simulate
from workers.simulate.heard import Heard
from workers.store import decisions, events, identities, leads, outbox
from workers.store.slices import SLICES

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from workers.engine.rules import Rulebook

CAMPAIGN = """\
campaign: deeds
enter: {event: trial.started}
steps:
  - set_field: {field: country, value: DE}
  - add_score: {model: engagement, points: 15}
  - branch:
      - when: lead.country == "DE" and score("engagement") >= 35
        steps: [{webhook: {hook: signed, fields: [country]}}]
  - notify: {hook: slack-sales, text: "{{ lead.country }}"}
  - wait: 1 day
  - set_field: {field: employees, expression: 7}
  - end: done
"""
RULES = compile_rulebook(BASE | {"rules/campaigns/deeds.yaml": CAMPAIGN})
NOBODY = "user:4711"
SECOND = timedelta(seconds=1)


def run(engine: Engine, rules: Rulebook = RULES, after: timedelta = timedelta()) -> Processed:
    total = Processed()
    for slice_ in range(SLICES):
        total += process_slice(engine, slice_, InForce(rules), SteppedClock(NOW + after))
    return total


def state_of(engine: Engine, identity: str) -> LeadState:
    with engine.connect() as conn:
        lead = leads.find(conn, identity)
        assert lead is not None
        return LeadState.load(lead.state)


@pytest.mark.parametrize("who", [NOBODY, "email:ann@acme.test"])
def test_a_step_changes_the_lead_in_the_same_run(engine: Engine, who: str):
    append(engine, event(0, who, type_="trial.started"))
    done = run(engine)
    state = state_of(engine, who)
    with engine.connect() as conn:
        lead = leads.find(conn, f"dripline:{leads.find(conn, who).id}")
        log = events.history(conn, lead.id)
        rows = outbox.rows(conn, 9)
    assert (done.events, done.recorded, done.failed, done.more) == (3, 2, 0, frozenset())
    assert state.fields.get("country") == "DE"
    assert Standing(state, RULES, NOW).score("engagement") == 35
    assert [(e.source, e.type, e.subject) for e in log[1:]] == [
        ("dripline", "lead.updated", f"dripline:{lead.id}"),
        ("dripline", "score.adjusted", f"dripline:{lead.id}"),
    ]
    assert {(row.channel, row.provider, row.state) for row in rows} == {
        ("webhook", "signed", "pending"), ("webhook", "slack-sales", "pending"),
    }  # fmt: skip
    assert done.channels == {"webhook"}


def test_the_rest_comes_when_it_is_due(engine: Engine):
    append(engine, event(0, NOBODY, type_="trial.started"))
    run(engine)
    done = run(engine, after=timedelta(days=1))
    state = state_of(engine, NOBODY)
    assert (done.woken, done.recorded, done.events) == (1, 1, 1)
    assert (state.fields["employees"], state.enrolments["deeds"].reason) == (7, "done")


def test_nothing_is_told_twice_whoever_asks_for_it_again(engine: Engine):
    append(engine, event(0, NOBODY, type_="trial.started"))
    run(engine)
    with engine.begin() as conn:  # the lead is as it was when it stood at the first step, due once more
        conn.execute(
            text("""
                UPDATE leads SET wake_at = :now, state = jsonb_set(
                    jsonb_set(state, '{enrolments,deeds,3}', '"set-field-country"'),
                    '{enrolments,deeds}',
                    jsonb_build_array(
                        state #> '{enrolments,deeds,0}', 1, state #> '{enrolments,deeds,2}', 'set-field-country',
                        state #> '{enrolments,deeds,2}', '', ''
                    )
                ) #- '{fields,country}'
            """),
            {"now": NOW},
        )
    done = run(engine, after=SECOND)
    with engine.connect() as conn:
        logged = conn.scalar(text("SELECT count(*) FROM events WHERE type = 'lead.updated'"))
    assert (done.recorded, logged) == (0, 1)
    late = run(engine, after=timedelta(hours=2))  # its event does not come again, and the run goes on without
    with engine.connect() as conn:
        lead = leads.find(conn, NOBODY)
        said = [d.detail.get("reason") for d in decisions.story(conn, lead.id) if d.kind == "skipped"]
    assert late.woken == 1
    assert "not-heard" in said


def test_the_score_is_counted_from_the_log_alone(engine: Engine):
    append(engine, event(0, NOBODY, type_="trial.started"))
    run(engine)
    other = replace(RULES, scoring="other", version="other")
    append(engine, event(1, NOBODY))
    assert run(engine, other, SECOND).recounted == 1
    state = state_of(engine, NOBODY)
    assert round(Standing(state, other, NOW).score("engagement"), 3) == 35
    assert state.fields["country"] == "DE"


def test_in_memory_it_is_the_same(engine: Engine):
    append(engine, event(0, NOBODY, type_="trial.started"))
    run(engine)
    run(engine, after=timedelta(days=1))
    heard = Heard(NOW, NOW, "trial.started", (NOBODY,), None, {}, {})
    (person,) = simulate([heard], RULES, NOW + timedelta(days=1)).people
    stored = state_of(engine, NOBODY)
    for part in ("fields", "scores", "stage", "enrolments", "bands"):
        assert getattr(stored, part) == getattr(person.state, part), part


def test_a_log_that_is_played_again_does_not_count_our_own_events_twice():
    own = Heard(NOW, NOW, "score.adjusted", ("dripline:7",), ("dripline", "record:7:deeds:1:x"), {"points": 9}, {})
    heard = Heard(NOW, NOW, "trial.started", (NOBODY,), None, {}, {})
    result = simulate([heard, own], RULES, NOW)
    assert (len(result.people), result.counts["own"]) == (1, 1)


def test_a_lead_is_named_by_its_number_alone(engine: Engine):
    append(engine, event(0, NOBODY, type_="trial.started"), event(1, "user:2", type_="trial.started"))
    run(engine)
    with engine.connect() as conn:
        for who in (NOBODY, "user:2"):
            lead = leads.find(conn, who)
            assert identities.of_lead(conn, lead.id) == [f"dripline:{lead.id}", who]
