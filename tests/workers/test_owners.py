"""Who gets which promotion, with weights and caps that hold across workers."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from tests.conftest import NOW, connected
from tests.workers.engine.builders import PROMOTION, points, rulebook, says
from tests.workers.processing import InForce, append, newsletter
from workers.clock import SteppedClock
from workers.engine.rules import Owner
from workers.pipeline import process_slice
from workers.store import decisions, opportunities, outbox
from workers.store.slices import SLICES

if TYPE_CHECKING:
    from sqlalchemy import Engine

ANA, BEN, EVE = "ana@own.test", "ben@own.test", "eve@own.test"
ALWAYS = says(lambda *_: True)


def rules(*owners: Owner, fallback: str = "", **more) -> InForce:
    rule = replace(PROMOTION, at="subscriber", when=ALWAYS, at_least=0, owners=owners, fallback=fallback, **more)
    return InForce(rulebook(rules=(points("form.submitted", 1),), campaigns=(), promotion=rule))


def promote(engine: Engine, book: InForce, names: range, now=NOW, *, threads: int = 1, batch: int = 1000) -> None:
    append(engine, *(newsletter(n, f"p{n}", at=NOW) for n in names))

    def work(first: int) -> None:
        for slice_ in range(SLICES):
            process_slice(engine, (first * 7 + slice_) % SLICES, book, SteppedClock(now), batch=batch)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))


def shares(engine: Engine) -> Counter[str]:
    with engine.connect() as conn:
        return Counter(each.owner for each in opportunities.recent(conn, 9999))


def test_weights_hold_across_workers(database_url: str, engine: Engine):
    book = rules(Owner(ANA, 2), Owner(BEN))
    with engine.begin() as conn:
        book.active(conn)
    with connected(database_url) as competitors:
        promote(competitors, book, range(60), threads=4, batch=2)
    assert shares(engine) == {ANA: 40, BEN: 20}


def test_caps_hold_across_workers_and_the_fallback_takes_the_rest(database_url: str, engine: Engine):
    book = rules(Owner(ANA, 9, cap=5, cap_days=1), Owner(BEN, 1, cap=8, cap_days=7), fallback=EVE)
    with engine.begin() as conn:
        book.active(conn)
    with connected(database_url) as competitors:
        promote(competitors, book, range(40), threads=4, batch=3)
        assert shares(engine) == {ANA: 5, BEN: 8, EVE: 27}
        promote(competitors, book, range(40, 60), NOW + timedelta(days=1, seconds=1), threads=2)
    assert shares(engine) == {ANA: 10, BEN: 8, EVE: 42}


def test_the_owner_stands_in_hand_off_opportunity_and_decision(engine: Engine):
    promote(engine, rules(Owner(ANA, cap=1), Owner(BEN)), range(1))
    promote(engine, rules(Owner(ANA, cap=1), Owner(BEN)), range(1, 2))
    with engine.connect() as conn:
        made = sorted(opportunities.recent(conn, 9), key=lambda each: each.lead_id)
        payloads = conn.execute(text("SELECT payload -> 'opportunity' ->> 'owner' FROM outbox ORDER BY id")).all()
        told = [d for each in made for d in decisions.story(conn, each.lead_id) if d.kind == "promoted"]
    assert [each.owner for each in made] == [each.details["owner"] for each in made] == [ANA, BEN]
    assert [row[0] for row in payloads] == [ANA, BEN]
    assert told[0].detail["owner"] == ANA
    assert told[0].detail["given"] == {ANA: 0, BEN: 0}
    assert told[1].detail | {"owner": BEN, "given": {ANA: 1, BEN: 0}, "at_cap": [ANA]} == told[1].detail


def test_who_joins_takes_turns_from_then_on_and_does_not_catch_up(engine: Engine):
    promote(engine, rules(Owner(ANA)), range(10))
    promote(engine, rules(Owner(ANA), Owner(BEN)), range(10, 20))
    assert shares(engine) == {ANA: 15, BEN: 5}


@pytest.mark.parametrize(("land", "owner"), [("DE", EVE), ("FR", ANA)])
def test_a_territory_asks_its_own_people(engine: Engine, land, owner):
    home = says(lambda _, lead, __: lead.get("city") == "DE")
    append(engine, newsletter(1))
    with engine.begin() as conn:
        conn.execute(text("UPDATE events SET lead = jsonb_build_object('city', CAST(:land AS text))"), {"land": land})
    promote(engine, rules(Owner(ANA), territories=((home, (Owner(EVE),)),)), range(0))
    assert shares(engine) == {owner: 1}


def test_nobody_to_take_turns_leaves_the_fallback(engine: Engine):
    promote(engine, rules(fallback=EVE), range(1))
    assert shares(engine) == {EVE: 1}


def test_a_hand_off_that_nobody_accepts_is_a_message_to_a_colleague(engine: Engine):
    book = rules(Owner(ANA), accept_within=timedelta(days=1), escalate_to=EVE)
    promote(engine, book, range(1))
    later = NOW + timedelta(days=1)
    for slice_ in range(SLICES):
        process_slice(engine, slice_, book, SteppedClock(later))
    with engine.begin() as conn:
        (claim,) = outbox.claim(conn, "email", later, limit=9, lease=timedelta(minutes=1), provider="test")
    assert claim.key == f"escalation:promotion:{claim.lead_id}:1"
    assert claim.payload["to"] == EVE
    assert "p0@acme.test" in claim.payload["text"]
