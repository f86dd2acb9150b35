"""How much has come in about people who were erased.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Build it."""
    op.execute("ALTER TABLE forgotten ADD COLUMN arrived bigint NOT NULL DEFAULT 0")
