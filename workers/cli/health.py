"""`dripline health`"""

from __future__ import annotations

import click

from workers.cli._base import as_json, database_url, print_json, settings

SECTION = "Processes"


@click.command
@as_json
def command(as_json: bool) -> int:
    """Say whether this machine reaches PostgreSQL and Redis; for health checks of containers.

    Exit code 1 if PostgreSQL cannot be reached or its tables are missing. Redis may be away: the work goes on without.
    """
    from workers.exceptions import DriplineError

    loaded = settings()
    found = {"redis": "ok" if redis_answers(loaded.redis_url) else "away"}
    try:
        found["postgresql"] = "ok" if tables(database_url(loaded)) else "not migrated: dripline migrate"
    except DriplineError as error:
        found["postgresql"] = str(error)
    if as_json:
        print_json(found)
    else:
        for name in sorted(found):
            click.echo(f"{name}: {found[name]}")
    return 0 if found["postgresql"] == "ok" else 1


def redis_answers(url: str) -> bool:
    """True if Redis says PONG."""
    import redis

    from workers.app import redis_client

    with redis_client(url) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def tables(url: str) -> bool:
    """True if the database has tables of ours."""
    from workers.exceptions import NoRulebook
    from workers.store import rulebooks
    from workers.store.database import connect, transaction

    engine = connect(url, size=1)
    try:
        with transaction(engine) as conn:
            rulebooks.active(conn)
    except NoRulebook:
        return True
    finally:
        engine.dispose()
    return True
