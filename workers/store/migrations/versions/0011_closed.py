"""What lies in quarantine for good is closed by a person, with a reason.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

CLOSED = """
ALTER TABLE quarantine ADD COLUMN closed_at timestamptz, ADD COLUMN closed_by text, ADD COLUMN closed_because text;
DROP INDEX quarantine_open;
CREATE INDEX quarantine_open ON quarantine (reason, id) WHERE replayed_at IS NULL AND closed_at IS NULL;
CREATE INDEX quarantine_closed ON quarantine (reason, id) WHERE closed_at IS NOT NULL;
"""


def upgrade() -> None:
    """Build all of it."""
    op.execute(CLOSED)
