"""States that another version of the program has written, earlier or newer."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from tests.conftest import NOW
from tests.workers.changing import ANN, HOUR, World
from tests.workers.processing import append, event, newsletter
from workers.engine import values
from workers.store import leads, status
from workers.store.json import dumps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from workers.store.leads import Lead


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


RECORDED = {
    "fields": {"email": "ann@acme.test", "first_name": "Ann", "size": 200, "title": "Chief", "budget": 9},
    "told": {
        "email": [1772107200000000, 1], "first_name": [1772107200000000, 1], "size": [1772107200000000, 1],
        "title": [1772280000000000, 4], "budget": [1772280000000000, 4],
    },
    "scores": {"engagement": "5f7f84e57e41p14"},
    "bands": {"engagement": "hot"},
    "stage": "opportunity",
    "staged": 1772280000000000,
    "enrolments": {
        "welcome": ["w1", 1, 1772193600000000, "case-study", None, "exited", "stage opportunity"],
        "nurture": ["n1", 1, 1772193600000000, "two", 1772193600000000, "", ""],
    },
    "promotions": 1,
    "recent": [[1772107200000000, 1, "form.submitted", 40], [1772193600000000, 2, "page.viewed", 5]],
    "events": 4,
    "last": 1772280000000000,
    "missing": [],
    "format": 1,
}  # fmt: skip
"""As the first release wrote it, when a score was one sum."""


def test_a_state_of_the_first_format_keeps_where_the_lead_stands_and_is_counted_anew(world: World):
    append(world.engine, newsletter(1), event(2), event(3), event(4))
    world.work()
    with world.engine.begin() as conn:
        conn.execute(
            text("UPDATE leads SET state = CAST(:state AS jsonb), scoring = '', wake_at = NULL"),
            {"state": dumps(RECORDED)},
        )
    loaded = world.state()
    assert (loaded.scores, loaded.recent, loaded.scoring) == ({}, [], "")
    assert (loaded.stage, loaded.promotions, loaded.bands) == ("opportunity", 1, {"engagement": "hot"})
    assert loaded.enrolments["welcome"].outcome == "exited"
    assert world.sweep(NOW).outdated == 1
    assert world.work().recounted == 1
    state = world.state()
    assert (state.events, state.stage, state.promotions) == (4, "opportunity", 1)
    assert world.score("old") == pytest.approx(55, rel=0.01)
    assert state.fields == {"email": "ann@acme.test"}  # what the log tells
    assert state.enrolments["welcome"] == loaded.enrolments["welcome"]


# ── two versions side by side ────────────────────────────────────────────────────────────────────────────────


@contextmanager
def next_release() -> Iterator[None]:
    """Workers are of a version that reads states of today's format, and writes them in the next."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(values, "COUNTED_OTHERWISE", {**values.COUNTED_OTHERWISE, values.STATE_FORMAT: ()})
        patch.setattr(values, "STATE_FORMAT", values.STATE_FORMAT + 1)
        yield


def ann(world: World) -> Lead:
    with world.engine.connect() as conn:
        found = leads.find(conn, ANN)
    assert found is not None
    return found


def test_workers_leave_the_leads_of_a_newer_version_waiting_and_nothing_is_lost(world: World, caplog):
    append(world.engine, event(1), event(2, "ben"))
    world.work()
    append(world.engine, event(3))
    with next_release():
        world.work()
    seen, now = ann(world), NOW
    for n in range(10, 16):  # more often than an event may fail
        append(world.engine, event(n), event(n + 10, "ben"))
        done = world.work(now)
        assert (done.events, done.held, done.quarantined) == (1, n - 9, 0)
        now += HOUR
    left = ann(world)
    assert (left.state, left.failures) == (seen.state, 6)
    with world.engine.connect() as conn:
        assert set(conn.scalars(text("SELECT attempts FROM inbox"))) == {0}
        assert (status.read(conn, now).stuck, status.read(conn, now).held) == (1, 6)
    told = [record for record in caplog.records if record.getMessage() == "lead_stuck"]
    assert len(told) == 6

    with next_release():
        done = world.work(now)
        assert (done.events, done.held, done.failed) == (6, 0, 0)
        assert world.state().events == 8
    assert ann(world).failures == 0
    assert world.state("email:ben@acme.test").events == 7


def test_a_newer_version_goes_on_with_the_leads_of_this_one(world: World):
    append(world.engine, event(1))
    world.work()
    before = world.state()
    append(world.engine, event(2))
    with next_release():
        done = world.work()
        assert (done.events, done.recounted) == (1, 0)
        assert world.state().events == before.events + 1
