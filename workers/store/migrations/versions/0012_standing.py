"""A run's next step leaves all indexes alone, so that it is written where the run lies and nowhere else.

Those who fall due together lie far apart among a million runs, and each page that is touched for the first time after a
checkpoint goes to PostgreSQL's log as a whole.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

STANDING = """
DROP INDEX enrolments_standing;
CREATE INDEX enrolments_standing ON enrolments (campaign, version) WHERE outcome = '';
"""


def upgrade() -> None:
    """Build it anew."""
    op.execute(STANDING)
