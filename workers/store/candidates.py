"""Candidates for promotion: leads that are no opportunities only because something is missing.

They are found by an index that holds nobody else, however many leads there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import text

from workers.store.json import dumps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection

Missing = tuple[str, ...]
"""What stands against promotion: `when`, names of evidence, `email`."""
AT_A_TIME: Final = 1_000
"""Rows that are in memory together."""


class Candidate(NamedTuple):
    """A lead that lacks something.

    Attributes:
        name: its address, or another identity.
        state: `LeadState.dump()`.
    """

    id: int
    name: str
    missing: Missing
    state: Mapping[str, Any]


_COUNTS: Final = text("SELECT missing, count(*) FROM leads WHERE missing IS NOT NULL GROUP BY missing ORDER BY missing")


def counts(conn: Connection) -> dict[Missing, int]:
    """How many candidates there are, by all that they lack."""
    return {tuple(missing): number for missing, number in conn.execute(_COUNTS)}


# Names are looked up for those alone that are shown; when something last happened, for all that are asked for.
_LIST: Final = text("""
    WITH wanted AS (
        SELECT (row ->> 0)::int AS rank, ARRAY(SELECT jsonb_array_elements_text(row -> 1)) AS missing
        FROM jsonb_array_elements(CAST(:wanted AS jsonb)) AS row
    ), first AS (
        SELECT id, rank, (state ->> 'last')::bigint AS last FROM wanted JOIN leads USING (missing)
        WHERE leads.missing IS NOT NULL
        ORDER BY rank, last DESC NULLS LAST, id LIMIT :limit
    )
    SELECT id, coalesce(email, (SELECT min(identity) FROM identities WHERE lead_id = id), ''), missing, state
    FROM first JOIN leads USING (id) ORDER BY rank, last DESC NULLS LAST, id
""")


def those(conn: Connection, wanted: Mapping[Missing, int], limit: int | None = None) -> Iterator[Candidate]:
    """Candidates that lack exactly one of these, those of the lowest rank first, of equal ones the latest active."""
    given = dumps([[rank, missing] for missing, rank in wanted.items()])
    rows = conn.execute(_LIST.execution_options(yield_per=AT_A_TIME), {"wanted": given, "limit": limit})
    for id_, name, missing, state in rows:
        yield Candidate(id_, name, tuple(missing), state)
