"""Effects on their way out: what is to be done once, who does it now, and what became of it.

A row goes `pending` → `sending` → `sent`, or → `retry` → `sending` and so on, or ends as `dead` (refused, or tried
often enough), `skipped` (a reason spoke against it) or `ambiguous` (it may have arrived or not; evidence settles it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import text

from workers.store.json import dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import Connection

Channel = Literal["email", "crm"]
State = Literal["pending", "sending", "sent", "retry", "ambiguous", "dead", "skipped"]
CHANNELS: Final[tuple[Channel, ...]] = ("email", "crm")
LEASE_EXPIRED: Final = "lease-expired"
"""Reason of a row whose worker fell silent while sending."""
EVIDENCE: Final = "evidence"
"""Reason of a row that counts as sent because an event proves it."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Something to be done outside, once.

    Attributes:
        key: what it is (lead, campaign, run, step), never the attempt; unique for ever.
        payload: JSON values for whoever does it. That of a message to a colleague says whom it goes `to`.
        provider: who is to do it, if that is part of the effect (a promotion's CRM).
    """

    key: str
    channel: Channel
    lead_id: int
    payload: Mapping[str, Any]
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A row that this worker may send now, and nobody else until the lease ends.

    Attributes:
        attempt: 1 for the first; tells this claim from later ones of the same row.
        version: rulebook version that decided it.
        email: the lead's address now, None if it has none.
        fields: the lead's fields now.
        suppressed: why the address may not be mailed, empty if it may.
    """

    id: int
    key: str
    channel: Channel
    lead_id: int
    payload: dict[str, Any]
    attempt: int
    provider: str | None
    version: str
    email: str | None
    fields: dict[str, Any]
    suppressed: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a claim.

    Attributes:
        id, attempt: the claim's.
        reason: a constant word to count by; why it was skipped, died, waits or is unclear.
        due_at: of a `retry`, when.
        ref: the provider's own id.
        error: the provider's own words.
    """

    id: int
    attempt: int
    state: Literal["sent", "retry", "ambiguous", "dead", "skipped"]
    reason: str = ""
    due_at: datetime | None = None
    provider: str = ""
    ref: str = ""
    message_id: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row for people."""

    id: int
    key: str
    channel: str
    lead_id: int
    state: str
    reason: str
    attempts: int
    due_at: datetime
    provider: str | None
    provider_ref: str | None
    message_id: str | None
    evidence: int | None
    last_error: str | None
    created_at: datetime
    settled_at: datetime | None


_PUT: Final = text("""
    INSERT INTO outbox (key, channel, lead_id, rulebook, payload, provider, due_at, created_at)
    SELECT key, channel, lead_id, :rulebook, payload, provider, :now, :now
    FROM json_to_recordset(:rows ::json) AS (key text, channel text, lead_id bigint, payload jsonb, provider text)
    ON CONFLICT (key) DO NOTHING
""")


def put(conn: Connection, effects: Iterable[Effect], rulebook: int, now: datetime) -> int:
    """Put effects in the outbox, due at once; one whose key is known changes nothing. Returns how many are new.

    `rulebook` is the id of the version that decided, as `rulebooks.active` gives it.
    """
    rows = [
        {"key": e.key, "channel": e.channel, "lead_id": e.lead_id, "payload": e.payload, "provider": e.provider}
        for e in effects
    ]
    return conn.execute(_PUT, {"rows": dumps(rows), "rulebook": rulebook, "now": now}).rowcount if rows else 0


_CLAIM: Final = text("""
    WITH due AS (
        SELECT id FROM outbox
        WHERE channel = :channel AND state IN ('pending', 'retry') AND due_at <= :now
        ORDER BY due_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE outbox SET state = 'sending', attempts = attempts + 1, lease_until = :until,
                          provider = coalesce(CAST(:provider AS text), provider), settled_at = NULL
        FROM due WHERE outbox.id = due.id
        RETURNING outbox.*
    )
    SELECT c.id, c.key, c.channel, c.lead_id, c.payload, c.attempts, c.provider, coalesce(v.version, ''), l.email,
           coalesce(l.state -> 'fields', '{}'), coalesce(s.reason, ''), c.created_at
    FROM claimed c
    LEFT JOIN leads l ON l.id = c.lead_id
    LEFT JOIN suppressions s ON s.digest = sha256(convert_to(lower(l.email), 'UTF8'))
    LEFT JOIN rulebook_versions v ON v.id = c.rulebook
    ORDER BY c.due_at, c.id
""")


def claim(
    conn: Connection, channel: Channel, now: datetime, *, limit: int, lease: timedelta, provider: str | None = None
) -> list[Claim]:
    """Mark due rows as being sent, oldest first, and return them. Commit before anything leaves.

    Rows that another worker is claiming at this moment are passed over. After `lease` of silence a row counts as
    abandoned (see `expire`); `provider` is noted on the rows, where who sends them is the caller's choice.
    """
    given = {"channel": channel, "now": now, "limit": limit, "until": now + lease, "provider": provider}
    return [Claim(*row) for row in conn.execute(_CLAIM, given)]


# Rows are locked in the order of their ids, here and in `prove`, so that the two never wait for each other.
# An outcome counts while the claim's attempt is the latest one: also after its lease ended, because then the late
# answer is the very evidence that was missing. What an event has proved stays proved.
_SETTLE: Final = text("""
    WITH given AS (
        SELECT * FROM json_to_recordset(:rows ::json) AS (
            id bigint, attempt smallint, state text, reason text, due_at timestamptz, provider text, ref text,
            message_id text, error text
        )
    ), held AS (
        SELECT id FROM outbox WHERE id IN (SELECT id FROM given) ORDER BY id FOR UPDATE
    )
    UPDATE outbox o SET
        state = CASE WHEN g.state <> 'skipped' AND o.evidence IS NOT NULL THEN 'sent' ELSE g.state END,
        reason = CASE WHEN g.state NOT IN ('skipped', 'sent') AND o.evidence IS NOT NULL THEN 'evidence'
                      ELSE g.reason END,
        due_at = coalesce(g.due_at, o.due_at),
        lease_until = NULL,
        provider = coalesce(nullif(g.provider, ''), o.provider),
        provider_ref = coalesce(nullif(g.ref, ''), o.provider_ref),
        message_id = coalesce(nullif(g.message_id, ''), o.message_id),
        last_error = coalesce(nullif(g.error, ''), o.last_error),
        settled_at = :now
    FROM given g, held h
    WHERE o.id = g.id AND h.id = o.id AND o.attempts = g.attempt AND o.state IN ('sending', 'ambiguous', 'retry')
    RETURNING o.id, o.state, o.channel
""")
_ACCEPTED: Final = text("""
    UPDATE opportunities p SET ref = o.provider_ref, accepted_at = :now
    FROM outbox o WHERE o.id = ANY(:ids) AND p.key = o.key AND p.accepted_at IS NULL
""")


def settle(conn: Connection, outcomes: Sequence[Outcome], now: datetime) -> dict[int, str]:
    """Record what became of claims.

    Returns:
        the state that each row now has, by id. A row is missing if a later attempt is under way or it was settled
        otherwise; one reported as unclear or failed is `sent` if an event proves that it arrived.
    """
    if not outcomes:
        return {}
    settled = conn.execute(_SETTLE, {"rows": dumps([_outcome(o) for o in outcomes]), "now": now}).all()
    promoted = [row.id for row in settled if row.channel == "crm" and row.state == "sent"]
    if promoted:
        conn.execute(_ACCEPTED, {"ids": promoted, "now": now})
    return {row.id: row.state for row in settled}


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "id": outcome.id,
        "attempt": outcome.attempt,
        "state": outcome.state,
        "reason": outcome.reason,
        "due_at": outcome.due_at if outcome.state == "retry" else None,
        "provider": outcome.provider,
        "ref": outcome.ref,
        "message_id": outcome.message_id,
        "error": outcome.error,
    }


def settle_and_claim(
    conn: Connection,
    outcomes: Sequence[Outcome],
    channel: Channel,
    now: datetime,
    *,
    limit: int,
    lease: timedelta,
    provider: str | None = None,
) -> tuple[dict[int, str], list[Claim]]:
    """Record the outcomes of one chunk and mark the next: `settle`, then `claim`, for one commit between two chunks."""
    settled = settle(conn, outcomes, now)
    return settled, claim(conn, channel, now, limit=limit, lease=lease, provider=provider)


_GIVE_BACK: Final = text("""
    UPDATE outbox o SET state = CASE o.attempts WHEN 1 THEN 'pending' ELSE 'retry' END,
                        attempts = o.attempts - 1, lease_until = NULL, due_at = g.due_at
    FROM json_to_recordset(:rows ::json) AS g (id bigint, attempt smallint, due_at timestamptz)
    WHERE o.id = g.id AND o.attempts = g.attempt AND o.state = 'sending'
""")


def give_back(conn: Connection, untried: Iterable[tuple[int, int, datetime]]) -> int:
    """Let go of claims that were not even tried, so that no attempt counts; returns how many still were ours.

    Each of `untried` is a row's id, the claim's attempt, and when the row may be claimed again.
    """
    rows = [{"id": id_, "attempt": attempt, "due_at": due_at} for id_, attempt, due_at in untried]
    return conn.execute(_GIVE_BACK, {"rows": dumps(rows)}).rowcount if rows else 0


_EXPIRED: Final = text("""
    SELECT id, attempts, provider FROM outbox WHERE state = 'sending' AND lease_until <= :now
    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
""")


def expire(conn: Connection, now: datetime, takes_key: Callable[[str], bool], *, limit: int = 1000) -> dict[str, int]:
    """See to rows whose worker fell silent, so that they may or may not have arrived; returns how many by new state.

    Where `takes_key` says of the provider's name that sending the same key again is harmless, the row is tried again.
    Otherwise it becomes `ambiguous`, and evidence or a person settles it.
    """
    outcomes = [
        Outcome(id_, attempts, "retry" if provider and takes_key(provider) else "ambiguous", LEASE_EXPIRED, due_at=now)
        for id_, attempts, provider in conn.execute(_EXPIRED, {"now": now, "limit": limit})
    ]
    states = list(settle(conn, outcomes, now).values())
    return {state: states.count(state) for state in dict.fromkeys(states)}


_PROVE: Final = text("""
    WITH given AS (
        SELECT * FROM json_to_recordset(:rows ::json) AS (key text, event_id bigint)
    ), held AS (
        SELECT id FROM outbox
        WHERE key IN (SELECT key FROM given) AND state IN ('sending', 'ambiguous', 'retry', 'dead') AND evidence IS NULL
        ORDER BY id FOR UPDATE
    )
    UPDATE outbox o SET
        evidence = g.event_id,
        state = CASE WHEN o.state = 'sending' THEN o.state ELSE 'sent' END,
        reason = CASE WHEN o.state = 'sending' THEN o.reason ELSE 'evidence' END,
        settled_at = CASE WHEN o.state = 'sending' THEN o.settled_at ELSE :now END
    FROM given g, held h
    WHERE o.key = g.key AND h.id = o.id AND o.state IN ('sending', 'ambiguous', 'retry', 'dead')
    RETURNING o.state
""")


def prove(conn: Connection, keys: Mapping[str, int], now: datetime) -> int:
    """Take events that carry our key as proof that the effect arrived; returns how many rows became `sent` by it.

    `keys` holds the event's id by effect key. Unclear and failed rows become `sent`; one that is being sent right now
    only notes the proof, which decides if its outcome turns out unclear.
    """
    if not keys:
        return 0
    rows = [{"key": key, "event_id": event} for key, event in keys.items()]
    return sum(row.state == "sent" for row in conn.execute(_PROVE, {"rows": dumps(rows), "now": now}))


_NOTICES: Final = text("SELECT key FROM outbox WHERE key = ANY(:keys) AND payload ? 'to'")


def notices(conn: Connection, keys: Collection[str]) -> frozenset[str]:
    """Those of these keys that belong to messages to colleagues, not to leads."""
    return frozenset(conn.scalars(_NOTICES, {"keys": list(keys)})) if keys else frozenset()


_DUE: Final = text("""
    SELECT channel FROM unnest(CAST(:channels AS text[])) AS channel
    WHERE EXISTS (
        SELECT FROM outbox
        WHERE outbox.channel = channel.channel AND state IN ('pending', 'retry') AND due_at <= :now
    )
""")


def due_channels(conn: Connection, now: datetime) -> frozenset[str]:
    """Channels with rows to send."""
    return frozenset(conn.scalars(_DUE, {"channels": list(CHANNELS), "now": now}))


_COUNTS: Final = text("SELECT channel, state, reason, count(*) FROM outbox GROUP BY 1, 2, 3 ORDER BY 1, 2, 3")
_ROWS: Final = text("""
    SELECT id, key, channel, lead_id, state, reason, attempts, due_at, provider, provider_ref, message_id, evidence,
           last_error, created_at, settled_at
    FROM outbox
    WHERE (:state = '' OR state = :state) AND (:lead_id = 0 OR lead_id = :lead_id)
    ORDER BY id DESC LIMIT :limit
""")


def counts(conn: Connection) -> dict[tuple[str, str, str], int]:
    """Rows by (channel, state, reason)."""
    return {(channel, state, reason): number for channel, state, reason, number in conn.execute(_COUNTS)}


def rows(conn: Connection, limit: int, *, state: str = "", lead_id: int = 0) -> list[Row]:
    """The latest rows, of one state or lead or of all."""
    given = {"limit": limit, "state": state, "lead_id": lead_id}
    return [Row(*row) for row in conn.execute(_ROWS, given)]
