"""`dripline quarantine`"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from workers.cli._base import as_json, cut, local, many, now, print_json, report, settings, store, table

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from workers.replay import Replayed
    from workers.store.quarantine import Quarantined

SECTION = "Look and act"
ALL = 1_000_000


@click.group
def command() -> None:
    """See what could not be processed, and put it through again once its cause is gone, or close it.

    A `delivery` was signed right and could not be understood; an `event` made its processing fail. A lead whose wake-up
    fails (`leads`) is tried again by itself, at last once an hour, and its events wait for it.
    """


@command.command("list")
@click.option("--reason", default="", help="Only this reason.")
@click.option("--closed", is_flag=True, help="What was closed by a person, the latest first, with who and why.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="The first so many.")
@as_json
def list_(reason: str, closed: bool, limit: int, as_json: bool) -> None:
    """List what nobody has seen to yet, oldest first."""
    from workers.store import quarantine
    from workers.store.database import transaction

    with store() as engine, transaction(engine) as conn:
        rows = (quarantine.closed if closed else quarantine.waiting)(conn, limit, reason)
    if as_json:
        print_json([as_data(row) for row in rows])
        return
    columns = ("id", "kind", "source", "reason", "detail", "received", *(("closed by", "because") if closed else ()))
    shown = [
        (r.id, r.kind, r.source, r.reason, cut(r.detail, 80), local(r.received_at), r.closed_by, r.closed_because)
        for r in rows
    ]
    table(columns, [row[: len(columns)] for row in shown], empty="Nothing." if closed else "The quarantine is empty.")


@command.command
@click.argument("id", type=int)
@as_json
def show(id: int, as_json: bool) -> int:  # noqa: A002  (click names the argument after it)
    """Show one with everything that came."""
    from workers.store import quarantine
    from workers.store.database import transaction

    with store() as engine, transaction(engine) as conn:
        found = quarantine.get(conn, id)
    if found is None:
        click.echo(f"Nothing in the quarantine has the id {id}.", err=True)
        return 1
    if as_json:
        print_json(as_data(found))
        return 0
    for name, value in as_data(found).items():
        click.echo(f"{name + ':':<16}{value}")
    return 0


@command.command
@click.argument("ids", type=int, nargs=-1)
@click.option("--reason", default="", help="All with this reason, instead of ids.")
@as_json
def replay(ids: tuple[int, ...], reason: str, as_json: bool) -> int:
    """Put them through again: a delivery through its source as the rules in force declare it, an event as it is.

    What still cannot be understood stays. Exit code 1 if something did.

    \b
    Examples:
      dripline quarantine replay 12 13
      dripline quarantine replay --reason no-identity
    """
    from workers.store import quarantine
    from workers.store.database import transaction

    if bool(ids) == bool(reason):
        raise click.UsageError("Name ids, or a --reason.")
    with store() as engine:
        if reason:
            with transaction(engine) as conn:
                ids = tuple(row.id for row in quarantine.waiting(conn, ALL, reason))
        done = put_through(engine, ids)
    if as_json:
        print_json({"replayed": done.replayed, "events": done.events, "stayed": done.stayed})
    else:
        click.echo(f"{len(done.replayed)} replayed, {done.events} new events.")
        for row_id, why in done.stayed.items():
            click.echo(f"{row_id} stays: {why}", err=True)
    return 1 if done.stayed else 0


@command.command
@click.argument("ids", type=int, nargs=-1)
@click.option("--reason", default="", help="All with this reason, instead of ids.")
@click.option("--because", required=True, help="Why; kept with the rows.")
@click.option("--author", default="", help="Who; default: the name you are logged in under.")
@as_json
def close(ids: tuple[int, ...], reason: str, because: str, author: str, as_json: bool) -> int:
    """Give them up for good: they are kept and counted as closed, and never processed.

    Exit code 1 if one of the ids is not waiting.

    \b
    Examples:
      dripline quarantine close 12 13 --because "test deliveries of the agency"
      dripline quarantine close --reason no-identity --because "forms without an address, switched off"
    """
    import getpass

    from workers.store import quarantine
    from workers.store.database import transaction

    if bool(ids) == bool(reason):
        raise click.UsageError("Name ids, or a --reason.")
    with store() as engine, transaction(engine) as conn:
        chosen = ids or tuple(row.id for row in quarantine.waiting(conn, ALL, reason))
        done = quarantine.close(conn, chosen, now(), author=author or getpass.getuser(), because=because)
    why_not = "nothing of that id waits"
    return report(chosen, done, "closed", f"{len(done)} closed.", why_not, as_json=as_json)


@command.command
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="The first so many.")
@as_json
def leads(limit: int, as_json: bool) -> None:
    """List leads whose wake-up fails, with what it fails of and how many events wait for it."""
    from workers.store.database import transaction
    from workers.store.stuck import stuck

    with store() as engine, transaction(engine) as conn:
        rows = stuck(conn, limit)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    columns = ("lead", "email", "failures", "next try", "events waiting", "error")
    shown = [(r.lead_id, r.email, r.failures, local(r.wake_at), r.held, r.error) for r in rows]
    table(columns, shown, empty="No lead's wake-up fails.")


@command.command
@click.argument("leads", type=int, nargs=-1, required=True)
@as_json
def wake(leads: tuple[int, ...], as_json: bool) -> int:
    """Try leads again at once whose wake-up failed, and the events that wait for them.

    \b
    Examples:
      dripline quarantine leads
      dripline quarantine wake 42
    """
    from workers.store.database import transaction
    from workers.store.stuck import wake as wake_up

    with store() as engine, transaction(engine) as conn:
        done = wake_up(conn, leads, now())
    why_not = "their wake-up did not fail"
    return report(leads, done, "woken", f"{many(len(done), 'lead')} due now.", why_not, as_json=as_json)


def put_through(engine: Engine, ids: tuple[int, ...]) -> Replayed:
    """Replay by the rules in force and the settings of this process."""
    from workers.adapters import Adapters
    from workers.clock import system_clock
    from workers.dev.folder import Folder
    from workers.replay import replay
    from workers.rulebook import compile_rulebook
    from workers.store import rulebooks
    from workers.store.database import transaction

    loaded = settings()
    adapters = Adapters(loaded, system_clock, values=Folder(loaded.data_dir).secrets() | dict(loaded.adapters))
    with transaction(engine) as conn:
        rulebook = compile_rulebook(rulebooks.files(conn, rulebooks.active(conn).version))
    return replay(engine, ids, rulebook.sources, adapters.source, now())


def as_data(row: Quarantined) -> dict[str, Any]:
    """As JSON-ready data; the payload as text."""
    payload = row.payload.decode("utf-8", "replace") if row.payload is not None else None
    return {
        "id": row.id, "kind": row.kind, "source": row.source, "reason": row.reason, "detail": row.detail,
        "received_at": row.received_at, "quarantined_at": row.quarantined_at, "replayed_at": row.replayed_at,
        "closed_at": row.closed_at, "closed_by": row.closed_by, "closed_because": row.closed_because,
        "url": row.url, "headers": row.headers, "place": row.place, "event_id": row.event_id, "payload": payload,
    }  # fmt: skip
