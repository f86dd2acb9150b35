"""`dripline migrate`"""

from __future__ import annotations

import click

from workers.cli._base import now, store

SECTION = "Processes"


@click.command
def command() -> None:
    """Bring the database's tables up to date.

    Safe to run at every start, also from several machines at once. Needs DRIPLINE_DATABASE_URL.
    """
    from workers.store.database import migrate

    with store() as engine:
        migrate(engine, now())
    click.echo("The database is up to date.")
