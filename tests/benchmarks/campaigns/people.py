"""A database full of leads in campaigns: a few hundred made by the engine from events, and multiplied in SQL.

Each lead has its row, its state as the engine wrote it (its own address and due time put in), an identity, a run in
one of twenty campaigns, an event in the log, a decision, and a mail that was sent.
"""

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from tests.benchmarks.campaigns.journey import WAIT
from tests.benchmarks.campaigns.turns import Turns
from tests.benchmarks.deliveries import PAGES, TYPES
from tests.benchmarks.rules import CAMPAIGNS
from workers.store import events
from workers.store.events import NewEvent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Engine

    from tests.benchmarks.stack import Stack

PATTERNS: Final = 400
STEP: Final = 7919
"""Leads are dealt out to the parts of a measurement in steps of this prime: those of one part lie far apart."""
TABLES: Final = ("leads", "identities", "enrolments", "events", "event_keys", "decisions", "outbox", "inbox",
                 "campaign_counts")  # fmt: skip
"""Those that grow with the leads or their history."""


@dataclass(frozen=True)
class Crowd:
    """Who is in the database.

    Attributes:
        leads: how many.
        wave: how many fall due together.
        waves: how often that happens; to the same leads if there are no others.
        held: leads whose next step was due an hour ago, and who were not woken for it.
        start: the hour before the first wave.
    """

    leads: int
    wave: int
    waves: int
    held: int
    start: datetime

    @property
    def sleeping(self) -> int:
        """The first place (see `person`) whose lead is in no wave and not held."""
        return min(self.wave * self.waves, self.leads) + self.held

    @property
    def held_until(self) -> datetime:
        """When the held ones would be looked at; nobody else is due at that very instant."""
        return self.start + timedelta(days=30)

    @property
    def apart(self) -> timedelta:
        """Between two waves: those of the same leads are as far apart as a campaign's mails."""
        return WAIT if self.leads == self.wave else timedelta(hours=1)

    def due(self, wave: int) -> datetime:
        """When a wave falls due, from 0."""
        return self.start + timedelta(hours=1) + wave * self.apart

    def person(self, place: int) -> int:
        """The number of the lead at a place in the order of waves."""
        return place * pow(STEP, -1, self.leads) % self.leads


def address(person: int) -> str:
    """As in `tests.benchmarks.deliveries`."""
    return f"person{person}@company{person % 500}.test"


def event(event_id: str, person: int, type_: str, properties: dict[str, Any], at: datetime) -> NewEvent:
    """An event as the source `site` hands it in."""
    subject = f"email:{address(person)}"
    lead = {"email": address(person), "first_name": "Ann", "employees": person % 5000, "country": "DE"}
    return NewEvent("site", event_id, type_, at, subject, (subject,), properties, lead)


def some(dice: random.Random, run: str, people: list[int], now: datetime) -> list[NewEvent]:
    """An event about each of these people, of the types and contents that the rules look at."""
    return [
        event(f"{run}-{n}", person, dice.choice(TYPES),
              {"form": f"form-{dice.randrange(40)}", "url": f"https://northwind.example/page-{dice.randrange(PAGES)}"},
              now - timedelta(seconds=dice.randrange(3600)))
        for n, person in enumerate(people)
    ]  # fmt: skip


def fill(stack: Stack, crowd: Crowd) -> None:
    """Fill an empty database."""
    patterns(stack, crowd.start)
    given = {
        "leads": crowd.leads, "wave": crowd.wave, "waved": min(crowd.wave * crowd.waves, crowd.leads),
        "sleeping": crowd.sleeping, "start": crowd.start, "patterns": PATTERNS, "step": STEP,
    }  # fmt: skip
    with unlogged(stack), stack.engine.begin() as conn:
        conn.execute(text(f"TRUNCATE {', '.join(TABLES)}"))
        indexes = conn.execute(text(INDEXES)).all()
        for name, _ in indexes:
            conn.execute(text(f"DROP INDEX {name}"))
        for part in FILL:
            conn.execute(text(part), given)
        for _, definition in indexes:
            conn.execute(text(definition))
    settle(stack.engine)


@contextmanager
def unlogged(stack: Stack) -> Iterator[None]:
    """Of a table that is truncated and filled in one transaction nothing goes to the log; vacuum is ours afterwards."""
    configure(stack, "SET wal_level = minimal", "SET max_wal_senders = 0", "SET maintenance_work_mem = '256MB'")
    yield
    configure(stack, "RESET ALL", "SET autovacuum = off")


def configure(stack: Stack, *settings: str) -> None:
    """Start PostgreSQL anew with these settings."""
    with stack.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        for each in settings:
            conn.execute(text(f"ALTER SYSTEM {each}"))
    stack.engine.dispose()
    stack.postgres.restart()


def patterns(stack: Stack, now: datetime) -> None:
    """A few hundred leads as they are after a month with us, kept aside."""
    turns, dice = Turns(stack, now), random.Random(7)
    made = [event(f"enter-{n}", n, "form.submitted", {"form": f"form-{n % CAMPAIGNS}", "url": ""}, now)
            for n in range(PATTERNS)]  # fmt: skip
    for n in range(10):
        made += some(dice, f"pattern-{n}", list(range(PATTERNS)), now - timedelta(days=3 * n))
    for start in range(0, len(made), 500):
        with stack.engine.begin() as conn:
            events.append(conn, made[start : start + 500], now)
    turns.work()
    turns.close()
    with stack.engine.begin() as conn:
        conn.execute(text(KEEP))


def settle(engine: Engine) -> None:
    """Statistics, visibility and all pages on disk, as long after."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text("VACUUM ANALYZE"))
        conn.execute(text("CHECKPOINT"))


INDEXES: Final = """
    SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class c ON c.oid = indrelid
    WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition
      AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""
KEEP: Final = """
    CREATE UNLOGGED TABLE patterns AS
    SELECT (row_number() OVER (ORDER BY l.id) - 1)::int AS pattern, l.stage, l.scoring, l.rulebook,
           jsonb_set(l.state, '{enrolments}', jsonb_build_object(path.name, path.value)) AS state,
           e.campaign, e.key, e.run, e.version, e.step, e.hold, e.entered_at, path.name AS path,
           events.type, events.properties, events.lead, events.payload
    FROM leads l
    JOIN enrolments e ON e.lead_id = l.id AND e.outcome = ''
    CROSS JOIN LATERAL (
        SELECT key AS name, value FROM jsonb_each(l.state -> 'enrolments') WHERE split_part(key, '|', 1) = e.campaign
    ) AS path
    JOIN LATERAL (SELECT * FROM events WHERE subject = 'email:' || l.email ORDER BY id LIMIT 1) AS events ON true
    WHERE e.campaign = (SELECT min(campaign) FROM enrolments WHERE lead_id = l.id AND outcome = '')
"""
_PEOPLE: Final = """
    SELECT n, n + 1 AS id, 'person' || n || '@company' || n % 500 || '.test' AS email,
           CASE WHEN place < :waved THEN :start + (1 + place / :wave) * interval '1 hour'
                WHEN place < :sleeping THEN :start - interval '1 hour'
                ELSE :start + interval '30 days' + place * interval '1 second' END AS due,
           place BETWEEN :waved AND :sleeping - 1 AS held, p.*
    FROM (SELECT n, n::bigint * :step % :leads AS place FROM generate_series(0, :leads - 1) AS n) AS numbers
    JOIN patterns p ON p.pattern = n % (SELECT count(*) FROM patterns)
"""
FILL: Final = (
    f"""
    INSERT INTO leads (id, slice, email, stage, state, wake_at, rulebook, scoring, created_at, updated_at)
    SELECT id, crc32(convert_to('email:' || email, 'UTF8')) % 32, email, stage,
           jsonb_set(jsonb_set(state, '{{fields,email}}', to_jsonb(email)), ARRAY['enrolments', path, '4'],
                     to_jsonb((extract(epoch FROM due) * 1000000)::bigint)),
           CASE WHEN held THEN :start + interval '30 days' ELSE due END, rulebook, scoring, :start, :start
    FROM ({_PEOPLE}) AS people
    """,
    f"""
    INSERT INTO enrolments (
        lead_id, campaign, key, run, version, step, due, hold, outcome, reason, entered_at, changed_at
    )
    SELECT id, campaign, key, run, version, step, due, hold, '', '', entered_at, :start FROM ({_PEOPLE}) AS people
    """,
    f"INSERT INTO identities (identity, lead_id) SELECT 'email:' || email, id FROM ({_PEOPLE}) AS people",
    f"""
    INSERT INTO events (
        received_at, occurred_at, slice, source, event_id, type, subject, identities, properties, lead, payload
    )
    SELECT :start, :start, crc32(convert_to('email:' || email, 'UTF8')) % 32, 'site', 'past-' || n, type,
           'email:' || email, ARRAY['email:' || email], properties, lead, payload
    FROM ({_PEOPLE}) AS people
    """,
    "INSERT INTO event_keys (key, received_at) SELECT md5(event_id)::uuid, received_at FROM events",
    f"""
    INSERT INTO decisions (decided_at, lead_id, kind, rule, rulebook, detail)
    SELECT :start, id, 'enrolled', campaign, rulebook, '{{"run": 1}}' FROM ({_PEOPLE}) AS people
    """,
    f"""
    INSERT INTO outbox (
        key, channel, lead_id, rulebook, payload, state, attempts, claims, due_at, provider, provider_ref,
        message_name, created_at, settled_at
    )
    SELECT 'mail:' || id || ':past:1:hello', 'email', id, rulebook,
           '{{"campaign": "past", "step": "hello", "template": "bench/hello"}}', 'sent', 1, 1, :start, 'smtp',
           md5(id::text), md5(id::text), :start, :start
    FROM ({_PEOPLE}) AS people
    """,
    "SELECT setval('leads_id_seq', :leads)",
)
