"""What events say about mails that went out: that they arrived, and what became of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import text

from workers.store.campaign_counts import Happened, utc_day
from workers.store.json import dumps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

SEEN: Final[Mapping[str, int]] = {
    "opened": 1, "clicked": 2, "bounced": 4, "complained": 8, "unsubscribed": 16, "replied": 32,
}  # fmt: skip
"""What may become of a mail, each noted once: the bits of the column `seen`."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """An event from which it follows that a mail was taken.

    Attributes:
        lead_id: whom the event is about; a mail to anybody else is not proved by it.
        key: the effect's key, where the provider hands it back; or empty.
        message_id: the mail's Message-ID without angle brackets, or empty.
        seen: what it says became of the mail, a bit of `SEEN`; 0 for nothing that is counted.
    """

    event_id: int
    lead_id: int
    key: str = ""
    message_id: str = ""
    seen: int = 0


# A row is touched if it lacks the proof (`open`), or if something becomes known of it that was not (`seen`).
_PROVE: Final = text("""
    WITH given AS (
        SELECT * FROM json_to_recordset(:rows ::json) AS (
            event_id bigint, lead_id bigint, key text, message_name text, seen int
        )
    ), found AS (
        SELECT o.id, g.event_id, g.seen FROM given g JOIN outbox o ON o.key = g.key
        WHERE o.lead_id = g.lead_id AND o.channel = 'email'
          AND (o.evidence IS NULL AND o.state IN ('sending', 'ambiguous', 'retry', 'dead') OR g.seen & ~o.seen <> 0)
        UNION ALL
        SELECT o.id, g.event_id, g.seen FROM given g JOIN outbox o ON o.message_name = g.message_name
        WHERE o.lead_id = g.lead_id AND o.channel = 'email'
          AND (o.evidence IS NULL AND o.state IN ('sending', 'ambiguous', 'retry', 'dead') OR g.seen & ~o.seen <> 0)
    ), proof AS (
        SELECT id, min(event_id) AS event_id, bit_or(seen) AS seen FROM found GROUP BY id
    ), held AS (
        SELECT id, evidence IS NULL AND state IN ('sending', 'ambiguous', 'retry', 'dead') AS open, seen
        FROM outbox WHERE id IN (SELECT id FROM proof) ORDER BY id FOR UPDATE
    )
    UPDATE outbox o SET
        seen = o.seen | p.seen,
        evidence = CASE WHEN h.open THEN p.event_id ELSE o.evidence END,
        state = CASE WHEN h.open AND o.state <> 'sending' THEN 'sent' ELSE o.state END,
        reason = CASE WHEN h.open AND o.state <> 'sending' THEN 'evidence' ELSE o.reason END,
        settled_at = CASE WHEN h.open AND o.state <> 'sending' THEN :now ELSE o.settled_at END
    FROM proof p, held h
    WHERE o.id = p.id AND h.id = o.id AND (h.open OR p.seen & ~h.seen <> 0)
    RETURNING h.open AND o.state = 'sent' AS proved, p.seen & ~h.seen AS seen, o.created_at,
              o.payload ->> 'campaign' AS campaign, o.payload ->> 'step' AS step
""")


class Proved(NamedTuple):
    """What events said about mails.

    Attributes:
        rows: how many became `sent` by it.
        became: what became known of mails that campaigns sent, how often.
    """

    rows: int = 0
    became: Mapping[Happened, int] = {}


def prove(conn: Connection, evidence: Iterable[Evidence], now: datetime) -> Proved:
    """Take events as proof that mails were taken, and note what they say became of them.

    Unclear and failed rows become `sent`; one that is being sent right now only notes the proof, which decides if its
    outcome turns out unclear. An event says nothing about a mail to another lead, or about a promotion. However often
    a mail is opened, that it was is noted, and told to the caller, once.
    """
    rows = [
        {
            "event_id": each.event_id, "lead_id": each.lead_id, "key": each.key or None, "seen": each.seen,
            "message_name": each.message_id.partition("@")[0] or None,
        }
        for each in evidence
        if each.key or each.message_id
    ]  # fmt: skip
    if not rows:
        return Proved()
    touched = conn.execute(_PROVE, {"rows": dumps(rows), "now": now}).all()
    return Proved(sum(row.proved for row in touched), Counter(news for row in touched for news in _news(row)))


def _news(row: Any) -> Iterator[Happened]:
    """What became known of a mail, if a campaign sent it."""
    if row.campaign:
        for what, bit in SEEN.items():
            if row.seen & bit:
                yield Happened(row.campaign, row.step, what, utc_day(row.created_at))
