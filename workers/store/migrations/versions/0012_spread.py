"""Indexes that a lead's next step leaves alone: what falls due among a million leads lies far apart.

Each page that is touched for the first time after a checkpoint is written to PostgreSQL's log as a whole.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# Without the lead's number the one value that most leads have is stored once for hundreds of them.
SCORING = """
DROP INDEX leads_scoring;
CREATE INDEX leads_scoring ON leads (scoring) WHERE failures = 0;
"""

# Without the step a run goes from one to the next in its own page.
STANDING = """
DROP INDEX enrolments_standing;
CREATE INDEX enrolments_standing ON enrolments (campaign, version) WHERE outcome = '';
"""


def upgrade() -> None:
    """Build both anew."""
    op.execute(SCORING)
    op.execute(STANDING)
