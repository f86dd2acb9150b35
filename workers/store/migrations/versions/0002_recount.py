"""Counting leads anew, and owners that take turns.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCORING = """
ALTER TABLE rulebook_versions ADD COLUMN scoring text NOT NULL DEFAULT '';
ALTER TABLE leads ADD COLUMN scoring text NOT NULL DEFAULT '';
-- Those that are counted by other rules lie beside the one value that most have: found without looking at the rest.
-- A lead whose wake-up fails has its own pace, and must not be in the way of the others.
CREATE INDEX leads_scoring ON leads (scoring, id) WHERE failures = 0;
CREATE INDEX quarantine_waiting ON quarantine (event_id) WHERE kind = 'event' AND replayed_at IS NULL;
"""

OWNERS = """
ALTER TABLE opportunities ADD COLUMN owner text NOT NULL DEFAULT '', ADD COLUMN rota text NOT NULL DEFAULT '';
UPDATE opportunities SET owner = details ->> 'owner' WHERE details ->> 'owner' <> '';
CREATE INDEX opportunities_owner ON opportunities (owner, created_at);
CREATE INDEX opportunities_rota ON opportunities (rota, owner);
"""


def upgrade() -> None:
    """Build all of it."""
    for part in (SCORING, OWNERS):
        op.execute(part)
