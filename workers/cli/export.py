"""`dripline export`"""

from __future__ import annotations

import secrets
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from workers.cli._base import INSTANT, now, print_json, store

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from workers.reports.masking import Mask

SECTION = "Look and act"
FIRST = datetime(1970, 1, 1, tzinfo=UTC)


@click.command
@click.argument("email", required=False)
@click.option("--since", type=INSTANT, default=FIRST, help="Only events received from then on.")
@click.option("--until", type=INSTANT, help="Only events received before (default: now).")
@click.option("--masked", is_flag=True, help="Without names and addresses: personal fields and identities replaced.")
def command(email: str | None, since: datetime, until: datetime | None, masked: bool) -> int:
    """Write the event log, one JSON object a line, as `dripline simulate` and `dripline impact` read it; or, with
    EMAIL, everything about one person.

    What people told about themselves is in it: keep the file as you keep the database. With --masked, addresses and
    other identities become pseudonyms that differ from export to export, and fields that the rules call personal are
    replaced; properties of events stay as they are.

    With EMAIL it is one JSON object with all that is held about whoever has this address (GDPR, articles 15 and 20):
    lead, identities, events as they were sent to us, consents, decisions, mails, opportunities, suppressions. The
    fields that the rules flag as `personal` are named, and `seal` holds a hash of the rest, signed where
    DRIPLINE_SECRET is set. Exit code 1 if nothing is known.

    \b
    Examples:
      dripline export --since 2026-01-01 | gzip > events.jsonl.gz
      dripline export --masked > events.jsonl            for a review by people who may not see who it is
      dripline simulate events.jsonl.gz --rules new/rules
      dripline export ann@acme.test > ann.json
    """
    import orjson

    from workers.store import export
    from workers.store.database import transaction

    if email:
        return person(email)
    written = 0
    with store() as engine, transaction(engine) as conn:
        mask = mask_of(conn).event if masked else dict
        for row in map(mask, export.rows(conn, since, until or now())):
            sys.stdout.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE).decode())
            written += 1
    click.echo(f"{written:,} events.", err=True)
    return 0


def person(email: str) -> int:
    """Everything about one person."""
    from workers.cli._seal import sealed
    from workers.store import person as people
    from workers.store.database import transaction

    with store() as engine, transaction(engine) as conn:
        found = people.everything(conn, email)
        personal = personal_fields(conn)
    known = any(found[part] for part in found if part != "identities")
    print_json(sealed({"email": email, "exported_at": now(), "personal_fields": personal, **found}))
    return 0 if known else 1


def personal_fields(conn: Connection) -> list[str]:
    """Fields that the rules in force flag as personal data; none where there are no rules."""
    from workers.exceptions import NoRulebook
    from workers.rulebook import compile_rulebook
    from workers.store import rulebooks

    try:
        files = rulebooks.files(conn, rulebooks.active(conn).version)
    except NoRulebook:
        return []
    return sorted(name for name, each in compile_rulebook(files).fields.items() if each.personal)


def mask_of(conn: Connection) -> Mask:
    """What replaces personal data, by the rules in force."""
    from workers.reports.masking import Mask
    from workers.rulebook import compile_rulebook
    from workers.store import rulebooks

    version = rulebooks.active(conn).version
    return Mask(compile_rulebook(rulebooks.files(conn, version)), secrets.token_bytes(32))
