"""`dripline outbox`"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

import click

from workers.cli._base import as_json, cut, local, many, now, print_json, report, store, table

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

SECTION = "Look and act"
STATES = ("pending", "sending", "sent", "retry", "ambiguous", "dead", "skipped")
UNCLEAR = "It may have arrived already, and would then arrive twice. Send it again all the same?"


@click.group
def command() -> None:
    """See mails and promotions on their way out, and clear up what only a person can.

    A row is `ambiguous` when it may or may not have arrived: it left, and no answer came. An event of the provider
    settles it; a provider that can be asked is asked, and what it surely never had is sent again; or you settle it.
    One that nothing has settled in time (DRIPLINE_AMBIGUOUS_AFTER) has the reason `unproved` and waits for you.
    """


@command.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only rows in this state.")
@click.option("--unclear", is_flag=True, help="Only rows that no evidence has settled in time: they wait for you.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="The latest so many.")
@as_json
def list_(state: str | None, unclear: bool, limit: int, as_json: bool) -> None:
    """List rows, latest first."""
    from workers.store import outbox
    from workers.store.database import transaction

    with store() as engine, transaction(engine) as conn:
        rows = outbox.rows(conn, limit, state=state or "", reason=outbox.UNPROVED if unclear else "")
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    columns = ("id", "what", "state", "reason", "by", "attempts", "due", "settled", "said")
    shown = [
        (
            r.id, r.key, r.state, r.reason, r.provider or "", r.attempts, local(r.due_at), local(r.settled_at),
            cut(r.last_error or "", 60),
        )
        for r in rows
    ]  # fmt: skip
    table(columns, shown, empty="The outbox holds no such row.")


@command.command
@click.argument("ids", type=int, nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Send unclear ones again without asking.")
@as_json
def retry(ids: tuple[int, ...], yes: bool, as_json: bool) -> int:
    """Send rows again that were given up, skipped or are unclear."""
    from workers.store import clearing
    from workers.store.database import transaction

    if not yes and unclear_among(ids):
        click.confirm(UNCLEAR, abort=True)
    with store() as engine, transaction(engine) as conn:
        done = clearing.again(conn, ids, now())
    return told(ids, done, "due now", as_json=as_json)


@command.command
@click.argument("ids", type=int, nargs=-1, required=True)
@click.option(
    "--as", "state", type=click.Choice(["sent", "dead"]), required=True, help="It arrived, or is to be dropped."
)
@click.option("--ref", default="", help="The other side's own id of it, such as the deal's; for one row.")
@as_json
def settle(ids: tuple[int, ...], state: Literal["sent", "dead"], ref: str, as_json: bool) -> int:
    """Say what became of unclear or waiting rows.

    \b
    Examples:
      dripline outbox list --unclear
      dripline outbox settle 17 18 --as sent
      dripline outbox settle 19 --as sent --ref 5520981
    """
    if ref and (len(ids) > 1 or state != "sent"):
        raise click.UsageError("--ref is for one row that was sent.")
    from workers.store import clearing
    from workers.store.database import transaction

    with store() as engine, transaction(engine) as conn:
        done = clearing.close(conn, ids, state, now(), ref)
    return told(ids, done, state, as_json=as_json)


def unclear_among(ids: Sequence[int]) -> list[int]:
    """Those of the rows that are unclear."""
    from workers.store import outbox
    from workers.store.database import transaction

    with store() as engine, transaction(engine) as conn:
        return [row.id for row in outbox.rows(conn, 1_000_000, state="ambiguous") if row.id in ids]


def told(ids: Collection[int], done: Collection[int], what: str, *, as_json: bool) -> int:
    """Say which rows were changed; exit code 1 if some were not."""
    why_not = "there is no such row or its state does not allow it"
    return report(ids, done, "changed", f"{many(len(done), 'row')} {what}.", why_not, as_json=as_json)
