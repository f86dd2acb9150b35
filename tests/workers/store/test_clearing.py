from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.conftest import NOW
from workers.store import clearing, evidence, opportunities, outbox
from workers.store.evidence import Evidence
from workers.store.opportunities import Opportunity
from workers.store.outbox import Effect, Outcome

if TYPE_CHECKING:
    from sqlalchemy import Engine

LATER = NOW + timedelta(hours=1)


def row_in(engine: Engine, state: str) -> int:
    """An outbox row in a state, with one attempt behind it."""
    with engine.begin() as conn:
        outbox.put(conn, [Effect("mail:1:a:1:b", "email", 1, {})], 1, NOW)
        if state != "pending":
            (claim,) = outbox.claim(conn, "email", NOW, limit=1, lease=timedelta(minutes=5))
            if state != "sending":
                outbox.settle(conn, [Outcome(claim.id, 1, state, "why", due_at=LATER)], NOW)  # type: ignore[arg-type]
        return outbox.rows(conn, 1)[0].id


@pytest.mark.parametrize(
    ("state", "possible"),
    [
        ("dead", True), ("skipped", True), ("ambiguous", True), ("retry", True),
        ("pending", False), ("sending", False), ("sent", False),
    ],
)  # fmt: skip
def test_only_what_is_not_done_and_not_under_way_can_be_sent_again(engine: Engine, state: str, possible: bool):
    row = row_in(engine, state)
    with engine.begin() as conn:
        assert clearing.again(conn, [row, 4711], NOW) == ([row] if possible else [])
        claims = outbox.claim(conn, "email", NOW, limit=9, lease=timedelta(minutes=5))
        assert [claim.attempt for claim in claims] == ([2] if possible else [1] if state == "pending" else [])


@pytest.mark.parametrize(
    ("state", "possible"), [("ambiguous", True), ("retry", True), ("dead", False), ("sent", False), ("sending", False)]
)
@pytest.mark.parametrize("to", ["sent", "dead"])
def test_only_what_is_open_can_be_settled(engine: Engine, state: str, possible: bool, to: str):
    row = row_in(engine, state)
    with engine.begin() as conn:
        assert clearing.close(conn, [row], to, LATER) == ([row] if possible else [])  # type: ignore[arg-type]
        (after,) = outbox.rows(conn, 9)
    assert after.state == (to if possible else state)
    if possible:
        assert (after.reason, after.settled_at) == (clearing.BY_HAND, LATER)


def test_what_is_proved_to_have_arrived_is_not_sent_again(engine: Engine):
    row = row_in(engine, "ambiguous")
    with engine.begin() as conn:
        evidence.prove(conn, [Evidence(7, 1, "mail:1:a:1:b")], NOW)
        assert clearing.again(conn, [row], NOW) == []


@pytest.mark.parametrize(
    ("state", "ref", "known"),
    [("sent", "deal-9", ("deal-9", LATER)), ("sent", "", (None, LATER)), ("dead", "", (None, None))],
)
def test_a_promotion_that_a_person_says_arrived_is_one_that_the_crm_has(
    engine: Engine, state: str, ref: str, known: tuple[object, object]
):
    with engine.begin() as conn:
        opportunities.add(conn, [Opportunity("promotion:1:1", 1, "hubspot", {})], NOW)
        outbox.put(conn, [Effect("promotion:1:1", "crm", 1, {}, "hubspot")], 1, NOW)
        (claim,) = outbox.claim(conn, "crm", NOW, limit=1, lease=timedelta(minutes=5))
        outbox.settle(conn, [Outcome(claim.id, claim.number, "ambiguous")], NOW)
        clearing.close(conn, [claim.id], state, LATER, ref)  # type: ignore[arg-type]
        (made,) = opportunities.recent(conn, 9)
    assert (made.ref, made.accepted_at) == known
