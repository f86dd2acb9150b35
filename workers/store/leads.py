"""Leads: what the engine remembers of each, and when each has to be looked at again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from workers.engine.values import stamp
from workers.store.json import dumps

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Lead:
    """A lead's row.

    Attributes:
        slice: where its wake-ups are worked on.
        state: `LeadState.dump()`; empty for one that nothing was decided about yet.
        failures: how many of its wake-ups failed in a row, the last one with `error`.
    """

    id: int
    slice: int
    email: str | None
    state: Mapping[str, Any]
    wake_at: datetime | None
    failures: int = 0
    error: str | None = None


_COLUMNS: Final = "id, slice, email, state, wake_at, failures, error"
_DUE: Final = text("""
    SELECT first.id, wanted.slice FROM unnest(CAST(:slices AS smallint[])) AS wanted (slice), LATERAL (
        SELECT id FROM leads WHERE leads.slice = wanted.slice AND wake_at <= :now ORDER BY wake_at LIMIT :limit
    ) AS first
""")
_LOCK: Final = text(f"SELECT {_COLUMNS} FROM leads WHERE id = ANY(:ids) ORDER BY id FOR UPDATE")  # noqa: S608  (made of constants)
_FIND: Final = text(f"""
    SELECT {_COLUMNS} FROM leads WHERE id = (SELECT lead_id FROM identities WHERE identity = :identity)
""")  # noqa: S608  (made of constants)
_GET: Final = text(f"SELECT {_COLUMNS} FROM leads WHERE id = :id")  # noqa: S608  (made of constants)
_OF_EVENT: Final = text(f"""
    SELECT {_COLUMNS} FROM leads WHERE id = (
        SELECT lead_id FROM events, unnest(identities) WITH ORDINALITY AS named (name, strength), LATERAL (
            SELECT lead_id FROM identities WHERE identity = name
            UNION ALL SELECT lead_id FROM outbox WHERE key = substr(name, 9) AND name LIKE 'message:%'
        ) AS known
        WHERE events.id = :id ORDER BY strength LIMIT 1
    )
""")  # noqa: S608  (made of constants)


def due(conn: Connection, slices: Collection[int], now: datetime, limit: int) -> dict[int, int]:
    """Leads whose wake-up is due with their slice, in each slice the longest overdue first; `limit` is for each."""
    return dict(conn.execute(_DUE, {"slices": list(slices), "now": now, "limit": limit}).all())


def lock(conn: Connection, ids: Collection[int]) -> list[Lead]:
    """Load leads and hold them until the end of the transaction; always in the order of their ids."""
    return [Lead(*row) for row in conn.execute(_LOCK, {"ids": list(ids)}).all()]


def find(conn: Connection, identity: str) -> Lead | None:
    """The lead with an identity (`email:ann@acme.test`)."""
    row = conn.execute(_FIND, {"identity": identity}).one_or_none()
    return None if row is None else Lead(*row)


def get(conn: Connection, lead_id: int) -> Lead | None:
    """The lead with an id."""
    row = conn.execute(_GET, {"id": lead_id}).one_or_none()
    return None if row is None else Lead(*row)


_STATES: Final = text("SELECT id, state FROM leads WHERE id = ANY(:ids)")


def states(conn: Connection, ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """What is remembered of these leads; one that is gone is not in it."""
    return dict(conn.execute(_STATES, {"ids": list(ids)}).all()) if ids else {}


def of_event(conn: Connection, event_id: int) -> Lead | None:
    """The lead that an event of the log belongs to, if there is one already: that of its strongest known identity."""
    row = conn.execute(_OF_EVENT, {"id": event_id}).one_or_none()
    return None if row is None else Lead(*row)


_ROWS: Final = """
    json_to_recordset(:rows ::json) AS r (
        id bigint, slice smallint, email text, stage text, state jsonb, wake_at timestamptz, failures smallint,
        error text, scoring text, missing text[]
    )
"""
_ADD: Final = text(f"""
    INSERT INTO leads (
        id, slice, email, stage, state, wake_at, failures, error, scoring, missing, rulebook, created_at, updated_at
    )
    SELECT id, slice, email, stage, state, wake_at, failures, error, scoring, missing, :rulebook, :now, :now
    FROM {_ROWS}
""")  # noqa: S608  (made of constants)
_SAVE: Final = text(f"""
    UPDATE leads SET email = r.email, stage = r.stage, state = r.state, wake_at = r.wake_at,
                     failures = r.failures, error = r.error, scoring = r.scoring, missing = r.missing,
                     rulebook = :rulebook, updated_at = :now
    FROM {_ROWS}
    WHERE leads.id = r.id
""")  # noqa: S608  (made of constants)


def add(conn: Connection, new: Sequence[Lead], rulebook: int, now: datetime) -> None:
    """Insert leads whose ids came from `identities.assign`."""
    if new:
        conn.execute(_ADD, {"rows": dumps([_row(lead) for lead in new]), "rulebook": rulebook, "now": now})


def save(conn: Connection, changed: Sequence[Lead], rulebook: int, now: datetime) -> None:
    """Update leads that this transaction has locked."""
    if changed:
        conn.execute(_SAVE, {"rows": dumps([_row(lead) for lead in changed]), "rulebook": rulebook, "now": now})


def _row(lead: Lead) -> dict[str, Any]:
    return {
        "id": lead.id,
        "slice": lead.slice,
        "email": lead.email,
        "stage": lead.state.get("stage", ""),
        "state": lead.state,
        "wake_at": lead.wake_at,
        "failures": lead.failures,
        "error": lead.error,
        "scoring": stamp(lead.state.get("scoring", ""), lead.state.get("plan", "")),
        "missing": lead.state.get("missing") or None,
    }


# In the order of the indexes, and not by EXISTS: where many are due, the planner hopes to meet one soon by reading the
# table from its beginning, and reads all of it for a slice that has none.
_DUE_SLICES: Final = text("""
    SELECT slice FROM generate_series(0, :last) AS slice
    WHERE :now >= (SELECT not_before FROM inbox WHERE inbox.slice = slice.slice ORDER BY not_before LIMIT 1)
       OR :now >= (
           SELECT wake_at FROM leads WHERE leads.slice = slice.slice AND wake_at IS NOT NULL ORDER BY wake_at LIMIT 1
       )
""")


def due_slices(conn: Connection, now: datetime, slices: int) -> frozenset[int]:
    """Slices with events to process or wake-ups that are due: one look into two indexes each, however many leads."""
    return frozenset(conn.scalars(_DUE_SLICES, {"last": slices - 1, "now": now}))


# Below and above the scoring in force: two short walks along the index, however many leads lie between.
_OUTDATED: Final = text("""
    WITH outdated AS (
        (SELECT id FROM leads WHERE scoring < :scoring AND failures = 0 ORDER BY scoring, id LIMIT :limit)
        UNION ALL
        (SELECT id FROM leads WHERE scoring > :scoring AND failures = 0 ORDER BY scoring, id LIMIT :limit)
        LIMIT :limit
    ), asleep AS (
        SELECT id FROM leads
        WHERE id IN (SELECT id FROM outdated) AND (wake_at IS NULL OR wake_at > :now) AND scoring <> :scoring
        ORDER BY id FOR UPDATE SKIP LOCKED
    )
    UPDATE leads SET wake_at = :now FROM asleep WHERE leads.id = asleep.id
""")
_COUNT_OUTDATED: Final = text("""
    SELECT (SELECT count(*) FROM leads WHERE scoring < :scoring AND failures = 0)
         + (SELECT count(*) FROM leads WHERE scoring > :scoring AND failures = 0)
""")


def wake_outdated(conn: Connection, scoring: str, now: datetime, limit: int) -> int:
    """Wake leads that were counted or looked at by other rules than these (`Rulebook.stamp`); returns how many.

    At most `limit` of them are awake for it at a time: more are woken as these are done. One whose wake-up failed is
    left to its own pace.
    """
    return conn.execute(_OUTDATED, {"scoring": scoring, "now": now, "limit": limit}).rowcount


def outdated(conn: Connection, scoring: str) -> int:
    """How many leads are still counted or looked at by other rules than these, failing ones left out."""
    return int(conn.scalar(_COUNT_OUTDATED, {"scoring": scoring}) or 0)


_BY_SCORING: Final = text("SELECT scoring, count(*) FROM leads WHERE failures = 0 GROUP BY scoring")


def by_scoring(conn: Connection) -> dict[str, int]:
    """How many leads were counted and looked at by which rules (`Rulebook.stamp`), failing ones left out."""
    return dict(conn.execute(_BY_SCORING).all())


_STRANDED: Final = text("""
    SELECT stage, count(*) FROM leads WHERE stage <> '' AND stage <> ALL(:known) GROUP BY stage ORDER BY stage
""")


def stranded(conn: Connection, known: Collection[str]) -> dict[str, int]:
    """How many leads stand at stages that are none of these, by stage; those that nothing has happened to left out."""
    return dict(conn.execute(_STRANDED, {"known": list(known)}).all())


_FAILED: Final = text("""
    UPDATE leads SET wake_at = :wake_at, failures = failures + 1, error = :error, updated_at = :now WHERE id = :id
""")


def wake_failed(conn: Connection, lead_id: int, error: str, wake_at: datetime, now: datetime) -> None:
    """Note that a lead's wake-up failed, and when to try it again."""
    conn.execute(_FAILED, {"id": lead_id, "error": error, "wake_at": wake_at, "now": now})
