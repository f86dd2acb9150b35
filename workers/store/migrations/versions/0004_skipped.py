"""An index of what was left aside, so that it can be counted.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Build it."""
    op.execute("CREATE INDEX decisions_skipped ON decisions (decided_at) WHERE kind = 'skipped'")
