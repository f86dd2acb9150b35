"""Effects that are webhooks to other people's programs.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

CHANNEL = """
ALTER TABLE outbox DROP CONSTRAINT outbox_channel;
ALTER TABLE outbox ADD CONSTRAINT outbox_channel CHECK (channel IN ('email', 'crm', 'webhook'));
"""


def upgrade() -> None:
    """Let the outbox take them."""
    op.execute(CHANNEL)
