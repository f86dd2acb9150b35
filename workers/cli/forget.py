"""`dripline forget`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from workers.cli._base import as_json, local, many, now, print_json, store

if TYPE_CHECKING:
    from workers.store.erasure import Proof

SECTION = "Look and act"


@click.command
@click.argument("email")
@click.option("--by", "author", required=True, help="Who decided it, for the proof: a name or a ticket.")
@click.option("--yes", is_flag=True, help="Without asking.")
@as_json
def command(email: str, author: str, yes: bool, as_json: bool) -> None:
    """Erase everything about one person (GDPR, article 17), while everything goes on running.

    Lead, identities, events with their payloads, decisions and consents go; mails and opportunities keep what does not
    say who it was; the address is taken out of other people's events and the quarantine. There remain a hash on the
    suppression list and in the list of the forgotten, and a proof. What comes in about the person from then on is
    erased on arrival, until they give consent anew. The CRM and the e-mail provider have to be told by you.

    \b
    Examples:
      dripline export ann@acme.test > ann.json
      dripline forget ann@acme.test --by "privacy desk, ticket 5520"
    """
    from workers.cli._seal import sealed
    from workers.store import erasure
    from workers.store.database import transaction

    if not yes:
        click.confirm(f"Erase everything about {email}? This cannot be undone.", abort=True)
    at = now()
    with store() as engine:
        with transaction(engine) as conn:
            own = erasure.forget(conn, email, at, author)
        with transaction(engine) as conn:
            other = erasure.forget_elsewhere(conn, email, at, author)
    proof = sealed({"digest": own.digest, "erased_at": at, "by": author, "erased": {**own.erased, **other.erased}})
    if as_json:
        print_json(proof)
        return
    report(own, other)
    click.echo(f"Proof: SHA-256 of the address {own.digest}, {local(at)}, by {author}")


def report(*proofs: Proof) -> None:
    """How many rows of which table."""
    counts = {table: number for proof in proofs for table, number in proof.erased.items() if number}
    if not counts:
        click.echo("There is nothing left about this person.")
    for table, number in counts.items():
        click.echo(f"  {table.replace('_', ' ')}: {many(number, 'row')}")
