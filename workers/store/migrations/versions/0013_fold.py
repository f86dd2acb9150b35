"""Old counts of campaigns are found by index, so that they can be folded a few at a time.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

FOLD = """
CREATE INDEX campaign_counts_unfolded ON campaign_counts (day) WHERE slice <> -2;
CREATE INDEX campaign_counts_daily ON campaign_counts (day)
    WHERE slice = -2 AND extract(day FROM day) <> 1 AND what NOT LIKE 'arm:%' AND what NOT LIKE 'success:%';
"""


def upgrade() -> None:
    """Build them."""
    op.execute(FOLD)
