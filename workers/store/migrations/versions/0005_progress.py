"""Where everybody stands in campaigns, and what has happened in them, to be read without reading all leads.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ENROLMENTS = """
CREATE TABLE enrolments (
    lead_id bigint NOT NULL,
    campaign text NOT NULL,
    key text NOT NULL,
    run integer NOT NULL,
    version text NOT NULL,
    step text NOT NULL,
    due timestamptz,
    hold text NOT NULL,
    outcome text NOT NULL,
    reason text NOT NULL,
    entered_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT enrolments_pkey PRIMARY KEY (lead_id, campaign, key)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX enrolments_standing ON enrolments (campaign, version, step) WHERE outcome = '';
CREATE INDEX enrolments_ended ON enrolments (campaign, outcome) WHERE outcome <> '';
"""

# A run is stored as [version, run, entered, step, due, outcome, reason, key, hold, arms, goal]; see `Enrolment.dump`.
STANDING = """
INSERT INTO enrolments (
    lead_id, campaign, key, run, version, step, due, hold, outcome, reason, entered_at, changed_at
)
SELECT l.id, split_part(r.key, '|', 1), coalesce(r.value ->> 7, ''), (r.value ->> 1)::int, r.value ->> 0,
       r.value ->> 3, timestamptz 'epoch' + (r.value ->> 4)::bigint * interval '1 microsecond',
       coalesce(r.value ->> 8, ''), r.value ->> 5, r.value ->> 6,
       timestamptz 'epoch' + (r.value ->> 2)::bigint * interval '1 microsecond', l.updated_at
FROM leads l CROSS JOIN LATERAL jsonb_each(l.state -> 'enrolments') AS r
WHERE l.state ? 'enrolments'
"""

# One row per slice and word: whoever holds the slice is the only one who counts there, and waits for nobody.
COUNTS = """
CREATE TABLE campaign_counts (
    campaign text NOT NULL,
    day date NOT NULL,
    step text NOT NULL,
    what text NOT NULL,
    slice smallint NOT NULL,
    n bigint NOT NULL,
    CONSTRAINT campaign_counts_pkey PRIMARY KEY (campaign, day, step, what, slice)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.1);
"""

OUTBOX = """
ALTER TABLE outbox ADD COLUMN seen smallint NOT NULL DEFAULT 0;
DROP INDEX outbox_message;
CREATE INDEX outbox_message ON outbox (message_name) WHERE message_name IS NOT NULL;
"""


def upgrade() -> None:
    """Build all of it."""
    for part in (ENROLMENTS, STANDING, COUNTS, OUTBOX):
        op.execute(part)
