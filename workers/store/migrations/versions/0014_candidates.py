"""What candidates for promotion lack has a column and an index of its own, so that they are found among all leads.

A column, and no index on the state: then every change of a state would have to be written into that index, too.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

CANDIDATES = """
ALTER TABLE leads ADD COLUMN missing text[];
UPDATE leads SET missing = ARRAY(SELECT jsonb_array_elements_text(state -> 'missing'))
    WHERE jsonb_typeof(state -> 'missing') = 'array' AND state -> 'missing' <> '[]';
CREATE INDEX leads_candidates ON leads (missing) WHERE missing IS NOT NULL;
"""


def upgrade() -> None:
    """Build all of it."""
    op.execute(CANDIDATES)
