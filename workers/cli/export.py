"""`dripline export`"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import click

from workers.cli._base import INSTANT, now, store

SECTION = "Look and act"
FIRST = datetime(1970, 1, 1, tzinfo=UTC)


@click.command
@click.option("--since", type=INSTANT, default=FIRST, help="Only events received from then on.")
@click.option("--until", type=INSTANT, help="Only events received before (default: now).")
def command(since: datetime, until: datetime | None) -> None:
    """Write the event log, one JSON object a line, as `dripline simulate` reads it.

    What people told about themselves is in it: keep the file as you keep the database.

    \b
    Examples:
      dripline export --since 2026-01-01 | gzip > events.jsonl.gz
      dripline simulate events.jsonl.gz --rules new/rules
    """
    import orjson

    from workers.store import export
    from workers.store.database import transaction

    written = 0
    with store() as engine, transaction(engine) as conn:
        for row in export.rows(conn, since, until or now()):
            sys.stdout.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE).decode())
            written += 1
    click.echo(f"{written:,} events.", err=True)
