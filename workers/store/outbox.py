"""Effects on their way out: what is to be done once, who does it now, and what became of it.

A row goes `pending` → `sending` → `sent`, or → `retry` → `sending` and so on, or ends as `dead` (refused, or tried
often enough), `skipped` (a reason spoke against it) or `ambiguous` (it may have arrived or not; evidence settles it).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import text

from workers.store import campaign_counts, suppressions
from workers.store.campaign_counts import DELIVERY, Happened, utc_day
from workers.store.json import dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import Connection

Channel = Literal["email", "crm", "webhook"]
State = Literal["pending", "sending", "sent", "retry", "ambiguous", "dead", "skipped"]
CHANNELS: Final[tuple[Channel, ...]] = ("email", "crm", "webhook")
UNSENT: Final[Mapping[str, str]] = {"dead": "failed", "skipped": "unsent"}
"""How mails of campaigns are counted that ended in these states."""
LEASE_EXPIRED: Final = "lease-expired"
"""Reason of a row whose worker fell silent while sending."""
EVIDENCE: Final = "evidence"
"""Reason of a row that counts as sent because an event proves it."""
UNPROVED: Final = "unproved"
"""Reason of an `ambiguous` row for which no evidence came in time: a person has to say what became of it."""


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
        attempt: 1 for the first; what was given back untried does not count.
        number: tells this claim from all others of the same row, before and after it.
        version: rulebook version that decided it.
        email: the lead's address now, None if it has none.
        fields: the lead's fields now.
        suppressed: why the address may not be mailed, or no marketing (`unsubscribed`); empty if it may.
        consents: where the lead stands, as `LeadState.consents`.
        state: the lead's whole state, where the mail asks for it; None elsewhere.
        unclear_since, unclear_with: since when, and with whom, it may be already: an earlier claim's outcome is not
            known. None if every earlier one provably came to nothing.
    """

    id: int
    key: str
    channel: Channel
    lead_id: int
    payload: dict[str, Any]
    attempt: int
    number: int
    provider: str | None
    version: str
    email: str | None
    fields: dict[str, Any]
    suppressed: str
    created_at: datetime
    consents: dict[str, list[Any]] = field(default_factory=dict)
    unclear_since: datetime | None = None
    unclear_with: str | None = None
    state: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a claim.

    Attributes:
        id, claim: the claim's `id` and `number`.
        reason: a constant word to count by; why it was skipped, died, waits or is unclear.
        due_at: of a `retry`, when.
        provider: of a `retry`, who is to have it; empty for whoever had it.
        ref: the provider's own id.
        error: the provider's own words.
        unclear: it may have been taken.
        look_at: when to ask the provider whether it has it (`store.unclear`), if it can be asked.
        counts: False if nobody was asked, so that it was no try.
    """

    id: int
    claim: int
    state: Literal["sent", "retry", "ambiguous", "dead", "skipped"]
    reason: str = ""
    due_at: datetime | None = None
    provider: str = ""
    ref: str = ""
    error: str = ""
    unclear: bool = False
    look_at: datetime | None = None
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """A row for people; `message_name` is what stands before the @ in a mail's Message-ID."""

    id: int
    key: str
    channel: str
    lead_id: int
    state: str
    reason: str
    attempts: int
    claims: int
    due_at: datetime
    provider: str | None
    provider_ref: str | None
    message_name: str | None
    evidence: int | None
    last_error: str | None
    created_at: datetime
    settled_at: datetime | None


def message_name(key: str) -> str:
    """What stands before the @ in the Message-ID of the mail with this key: the same on every try; it names nobody."""
    return hashlib.blake2b(key.encode(), digest_size=16).hexdigest()


_NAMED: Final = text("SELECT message_name, key FROM outbox WHERE message_name = ANY(:names)")


def keys_of(conn: Connection, names: Collection[str]) -> dict[str, str]:
    """The keys of the mails whose Message-IDs begin with these names; those left out that we never sent."""
    return dict(conn.execute(_NAMED, {"names": list(names)}).all()) if names else {}


_PUT: Final = text("""
    INSERT INTO outbox (key, channel, lead_id, rulebook, payload, provider, message_name, due_at, created_at)
    SELECT key, channel, lead_id, :rulebook, payload, provider, message_name, :now, :now
    FROM json_to_recordset(:rows ::json) AS (
        key text, channel text, lead_id bigint, payload jsonb, provider text, message_name text
    )
    ON CONFLICT (key) DO NOTHING
""")


def put(conn: Connection, effects: Iterable[Effect], rulebook: int, now: datetime) -> int:
    """Put effects in the outbox, due at once; one whose key is known changes nothing. Returns how many are new.

    `rulebook` is the id of the version that decided, as `rulebooks.active` gives it.
    """
    rows = [
        {
            "key": e.key, "channel": e.channel, "lead_id": e.lead_id, "payload": e.payload, "provider": e.provider,
            "message_name": message_name(e.key) if e.channel == "email" else None,
        }
        for e in effects
    ]  # fmt: skip
    return conn.execute(_PUT, {"rows": dumps(rows), "rulebook": rulebook, "now": now}).rowcount if rows else 0


# Rows are looked up by an array of ids, here and below: joined with a list, whose length PostgreSQL does not know, it
# reads the whole table, which took half of the time that it spent on a mail.
_CLAIM: Final = text("""
    WITH due AS (
        SELECT id FROM outbox
        WHERE channel = :channel AND state IN ('pending', 'retry') AND due_at <= :now
        ORDER BY due_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE outbox SET state = 'sending', attempts = attempts + 1, claims = claims + 1, lease_until = :until,
                          provider = coalesce(CAST(:provider AS text), provider), settled_at = NULL,
                          claimed_at = :now,
                          addressee = (SELECT sha256(convert_to(lower(l.email), 'UTF8')) FROM leads l
                                       WHERE l.id = outbox.lead_id)
        WHERE id = ANY(ARRAY(SELECT id FROM due))
        RETURNING outbox.*
    )
    SELECT c.id, c.key, c.channel, c.lead_id, c.payload, c.attempts, c.claims, c.provider,
           coalesce(v.version, ''), l.email, coalesce(l.state -> 'fields', '{}'), '', c.created_at,
           coalesce(l.state -> 'consents', '{}'), c.unclear_since, c.unclear_with
    FROM claimed c
    LEFT JOIN leads l ON l.id = c.lead_id
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
    claims = [Claim(*row) for row in conn.execute(_CLAIM, given).all()]
    barred = suppressions.reasons(conn, [each.email for each in claims if each.email]) if channel == "email" else {}
    return [replace(each, suppressed=barred.get(each.email or "", "")) if barred else each for each in claims]


_ASSIGN: Final = text("""
    UPDATE outbox o SET provider = g.provider
    FROM json_to_recordset(:rows ::json) AS g (id bigint, provider text) WHERE o.id = g.id
""")


def assign(conn: Connection, claims: Iterable[Claim]) -> None:
    """Note on rows, in the transaction that claimed them, who gets them."""
    rows = [{"id": claim.id, "provider": claim.provider} for claim in claims]
    if rows:
        conn.execute(_ASSIGN, {"rows": dumps(rows)})


# Rows are locked in the order of their ids, here and in `evidence.prove`, so that the two never wait for each other.
# An outcome counts while its claim is the row's latest one: also after its lease ended, because then the late
# answer is the very evidence that was missing. What an event has proved stays proved.
_SETTLE: Final = text("""
    WITH given AS (
        SELECT * FROM json_to_recordset(:rows ::json) AS (
            id bigint, claim integer, state text, reason text, due_at timestamptz, provider text, ref text, error text,
            unclear boolean, look_at timestamptz, counts boolean
        )
    ), held AS (
        SELECT id FROM outbox WHERE id = ANY(ARRAY(SELECT id FROM given)) ORDER BY id FOR UPDATE
    )
    UPDATE outbox o SET
        state = CASE WHEN g.state <> 'skipped' AND o.evidence IS NOT NULL THEN 'sent' ELSE g.state END,
        reason = CASE WHEN g.state NOT IN ('skipped', 'sent') AND o.evidence IS NOT NULL THEN 'evidence'
                      ELSE g.reason END,
        due_at = coalesce(g.due_at, o.due_at),
        attempts = o.attempts - CASE WHEN g.counts THEN 0 ELSE 1 END,
        lease_until = NULL,
        provider = CASE WHEN o.evidence IS NULL THEN coalesce(nullif(g.provider, ''), o.provider) ELSE o.provider END,
        provider_ref = coalesce(nullif(g.ref, ''), o.provider_ref),
        last_error = CASE WHEN g.state = 'sent' THEN nullif(g.error, '')
                          ELSE coalesce(nullif(g.error, ''), o.last_error) END,
        unclear_since = CASE WHEN g.unclear THEN coalesce(o.unclear_since, o.claimed_at) ELSE o.unclear_since END,
        unclear_with = CASE WHEN g.unclear THEN coalesce(o.unclear_with, o.provider) ELSE o.unclear_with END,
        look_at = g.look_at,
        settled_at = :now
    FROM given g
    WHERE o.id = ANY(ARRAY(SELECT id FROM held)) AND o.id = g.id AND o.claims = g.claim
      AND o.state IN ('sending', 'ambiguous', 'retry')
    RETURNING o.id, o.state, o.reason, o.channel, o.created_at, o.payload ->> 'campaign' AS campaign,
              o.payload ->> 'step' AS step
""")
_ACCEPTED: Final = text("""
    UPDATE opportunities p SET ref = o.provider_ref, accepted_at = :now
    FROM outbox o WHERE o.id = ANY(:ids) AND p.key = o.key AND p.accepted_at IS NULL
""")


def settle(conn: Connection, outcomes: Sequence[Outcome], now: datetime) -> dict[int, str]:
    """Record what became of claims.

    Returns:
        the state that each row now has, by id. A row is missing if it was claimed again since or settled
        otherwise; one reported as unclear or failed is `sent` if an event proves that it arrived.
    """
    if not outcomes:
        return {}
    settled = conn.execute(_SETTLE, {"rows": dumps([_outcome(o) for o in outcomes]), "now": now}).all()
    accept(conn, [row.id for row in settled if row.channel == "crm" and row.state == "sent"], now)
    _count_unsent(conn, settled)
    return {row.id: row.state for row in settled}


def _count_unsent(conn: Connection, settled: Iterable[Any]) -> None:
    """Count the mails of campaigns that did not go out after all, and why."""
    lost = [row for row in settled if row.campaign and row.state in UNSENT]
    counts = Counter(
        Happened(row.campaign, row.step, f"{UNSENT[row.state]}:{row.reason}", utc_day(row.created_at)) for row in lost
    )
    campaign_counts.add(conn, DELIVERY, counts)


def accept(conn: Connection, ids: Sequence[int], now: datetime) -> None:
    """Note on their opportunities that the CRM has these promotions."""
    if ids:
        conn.execute(_ACCEPTED, {"ids": list(ids), "now": now})


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "id": outcome.id,
        "claim": outcome.claim,
        "state": outcome.state,
        "reason": outcome.reason,
        "due_at": outcome.due_at if outcome.state == "retry" else None,
        "provider": outcome.provider,
        "ref": outcome.ref,
        "error": outcome.error,
        "unclear": outcome.unclear,
        "look_at": outcome.look_at if outcome.state == "ambiguous" else None,
        "counts": outcome.counts,
    }


# Tries are given back, the claim's number never: whoever repeats this after a lost answer finds another claim's number.
# Also after the lease ended: then the row is unclear only because nobody had said yet that it was not even tried.
# What an event proved meanwhile stays proved.
_GIVE_BACK: Final = text("""
    UPDATE outbox o SET state = CASE o.attempts WHEN 1 THEN 'pending' ELSE 'retry' END,
                        reason = CASE o.state WHEN 'ambiguous' THEN '' ELSE o.reason END,
                        attempts = o.attempts - 1, lease_until = NULL, due_at = g.due_at, settled_at = NULL
    FROM json_to_recordset(:rows ::json) AS g (id bigint, claim integer, due_at timestamptz)
    WHERE o.id = g.id AND o.claims = g.claim AND o.state IN ('sending', 'ambiguous') AND o.evidence IS NULL
""")


def give_back(conn: Connection, untried: Iterable[tuple[int, int, datetime]]) -> int:
    """Let go of claims that were not even tried, so that no attempt counts; returns how many still were ours.

    Each of `untried` is a row's id, the claim's number, and when the row may be claimed again.
    """
    rows = [{"id": id_, "claim": number, "due_at": due_at} for id_, number, due_at in untried]
    return conn.execute(_GIVE_BACK, {"rows": dumps(rows)}).rowcount if rows else 0


_EXPIRED: Final = text("""
    SELECT id, claims, provider FROM outbox WHERE state = 'sending' AND lease_until <= :now
    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
""")


def expire(conn: Connection, now: datetime, takes_key: Callable[[str], bool], *, limit: int = 1000) -> dict[str, int]:
    """See to rows whose worker fell silent, so that they may or may not have arrived; returns how many by new state.

    Where `takes_key` says of the provider's name that sending the same key again is harmless, the row is tried again.
    Otherwise it becomes `ambiguous`, and evidence or a person settles it.
    """
    outcomes = [
        Outcome(
            id_, number, "retry" if provider and takes_key(provider) else "ambiguous", LEASE_EXPIRED, due_at=now,
            unclear=True, look_at=now,
        )
        for id_, number, provider in conn.execute(_EXPIRED, {"now": now, "limit": limit})
    ]  # fmt: skip
    states = list(settle(conn, outcomes, now).values())
    return {state: states.count(state) for state in dict.fromkeys(states)}


_UNPROVED: Final = text("""
    UPDATE outbox SET reason = 'unproved'
    WHERE state = 'ambiguous' AND settled_at <= :before AND reason <> 'unproved'
""")


def leave_to_people(conn: Connection, before: datetime) -> int:
    """Turn to a person for rows that have been `ambiguous` since `before`; returns how many are new among them.

    They stay as they are but for their reason: evidence may still settle them, and nothing sends them again.
    """
    return conn.execute(_UNPROVED, {"before": before}).rowcount


_NOTICES: Final = text("SELECT key FROM outbox WHERE key = ANY(:keys) AND payload ? 'to'")


def notices(conn: Connection, keys: Collection[str]) -> frozenset[str]:
    """Those of these keys that belong to messages to colleagues, not to leads."""
    return frozenset(conn.scalars(_NOTICES, {"keys": list(keys)})) if keys else frozenset()


# In the order of the index, and not by EXISTS: where much is due, the planner hopes to meet a row soon by reading the
# table from its beginning, and reads all of it for the channel that has none.
_DUE: Final = text("""
    SELECT channel FROM unnest(CAST(:channels AS text[])) AS channel
    WHERE :now >= (
        SELECT due_at FROM outbox
        WHERE outbox.channel = channel.channel AND state IN ('pending', 'retry') ORDER BY due_at LIMIT 1
    ) OR :now >= (
        SELECT look_at FROM outbox
        WHERE outbox.channel = channel.channel AND state = 'ambiguous' AND look_at IS NOT NULL
        ORDER BY look_at LIMIT 1
    )
""")


def due_channels(conn: Connection, now: datetime) -> frozenset[str]:
    """Channels with rows to send, or to ask about."""
    return frozenset(conn.scalars(_DUE, {"channels": list(CHANNELS), "now": now}))


_COUNTS: Final = text("SELECT channel, state, reason, count(*) FROM outbox GROUP BY 1, 2, 3 ORDER BY 1, 2, 3")
_ROWS: Final = text("""
    SELECT id, key, channel, lead_id, state, reason, attempts, claims, due_at, provider, provider_ref, message_name,
           evidence, last_error, created_at, settled_at
    FROM outbox
    WHERE (:state = '' OR state = :state) AND (:reason = '' OR reason = :reason)
      AND (:lead_id = 0 OR lead_id = :lead_id)
    ORDER BY id DESC LIMIT :limit
""")


def counts(conn: Connection) -> dict[tuple[str, str, str], int]:
    """Rows by (channel, state, reason)."""
    return {(channel, state, reason): number for channel, state, reason, number in conn.execute(_COUNTS)}


def rows(conn: Connection, limit: int, *, state: str = "", reason: str = "", lead_id: int = 0) -> list[Row]:
    """The latest rows, of one state, reason or lead or of all."""
    given = {"limit": limit, "state": state, "reason": reason, "lead_id": lead_id}
    return [Row(*row) for row in conn.execute(_ROWS, given)]
