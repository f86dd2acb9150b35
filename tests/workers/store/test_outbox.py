from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from tests.conftest import NOW
from workers.store import evidence, leads, opportunities, outbox, suppressions
from workers.store.evidence import Evidence
from workers.store.outbox import Claim, Effect, Outcome, message_name
from workers.store.rulebooks import apply
from workers.store.suppressions import Suppression

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

LEASE = timedelta(minutes=5)


def put(conn: Connection, *names: str, channel="email", provider: str | None = None) -> int:
    effects = [Effect(name, channel, 7, {"template": "t"}, provider) for name in names]
    return outbox.put(conn, effects, 1, NOW)


def claim(conn: Connection, now=NOW, limit=10, **more) -> list[Claim]:
    return outbox.claim(conn, "email", now, limit=limit, lease=LEASE, **more)


def states(conn: Connection) -> dict[str, str]:
    return {row.key: row.state for row in outbox.rows(conn, 99)}


def test_a_key_goes_in_once(engine: Engine):
    with engine.begin() as conn:
        assert put(conn, "a", "b") == 2
        assert put(conn, "b", "c") == 1
        assert put(conn) == 0
    with engine.connect() as conn:
        assert states(conn) == {"a": "pending", "b": "pending", "c": "pending"}


def test_a_claim_says_all_that_sending_needs(engine: Engine):
    with engine.begin() as conn:
        number = apply(conn, "v1", {}, author="a", message="m", now=NOW)
        lead = leads.Lead(7, 0, "Ann@acme.test", {"fields": {"first_name": "Ann"}, "format": 1}, None)
        leads.add(conn, [lead], number, NOW)
        suppressions.add(conn, [Suppression("ann@ACME.test", "bounced")], NOW)
        outbox.put(conn, [Effect("a", "email", 7, {"template": "t"})], number, NOW)
        (given,) = claim(conn, provider="smtp")
    assert (given.key, given.attempt, given.provider, given.version) == ("a", 1, "smtp", "v1")
    assert (given.email, given.fields, given.suppressed) == ("Ann@acme.test", {"first_name": "Ann"}, "bounced")
    assert given.payload == {"template": "t"}


def test_claims_take_due_rows_of_their_channel_oldest_first_and_only_once(engine: Engine):
    with engine.begin() as conn:
        put(conn, "a", "b", "c")
        put(conn, "deal", channel="crm", provider="hubspot")
        conn.execute(text("UPDATE outbox SET due_at = due_at + interval '1 hour' WHERE key = 'a'"))
        assert [c.key for c in claim(conn, limit=1)] == ["b"]
        assert [c.key for c in claim(conn, NOW + timedelta(hours=1))] == ["c", "a"]
        assert claim(conn) == []
        (deal,) = outbox.claim(conn, "crm", NOW, limit=9, lease=LEASE)
    assert deal.provider == "hubspot"


def test_competing_claims_never_share_a_row(engine: Engine):
    with engine.begin() as conn:
        put(conn, *(f"m{n}" for n in range(200)))

    def take(_: int) -> list[str]:
        mine = []
        while True:
            with engine.begin() as conn:
                got = claim(conn, limit=7)
            if not got:
                return mine
            mine += [c.key for c in got]

    with ThreadPoolExecutor(4) as threads:
        taken = [key for mine in threads.map(take, range(4)) for key in mine]
    assert sorted(taken) == sorted(f"m{n}" for n in range(200))


def test_giving_back_twice_never_takes_the_row_from_who_claimed_it_in_between(engine: Engine):
    """As after a commit whose answer was lost: what was done is done again, and another worker was faster."""
    with engine.begin() as conn:
        put(conn, "a")
        (mine,) = claim(conn)
        untried = [(mine.id, mine.number, NOW)]
        assert outbox.give_back(conn, untried) == 1
        (theirs,) = claim(conn)
        assert (mine.attempt, theirs.attempt) == (1, 1)
        assert outbox.give_back(conn, untried) == 0
        assert outbox.settle(conn, [Outcome(mine.id, mine.number, "sent")], NOW) == {}
        assert claim(conn) == []
        assert outbox.settle(conn, [Outcome(theirs.id, theirs.number, "sent")], NOW) == {theirs.id: "sent"}


def test_what_was_not_even_tried_is_not_unclear_however_late_that_is_said(engine: Engine):
    with engine.begin() as conn:
        put(conn, "a")
        (mine,) = claim(conn)
        assert outbox.expire(conn, NOW + LEASE, lambda _: False) == {"ambiguous": 1}
        assert outbox.give_back(conn, [(mine.id, mine.number, NOW)]) == 1
        (row,) = outbox.rows(conn, 9)
        assert (row.state, row.reason, row.attempts, row.settled_at) == ("pending", "", 0, None)
        assert [each.attempt for each in claim(conn)] == [1]


def test_what_an_event_has_proved_is_not_given_back(engine: Engine):
    with engine.begin() as conn:
        put(conn, "a")
        (mine,) = claim(conn)
        assert evidence.prove(conn, [Evidence(7, mine.lead_id, key="a")], NOW).rows == 0
        assert outbox.give_back(conn, [(mine.id, mine.number, NOW)]) == 0
        assert outbox.expire(conn, NOW + LEASE, lambda _: False) == {"sent": 1}


LATER = NOW + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("outcome", "again_at"),
    [
        (Outcome(1, 1, "sent", ref="250 ok", provider="smtp"), None),
        (Outcome(1, 1, "retry", "unavailable", LATER, error="421 busy"), LATER),
        (Outcome(1, 1, "dead", "rejected", error="550 no"), None),
        (Outcome(1, 1, "ambiguous", "time-out"), None),
        (Outcome(1, 1, "skipped", "unsubscribed"), None),
    ],
    ids=lambda value: getattr(value, "state", ""),
)
def test_outcomes_are_recorded_and_only_a_retry_comes_again(engine: Engine, outcome, again_at):
    with engine.begin() as conn:
        put(conn, "a")
        claim(conn)
        assert outbox.settle(conn, [outcome], NOW) == {1: outcome.state}
        (row,) = outbox.rows(conn, 9)
        assert (row.state, row.reason, row.settled_at) == (outcome.state, outcome.reason, NOW)
        assert (row.provider_ref or "", row.last_error or "") == (outcome.ref, outcome.error)
        assert claim(conn) == []
        assert [c.attempt for c in claim(conn, LATER)] == ([2] if again_at else [])
        assert outbox.counts(conn) == {("email", states(conn)["a"], outcome.reason): 1}


def test_what_was_sent_in_the_end_does_not_show_the_troubles_of_earlier_tries(engine: Engine):
    with engine.begin() as conn:
        put(conn, "a")
        claim(conn)
        outbox.settle(conn, [Outcome(1, 1, "retry", "unavailable", NOW, error="421 busy")], NOW)
        claim(conn)
        outbox.settle(conn, [Outcome(1, 2, "sent", ref="250 ok")], NOW)
        (row,) = outbox.rows(conn, 9)
    assert (row.state, row.attempts, row.last_error) == ("sent", 2, None)


def test_one_transaction_settles_a_chunk_and_claims_the_next(engine: Engine):
    with engine.begin() as conn:
        put(conn, "a", "b", "c")
        first = outbox.claim(conn, "email", NOW, limit=2, lease=LEASE)
        assert [c.key for c in first] == ["a", "b"]
        settled = outbox.settle(conn, [Outcome(c.id, c.number, "sent") for c in first], NOW)
        second = outbox.claim(conn, "email", NOW, limit=2, lease=LEASE)
    assert set(settled.values()) == {"sent"}
    assert [c.key for c in second] == ["c"]


def test_a_silent_worker_leaves_doubt_or_another_try(engine: Engine):
    with engine.begin() as conn:
        put(conn, "harmless", "risky", "nobody", "proved")
        given = {c.key: c for c in claim(conn)}
        conn.execute(
            text("UPDATE outbox SET provider = CASE key WHEN 'harmless' THEN 'ses' WHEN 'risky' THEN 'smtp' END")
        )
        evidence.prove(conn, [Evidence(42, 7, "proved")], NOW)
        assert outbox.expire(conn, NOW + LEASE / 2, lambda name: name == "ses") == {}
        assert outbox.expire(conn, NOW + LEASE, lambda name: name == "ses") == {"retry": 1, "ambiguous": 2, "sent": 1}
        assert states(conn) == {"harmless": "retry", "risky": "ambiguous", "nobody": "ambiguous", "proved": "sent"}
        assert {r.reason for r in outbox.rows(conn, 9, state="ambiguous")} == {"lease-expired"}
        # the silent one comes back: its answer is the evidence that was missing
        assert outbox.settle(conn, [Outcome(given["risky"].id, 1, "sent", ref="r")], NOW) == {given["risky"].id: "sent"}
        # but not once another attempt is under way
        assert [c.key for c in claim(conn, NOW + LEASE)] == ["harmless"]
        assert outbox.settle(conn, [Outcome(given["harmless"].id, 1, "dead")], NOW) == {}
        assert outbox.settle(conn, [Outcome(given["harmless"].id, 2, "sent")], NOW) == {given["harmless"].id: "sent"}


def test_what_is_settled_stays_settled(engine: Engine):
    with engine.begin() as conn:
        put(conn, "a")
        claim(conn)
        outbox.settle(conn, [Outcome(1, 1, "sent")], NOW)
        assert outbox.settle(conn, [Outcome(1, 1, "dead")], NOW) == {}
        assert evidence.prove(conn, [Evidence(1, 7, "a"), Evidence(2, 7, "stranger")], NOW).rows == 0
        assert states(conn) == {"a": "sent"}


@pytest.mark.parametrize(
    ("said", "proved"),
    [
        (Evidence(1, 7, key="mail"), True),
        (Evidence(1, 7, message_id=f"{message_name('mail')}@acme.test"), True),
        (Evidence(1, 7, message_id=message_name("mail")), True),
        (Evidence(1, 7, key="mail", message_id=f"{message_name('other')}@acme.test"), True),
        (Evidence(1, 8, key="mail"), False),
        (Evidence(1, 8, message_id=f"{message_name('mail')}@acme.test"), False),
        (Evidence(1, 7, message_id="14c5d75ce93.dfd.64b469@ismtpd-555"), False),
        (Evidence(1, 7), False),
    ],
)
def test_evidence_is_about_this_mail_to_this_lead(engine: Engine, said: Evidence, proved):
    with engine.begin() as conn:
        put(conn, "mail")
        (given,) = claim(conn)
        outbox.settle(conn, [Outcome(given.id, given.number, "ambiguous")], NOW)
        assert evidence.prove(conn, [said, said], NOW).rows == proved
        assert states(conn) == {"mail": "sent" if proved else "ambiguous"}


def test_no_event_proves_a_promotion(engine: Engine):
    with engine.begin() as conn:
        put(conn, "promotion:7:1", channel="crm", provider="hubspot")
        (deal,) = outbox.claim(conn, "crm", NOW, limit=9, lease=LEASE)
        outbox.settle(conn, [Outcome(deal.id, deal.number, "retry", due_at=NOW)], NOW)
        found = [Evidence(1, 7, "promotion:7:1", message_name("promotion:7:1"))]
        assert evidence.prove(conn, found, NOW).rows == 0
        assert states(conn) == {"promotion:7:1": "retry"}


def test_a_promotion_that_the_crm_took_has_its_id(engine: Engine):
    with engine.begin() as conn:
        opportunities.add(conn, [opportunities.Opportunity("promotion:7:1", 7, "hubspot", {"name": "Acme"})], NOW)
        assert opportunities.add(conn, opportunities.recent(conn, 9), NOW) == 0
        put(conn, "promotion:7:1", channel="crm", provider="hubspot")
        (deal,) = outbox.claim(conn, "crm", NOW, limit=9, lease=LEASE)
        outbox.settle(conn, [Outcome(deal.id, 1, "sent", ref="deal-99")], NOW)
        (made,) = opportunities.recent(conn, 9, lead_id=7)
    assert (made.ref, made.accepted_at) == ("deal-99", NOW)


def test_settling_and_proving_the_same_rows_at_once_never_deadlocks(engine: Engine):
    keys = [f"m{n}" for n in range(60)]
    with engine.begin() as conn:
        put(conn, *keys)
        given = claim(conn, limit=60)

    def settle(_: int) -> None:
        with engine.begin() as conn:
            outbox.settle(conn, [Outcome(c.id, 1, "ambiguous") for c in reversed(given)], NOW)

    def prove(_: int) -> None:
        with engine.begin() as conn:
            evidence.prove(conn, [Evidence(1, 7, key) for key in sorted(keys, key=hash)], NOW)

    with ThreadPoolExecutor(4) as threads:
        for _ in range(10):
            list(threads.map(lambda turn: (settle, prove)[turn % 2](turn), range(4)))
    with engine.connect() as conn:
        assert set(states(conn).values()) == {"sent"}
