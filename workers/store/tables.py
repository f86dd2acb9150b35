"""Every table, as SQLAlchemy Core metadata; a test keeps it equal to what the migrations build."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

metadata: Final = MetaData()

OUTBOX_STATES: Final = ("pending", "sending", "sent", "retry", "ambiguous", "dead", "skipped")
"""The life of an effect: pending → sending → sent, or → retry → sending …, or ends in dead, skipped or ambiguous."""


def _instant() -> TIMESTAMP:
    return TIMESTAMP(timezone=True)


# ── events in ────────────────────────────────────────────────────────────────────────────────────────────────

event_keys: Final = Table(
    "event_keys",
    metadata,
    Column("key", Uuid, primary_key=True, doc="16-byte BLAKE2b of source and the source's event id"),
    Column("received_at", _instant(), nullable=False),
)

events: Final = Table(
    "events",
    metadata,
    Column("id", BigInteger, nullable=False, server_default=text("nextval('events_id_seq')")),
    Column("received_at", _instant(), nullable=False),
    Column("occurred_at", _instant(), nullable=False),
    Column("slice", SmallInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False, doc="the source's own id"),
    Column("type", Text, nullable=False),
    Column("subject", Text, nullable=False, doc="the strongest identity, as kind:value"),
    Column("identities", ARRAY(Text), nullable=False, doc="all of them, strongest first"),
    Column("properties", JSONB, nullable=False),
    Column("lead", JSONB, nullable=False),
    Column("payload", LargeBinary, nullable=False, doc="the sender's original"),
    PrimaryKeyConstraint("id", "received_at", name="events_pkey"),
    Index("events_subject", "subject", "id"),
    postgresql_partition_by="RANGE (received_at)",
)
"""The event log: rows are added and never changed. One partition a month."""

inbox: Final = Table(
    "inbox",
    metadata,
    Column("slice", SmallInteger, nullable=False),
    Column("not_before", _instant(), nullable=False, server_default=text("'epoch'")),
    Column("event_id", BigInteger, nullable=False),
    Column("received_at", _instant(), nullable=False, doc="finds the event's partition"),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    Column("error", Text),
    Column("waits_for", BigInteger, doc="the lead that has to get over its failing wake-up first"),
    PrimaryKeyConstraint("slice", "not_before", "event_id", name="inbox_pkey"),
    Index("inbox_waits", "waits_for", postgresql_where=text("waits_for IS NOT NULL")),
)
"""Events not yet processed; a row goes in the transaction that holds what came of its event."""

quarantine: Final = Table(
    "quarantine",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("reason", Text, nullable=False, doc="a constant word to count by"),
    Column("detail", Text, nullable=False, doc="a sentence for a person"),
    Column("url", Text),
    Column("headers", JSONB),
    Column("payload", LargeBinary),
    Column("place", Integer, doc="of the payload in its batch, from 0; null if it is the whole delivery"),
    Column("event_id", BigInteger),
    Column("received_at", _instant(), nullable=False, doc="of the delivery or the event"),
    Column("quarantined_at", _instant(), nullable=False),
    Column("replayed_at", _instant()),
    Column("closed_at", _instant(), doc="given up by a person for good"),
    Column("closed_by", Text),
    Column("closed_because", Text),
    CheckConstraint("kind IN ('delivery', 'event')", name="quarantine_kind"),
    CheckConstraint("kind <> 'event' OR event_id IS NOT NULL", name="quarantine_event"),
    Index("quarantine_waiting", "event_id", postgresql_where=text("kind = 'event' AND replayed_at IS NULL")),
    Index("quarantine_open", "reason", "id", postgresql_where=text("replayed_at IS NULL AND closed_at IS NULL")),
    Index("quarantine_closed", "reason", "id", postgresql_where=text("closed_at IS NOT NULL")),
)

# ── leads ────────────────────────────────────────────────────────────────────────────────────────────────────

leads: Final = Table(
    "leads",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False, server_default=text("nextval('leads_id_seq')")),
    Column("slice", SmallInteger, nullable=False, doc="where its wake-ups are worked on"),
    Column("email", Text),
    Column("stage", Text, nullable=False, server_default=text("''")),
    Column("state", JSONB, nullable=False, doc="workers.engine.values.LeadState.dump()"),
    Column("wake_at", _instant()),
    Column("rulebook", Integer, doc="the version that decided last"),
    Column("scoring", Text, nullable=False, server_default=text("''"), doc="Rulebook.stamp it was counted by"),
    Column("failures", SmallInteger, nullable=False, server_default=text("0"), doc="wake-ups failed in a row"),
    Column("error", Text),
    Column("created_at", _instant(), nullable=False),
    Column("updated_at", _instant(), nullable=False),
    Column("missing", ARRAY(Text), doc="what stands against its promotion; null if it is no candidate"),
    Index("leads_wake", "slice", "wake_at", postgresql_where=text("wake_at IS NOT NULL")),
    Index("leads_scoring", "scoring", "id", postgresql_where=text("failures = 0")),
    Index("leads_stuck", "id", postgresql_where=text("failures > 0")),
    Index("leads_candidates", "missing", postgresql_where=text("missing IS NOT NULL")),
)

identities: Final = Table(
    "identities",
    metadata,
    Column("identity", Text, primary_key=True, doc="kind:value"),
    # No foreign key: lead and identities are written by one transaction, and nothing deletes one without the other.
    Column("lead_id", BigInteger, nullable=False),
    Index("identities_lead", "lead_id"),
)

suppressions: Final = Table(
    "suppressions",
    metadata,
    Column("digest", LargeBinary, nullable=False, doc="SHA-256 of the e-mail address, or of a domain as @acme.test"),
    Column("email", Text, doc="null once the person was erased"),
    Column("reason", Text, nullable=False),
    Column("lead_id", BigInteger),
    Column("event_id", BigInteger),
    Column("created_at", _instant(), nullable=False),
    Column("author", Text, nullable=False, server_default=text("''"), doc="who put it there; empty for an event"),
    PrimaryKeyConstraint("digest", "reason", name="suppressions_pkey"),
    Index("suppressions_lead", "lead_id"),
)

suppression_removals: Final = Table(
    "suppression_removals",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False, doc="for which it had stood on the list"),
    Column("created_at", _instant(), nullable=False, doc="since when"),
    Column("removed_at", _instant(), nullable=False),
    Column("author", Text, nullable=False),
    Column("why", Text, nullable=False),
)

consents: Final = Table(
    "consents",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("lead_id", BigInteger, nullable=False),
    Column("category", Text, nullable=False, doc="* for all of them"),
    Column("action", Text, nullable=False),
    Column("standing", Text, nullable=False, doc="where the person stood after it"),
    Column("occurred_at", _instant(), nullable=False),
    Column("event_id", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("shown", Text, nullable=False, doc="the text beside the box"),
    Column("basis", Text, nullable=False, doc="the lawful basis that the rules named"),
    Column("rulebook", Integer, nullable=False),
    Column("recorded_at", _instant(), nullable=False),
    UniqueConstraint("lead_id", "category", "event_id", name="consents_once"),
)
"""Who wanted which mail, since when, and what they were shown. Rows are added and never changed."""

erasures: Final = Table(
    "erasures",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("digest", LargeBinary, nullable=False, doc="of the address; see suppressions"),
    Column("erased_at", _instant(), nullable=False),
    Column("author", Text, nullable=False),
    Column("erased", JSONB, nullable=False, doc="how many rows of which table"),
    Index("erasures_digest", "digest"),
)
"""The proof of every erasure, without the person."""

forgotten: Final = Table(
    "forgotten",
    metadata,
    Column("digest", LargeBinary, primary_key=True, doc="SHA-256 of an identity, as kind:value"),
    Column("erased_at", _instant(), nullable=False),
    Column("arrived", BigInteger, nullable=False, server_default=text("0"), doc="events that came in and were erased"),
)
"""Identities of erased people: what comes in about them is erased on arrival, until they consent anew."""

# ── decisions and what follows from them ─────────────────────────────────────────────────────────────────────

rulebook_versions: Final = Table(
    "rulebook_versions",
    metadata,
    Column("id", Integer, Identity(), primary_key=True, doc="short for the version, in every decision"),
    Column("version", Text, nullable=False, doc="content hash"),
    Column("files", JSONB, nullable=False, doc="text by path: rules and templates"),
    Column("author", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("created_at", _instant(), nullable=False),
    Column("scoring", Text, nullable=False, server_default=text("''"), doc="Rulebook.stamp; empty until first used"),
    UniqueConstraint("version", name="rulebook_versions_version"),
)

rulebook_activations: Final = Table(
    "rulebook_activations",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("rulebook", Integer, nullable=False),
    Column("author", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("activated_at", _instant(), nullable=False),
)
"""Which version was made the active one, when and by whom; the latest row counts."""

decisions: Final = Table(
    "decisions",
    metadata,
    Column("id", BigInteger, nullable=False, server_default=text("nextval('decisions_id_seq')")),
    Column("decided_at", _instant(), nullable=False),
    Column("lead_id", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("rulebook", Integer, nullable=False),
    Column("event_id", BigInteger),
    Column("detail", JSONB, nullable=False),
    Index("decisions_lead", "lead_id", "id"),
    Index("decisions_skipped", "decided_at", postgresql_where=text("kind = 'skipped'")),
    postgresql_partition_by="RANGE (decided_at)",
)
"""Why everything is as it is. Rows are added and never changed. One partition a month."""

outbox: Final = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("key", Text, nullable=False, doc="what the effect is, never the attempt"),
    Column("channel", Text, nullable=False),
    Column("lead_id", BigInteger, nullable=False),
    Column("rulebook", Integer, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'pending'")),
    Column("reason", Text, nullable=False, server_default=text("''"), doc="a constant word to count by"),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    Column("claims", Integer, nullable=False, server_default=text("0"), doc="ever; the latest one's number"),
    Column("due_at", _instant(), nullable=False),
    Column("lease_until", _instant(), doc="while sending"),
    Column("provider", Text, doc="who has it, or had it last"),
    Column("provider_ref", Text, doc="the provider's own id"),
    Column("message_name", Text, doc="of a mail: its Message-ID up to the @, made of the key"),
    Column("evidence", BigInteger, doc="the event that proves it arrived"),
    Column("seen", SmallInteger, nullable=False, server_default=text("0"), doc="what became of a mail: outbox.SEEN"),
    Column("last_error", Text),
    Column("created_at", _instant(), nullable=False),
    Column("settled_at", _instant()),
    Column("claimed_at", _instant(), doc="when the latest claim was made"),
    Column("addressee", LargeBinary, doc="SHA-256 of the lead's address then, in lower case"),
    Column("unclear_since", _instant(), doc="since when it may have been taken; null if it provably was not"),
    Column("unclear_with", Text, doc="by whom"),
    Column("look_at", _instant(), doc="while ambiguous: when to ask the provider whether it has it"),
    UniqueConstraint("key", name="outbox_key"),
    CheckConstraint("channel IN ('email', 'crm', 'webhook')", name="outbox_channel"),
    CheckConstraint(
        "state IN ('pending', 'sending', 'sent', 'retry', 'ambiguous', 'dead', 'skipped')", name="outbox_state"
    ),
    CheckConstraint("(state = 'sending') = (lease_until IS NOT NULL)", name="outbox_lease"),
    Index("outbox_due", "channel", "due_at", "id", postgresql_where=text("state IN ('pending', 'retry')")),
    Index("outbox_leases", "lease_until", postgresql_where=text("state = 'sending'")),
    Index("outbox_ambiguous", "settled_at", postgresql_where=text("state = 'ambiguous' AND reason <> 'unproved'")),
    Index("outbox_message", "message_name", postgresql_where=text("message_name IS NOT NULL")),
    Index("outbox_lead", "lead_id"),
    Index("outbox_look", "channel", "look_at", postgresql_where=text("state = 'ambiguous' AND look_at IS NOT NULL")),
)

provider_pauses: Final = Table(
    "provider_pauses",
    metadata,
    Column("provider", Text, nullable=False),
    Column("process", Text, nullable=False, doc="host:pid of who leaves it alone"),
    Column("since", _instant(), nullable=False),
    Column("until", _instant(), nullable=False),
    Column("failures", Integer, nullable=False, doc="calls without an answer since the last answer"),
    PrimaryKeyConstraint("provider", "process", name="provider_pauses_pkey"),
)
"""Providers that processes leave alone for a while, for looking at. What decides is in each process."""

opportunities: Final = Table(
    "opportunities",
    metadata,
    Column("key", Text, primary_key=True, doc="the promotion's; equal to the outbox row's"),
    Column("lead_id", BigInteger, nullable=False),
    Column("crm", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    Column("created_at", _instant(), nullable=False),
    Column("ref", Text, doc="the CRM's own id, once it has it"),
    Column("accepted_at", _instant()),
    Column("owner", Text, nullable=False, server_default=text("''"), doc="who got it; empty for nobody"),
    Column("rota", Text, nullable=False, server_default=text("''"), doc="whose turn it was among whom"),
    Index("opportunities_lead", "lead_id"),
    Index("opportunities_owner", "owner", "created_at"),
    Index("opportunities_rota", "rota", "owner"),
)

# ── campaigns ────────────────────────────────────────────────────────────────────────────────────────────────

enrolments: Final = Table(
    "enrolments",
    metadata,
    Column("lead_id", BigInteger, nullable=False),
    Column("campaign", Text, nullable=False),
    Column("key", Text, nullable=False, doc="what tells runs side by side apart; empty where there is one at a time"),
    Column("run", Integer, nullable=False),
    Column("version", Text, nullable=False, doc="of the campaign"),
    Column("step", Text, nullable=False, doc="the one to come, or the one that is waited at"),
    Column("due", _instant(), doc="when it goes on by itself"),
    Column("hold", Text, nullable=False, doc="why it stands there"),
    Column("outcome", Text, nullable=False, doc="empty while under way"),
    Column("reason", Text, nullable=False),
    Column("entered_at", _instant(), nullable=False),
    Column("changed_at", _instant(), nullable=False),
    Column("resumed_by", Integer, nullable=False, server_default=text("0"), doc="of a held run: what made it go on"),
    PrimaryKeyConstraint("lead_id", "campaign", "key", name="enrolments_pkey"),
    Index("enrolments_standing", "campaign", "version", postgresql_where=text("outcome = ''")),
    Index("enrolments_ended", "campaign", "outcome", postgresql_where=text("outcome <> ''")),
    Index(
        "enrolments_held",
        "campaign",
        "resumed_by",
        "lead_id",
        postgresql_where=text("hold LIKE 'paused%' AND outcome = ''"),
    ),
)
"""The latest run of each lead in each campaign, for looking at. What decides is in the lead's own state."""

campaign_counts: Final = Table(
    "campaign_counts",
    metadata,
    Column("campaign", Text, nullable=False),
    Column("day", Date, nullable=False, doc="UTC; of what becomes of a mail, the day on which it was sent"),
    Column("step", Text, nullable=False, doc="empty for the campaign as a whole"),
    Column("what", Text, nullable=False, doc="see workers.pipeline.progress"),
    Column("slice", SmallInteger, nullable=False, doc="who counts: the slice's worker, -1 for delivery, -2 for folded"),
    Column("n", BigInteger, nullable=False),
    PrimaryKeyConstraint("campaign", "day", "step", "what", "slice", name="campaign_counts_pkey"),
    Index("campaign_counts_unfolded", "day", postgresql_where=text("slice <> -2")),
    Index(
        "campaign_counts_daily",
        "day",
        postgresql_where=text(
            "slice = -2 AND extract(day FROM day) <> 1 AND what NOT LIKE 'arm:%' AND what NOT LIKE 'success:%'"
        ),
    ),
)
"""How often what has happened in campaigns."""

campaign_controls: Final = Table(
    "campaign_controls",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("campaign", Text, nullable=False),
    Column("step", Text, nullable=False, doc="of a test, the split; empty for the campaign as a whole"),
    Column("what", Text, nullable=False),
    Column("value", Text, nullable=False, doc="of a test, the arm that won; empty for no difference"),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    Column("decided_at", _instant(), nullable=False),
    CheckConstraint("what IN ('paused', 'resumed', 'decided')", name="campaign_controls_what"),
    Index("campaign_controls_latest", "campaign", "step", "id"),
)
"""Pauses, and winners of tests; the latest row about a campaign or a step of it counts."""

PARTITIONED: Final = {"events": "received_at", "decisions": "decided_at"}
"""Tables with one partition a month, and the column that decides which."""
