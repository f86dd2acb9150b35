"""Kills, lost connections and competition: every event counts once whatever happens."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event as listening
from sqlalchemy import text

from tests.conftest import NOW, connected
from tests.workers.processing import BOOK, RULES, append, event, newsletter, picture, run
from workers.clock import SteppedClock
from workers.engine.decide import decide
from workers.engine.values import Event, LeadState
from workers.exceptions import StoreUnavailable
from workers.pipeline import process_slice
from workers.store import leads, outbox
from workers.store.slices import SLICES, slice_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine

ANN = "email:ann@acme.test"


class Crash(BaseException):
    """Like a kill: nothing may catch it."""


def crash(_conn: Connection) -> None:
    raise Crash


def terminate(conn: Connection) -> None:
    """End the server's side of the connection, as a restart of PostgreSQL does."""
    pid = conn.connection.driver_connection.info.backend_pid
    with connected(conn.engine.url.render_as_string(hide_password=False)) as engine, engine.begin() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})


@contextmanager
def sabotaged(url: str, at: int, how: Callable[[Connection], None]) -> Iterator[Engine]:
    """An engine on which `how` happens before statement number `at` (COMMIT counts as one)."""
    statements = count()

    def look(conn: Connection, *_: object) -> None:
        if next(statements) == at:
            how(conn)

    with connected(url) as engine:
        listening.listen(engine, "before_cursor_execute", look)
        listening.listen(engine, "commit", look)
        yield engine


@pytest.mark.parametrize("how", [crash, terminate])
@pytest.mark.parametrize("known", [True, False], ids=["known lead", "new lead"])
def test_a_crash_before_any_statement_loses_and_doubles_nothing(database_url: str, engine: Engine, how, known):
    for at in range(99):
        name = "ann" if known else f"new{at}"
        append(engine, newsletter(at * 10 + 1, name), event(at * 10 + 2, name), event(at * 10 + 3, name, f"phone:{at}"))
        with sabotaged(database_url, at, how) as victim:
            try:
                process_slice(victim, slice_of(f"email:{name}@acme.test"), RULES, SteppedClock(NOW), batches=1)
                survived = True
            except (Crash, StoreUnavailable):
                survived = False
        run(engine, slices=[slice_of(f"email:{name}@acme.test")])
        with engine.connect() as conn:
            lead = leads.find(conn, f"email:{name}@acme.test")
            assert lead.state["events"] == (3 * (at + 1) if known else 3)
            assert [row.key for row in outbox.rows(conn, 9, lead_id=lead.id)] == [f"mail:{lead.id}:welcome:1:hello"]
            logged = text("SELECT count(*) FROM decisions WHERE lead_id = :id AND kind = 'scored'")
            assert conn.scalar(logged, {"id": lead.id}) == lead.state["events"]
        if survived:
            break
    assert at > (7 if known else 9)


STORY = [
    *(newsletter(n, f"p{n % 7}") for n in range(30)),
    *(event(100 + n, f"p{n % 11}") for n in range(60)),
    *(event(200 + n, f"cookie:{n % 5}", f"p{n % 5}") for n in range(20)),
    *(event(300 + n, f"cookie:{n % 5}") for n in range(20)),
]


def test_four_threads_come_to_the_same_as_one(database_url: str, engine: Engine):
    append(engine, *STORY[:40])
    append(engine, *STORY[40:])

    def work(seed: int) -> int:
        slices = random.Random(seed).choices(range(SLICES), k=SLICES) + list(range(SLICES))
        return run(competitors, slices=slices, batch=3).events

    with connected(database_url) as competitors, ThreadPoolExecutor(4) as threads:
        together = list(threads.map(work, range(4)))
    found = picture(engine)

    with engine.begin() as conn:
        conn.execute(text("TRUNCATE events, event_keys, inbox, leads, identities, decisions, outbox"))
    append(engine, *STORY)
    alone = run(engine)
    assert sum(together) == alone.events == len(STORY)
    assert found == picture(engine)


def reference(name: str) -> dict[str, str]:
    """The scores of a lead whose events came all at once and in order."""
    theirs = [e for e in STORY[:60] if e.subject == f"email:{name}@acme.test"]
    given_at_once = [Event(n, e.type, e.occurred_at, e.properties) for n, e in enumerate(theirs)]
    return decide(LeadState(), 1, given_at_once, BOOK, NOW).state.dump()["scores"]


SCORES = {f"p{n}@acme.test": reference(f"p{n}") for n in range(11)}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(STORY[:60]), st.lists(st.integers(1, 20), min_size=1, max_size=6), st.integers(1, 50))
def test_any_order_and_any_batches_give_the_same(engine: Engine, order, sizes, batch):
    with engine.begin() as conn:
        conn.execute(text("TRUNCATE events, event_keys, inbox, leads, identities, decisions, outbox"))
    rest, turn = list(order), 0
    while rest:
        size = sizes[turn % len(sizes)]
        append(engine, *rest[:size], *order[:2])
        rest, turn = rest[size:], turn + 1
        if turn % 3 == 0:
            run(engine, batch=batch)
    run(engine, batch=batch)
    found = picture(engine)
    assert found["scores"] == SCORES
    assert found["inbox"] == 0


def test_a_slice_that_somebody_holds_is_waited_for(database_url: str, engine: Engine):
    append(engine, event(1))
    with connected(database_url) as other, engine.begin() as holder, ThreadPoolExecutor(1) as threads:
        holder.execute(text("SELECT pg_advisory_xact_lock(1685219696, :slice)"), {"slice": slice_of(ANN)})
        waiting = threads.submit(run, other, slices=[slice_of(ANN)])
        with pytest.raises(TimeoutError):
            waiting.result(0.3)
        holder.rollback()
        assert waiting.result(10).events == 1
