"""Who stands where in campaigns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Connection

# A run is stored as [version, run, entered, step, due, outcome, reason]; see `LeadState.dump`.
_UNDER_WAY: Final = text("""
    SELECT run.key, run.value ->> 0, run.value ->> 3, count(*)
    FROM leads CROSS JOIN LATERAL jsonb_each(leads.state -> 'enrolments') AS run
    WHERE leads.state ? 'enrolments' AND run.value ->> 5 = ''
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
""")


def under_way(conn: Connection) -> dict[tuple[str, str, str], int]:
    """Leads in a campaign, by (campaign, version of the campaign, id of the step to come). Reads all leads."""
    return {(campaign, version, step): leads for campaign, version, step, leads in conn.execute(_UNDER_WAY)}
