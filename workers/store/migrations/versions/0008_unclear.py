"""What may have been taken: since when, by whom, and when to ask.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# What waits to be tried again because its outcome was unclear stays so; since when is not known, but for its making.
OUTBOX = """
ALTER TABLE outbox
    ADD COLUMN claimed_at timestamptz,
    ADD COLUMN addressee bytea,
    ADD COLUMN unclear_since timestamptz,
    ADD COLUMN unclear_with text,
    ADD COLUMN look_at timestamptz;
UPDATE outbox SET unclear_since = created_at, unclear_with = provider
    WHERE state = 'retry' AND reason IN ('unknown', 'adapter-error', 'lease-expired') AND evidence IS NULL;
CREATE INDEX outbox_look ON outbox (channel, look_at) WHERE state = 'ambiguous' AND look_at IS NOT NULL;
"""


def upgrade() -> None:
    """Add it."""
    op.execute(OUTBOX)
