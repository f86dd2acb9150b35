"""Events that wait for a lead whose wake-up fails.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STUCK = """
ALTER TABLE inbox ADD COLUMN waits_for bigint;
CREATE INDEX inbox_waits ON inbox (waits_for) WHERE waits_for IS NOT NULL;
CREATE INDEX leads_stuck ON leads (id) WHERE failures > 0;
"""


def upgrade() -> None:
    """Build all of it."""
    op.execute(STUCK)
