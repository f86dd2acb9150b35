"""Which process leaves which provider alone for a while stands where everybody can see it.

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

PAUSES = """
CREATE TABLE provider_pauses (
    provider text NOT NULL,
    process text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    failures integer NOT NULL,
    CONSTRAINT provider_pauses_pkey PRIMARY KEY (provider, process)
);
"""


def upgrade() -> None:
    """Build it."""
    op.execute(PAUSES)
