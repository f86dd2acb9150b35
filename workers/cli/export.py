"""`dripline export`"""

from __future__ import annotations

import secrets
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from workers.cli._base import INSTANT, now, store

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from workers.reports.masking import Mask

SECTION = "Look and act"
FIRST = datetime(1970, 1, 1, tzinfo=UTC)


@click.command
@click.option("--since", type=INSTANT, default=FIRST, help="Only events received from then on.")
@click.option("--until", type=INSTANT, help="Only events received before (default: now).")
@click.option("--masked", is_flag=True, help="Without names and addresses: personal fields and identities replaced.")
def command(since: datetime, until: datetime | None, masked: bool) -> None:
    """Write the event log, one JSON object a line, as `dripline simulate` and `dripline impact` read it.

    What people told about themselves is in it: keep the file as you keep the database. With --masked, addresses and
    other identities become pseudonyms that differ from export to export, and fields that the rules call personal are
    replaced; properties of events stay as they are.

    \b
    Examples:
      dripline export --since 2026-01-01 | gzip > events.jsonl.gz
      dripline export --masked > events.jsonl            for a review by people who may not see who it is
      dripline simulate events.jsonl.gz --rules new/rules
    """
    import orjson

    from workers.store import export
    from workers.store.database import transaction

    written = 0
    with store() as engine, transaction(engine) as conn:
        mask = mask_of(conn).event if masked else dict
        for row in map(mask, export.rows(conn, since, until or now())):
            sys.stdout.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE).decode())
            written += 1
    click.echo(f"{written:,} events.", err=True)


def mask_of(conn: Connection) -> Mask:
    """What replaces personal data, by the rules in force."""
    from workers.reports.masking import Mask
    from workers.rulebook import compile_rulebook
    from workers.store import rulebooks

    version = rulebooks.active(conn).version
    return Mask(compile_rulebook(rulebooks.files(conn, version)), secrets.token_bytes(32))
