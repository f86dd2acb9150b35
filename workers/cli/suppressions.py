"""`dripline suppressions`"""

from __future__ import annotations

import csv
import getpass
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, TextIO

import click

from workers.cli._base import as_json, guarded, local, now, print_json, store, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from workers.store.suppressions import Suppression

SECTION = "Look and act"
COLUMNS: Final = ("email", "digest", "reason", "author", "created_at")
REASONS: Final = ("unsubscribed", "bounced", "soft-bounced", "complained", "manual", "domain")
AT_A_TIME: Final = 1000
by = click.option("--by", "author", default=getpass.getuser, help="Who does it (default: the user of this machine).")


@click.group
def command() -> None:
    """See and change who may not be mailed.

    `unsubscribed` rules out marketing mail; every other reason rules out all mail. A whole domain is an entry, too:
    `@acme.test`. The list is looked up at the instant of sending. Entries are kept by a hash of the address, so that
    they outlive the erasure of a person.
    """


@command.command("list")
@click.argument("email", required=False)
@click.option("--reason", type=click.Choice(REASONS), help="Only entries for this reason.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="The latest so many.")
@as_json
def list_(email: str | None, reason: str | None, limit: int, as_json: bool) -> int:
    """List entries, latest first; with EMAIL, say whether it may be mailed (exit code 1 if not)."""
    from workers.store import suppressions
    from workers.store.database import transaction

    with store() as engine, transaction(engine) as conn:
        if email:
            why = suppressions.reasons(conn, [email]).get(email)
            found = list(suppressions.entries(conn, reason or "", limit, email))
        else:
            why, found = None, list(suppressions.entries(conn, reason or "", limit))
    if as_json:
        print_json([asdict(each) for each in found])
    else:
        rows = [(e.email or f"sha256:{e.digest[:16]}…", e.reason, e.author, local(e.created_at)) for e in found]
        table(("address", "reason", "by", "since"), rows, empty="Nobody is on the list.")
    return 1 if why else 0


@command.command
@click.argument("emails", nargs=-1, required=True)
@click.option("--reason", type=click.Choice(REASONS), help="Default: `manual`, and `domain` for @acme.test.")
@by
@as_json
def add(emails: tuple[str, ...], reason: str | None, author: str, as_json: bool) -> None:
    """Put addresses or domains on the list.

    \b
    Examples:
      dripline suppressions add ann@acme.test --by "support, ticket 17"
      dripline suppressions add @competitor.example
    """
    from workers.store import suppressions
    from workers.store.database import transaction

    entries = [entry(each, reason or "", author) for each in emails]
    with store() as engine, transaction(engine) as conn:
        done = suppressions.add(conn, entries, now())
    said({"added": done, "known": len(entries) - done}, as_json)


@command.command
@click.argument("emails", nargs=-1, required=True)
@click.option("--reason", type=click.Choice(REASONS), help="Only the entry for this reason; else all.")
@click.option("--why", required=True, help="What speaks for mailing them again; goes into the record.")
@by
@as_json
def remove(emails: tuple[str, ...], reason: str | None, why: str, author: str, as_json: bool) -> int:
    """Take addresses from the list. Who did it and why is recorded.

    \b
    Examples:
      dripline suppressions remove ann@acme.test --reason bounced --why "their server was down last week"
    """
    from workers.store import suppressions
    from workers.store.database import transaction

    with store() as engine, transaction(engine) as conn:
        done = suppressions.remove(conn, emails, now(), author=author, why=why, reason=reason or "")
        tell_engine(conn, emails, done, author)
    said({"removed": len(done)}, as_json)
    return 0 if done else 1


@command.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8-sig"))
@click.option("--reason", type=click.Choice(REASONS), help="Of lines that name none (default: manual).")
@by
@as_json
def import_(file: TextIO, reason: str | None, author: str, as_json: bool) -> int:
    """Put the addresses of a CSV file on the list: with a column `email`, or `digest` of addresses that nobody knows
    any more (SHA-256 in hexadecimal), and perhaps `reason`. A file that `export` wrote is one. - is standard input.

    Lines that cannot be read are named and left out; exit code 1 then.
    """
    from workers.store import suppressions
    from workers.store.database import transaction

    counts, wrong = {"added": 0, "known": 0}, list[str]()
    with store() as engine:
        for chunk in chunks(read(file, reason or "", author, wrong)):
            with transaction(engine) as conn:
                done = suppressions.add_digests(conn, chunk, now())
            counts = {"added": counts["added"] + done, "known": counts["known"] + len(chunk) - done}
    for line in wrong:
        click.echo(line, err=True)
    said({**counts, "wrong": len(wrong)}, as_json)
    return 1 if wrong else 0


@command.command
@click.argument("file", type=click.File("w", encoding="utf-8", lazy=False))
@click.option("--reason", type=click.Choice(REASONS), help="Only entries for this reason.")
def export(file: TextIO, reason: str | None) -> None:
    """Write the list as CSV; - is standard output."""
    from workers.store import suppressions
    from workers.store.database import transaction

    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    with store() as engine, transaction(engine) as conn:
        number = 0
        for each in suppressions.entries(conn, reason or ""):
            writer.writerow(
                (guarded(each.email or ""), each.digest, each.reason, guarded(each.author), each.created_at.isoformat())
            )
            number += 1
    click.echo(f"{number:,} entries.", err=True)


def entry(email: str, reason: str, author: str) -> Suppression:
    """An address or a domain as an entry.

    Raises:
        click.BadParameter: it is neither.
    """
    from workers.delivery.compose import is_address
    from workers.store.suppressions import DOMAIN, MANUAL, Suppression

    domain = email.startswith("@")
    if not is_address(f"x{email}" if domain else email):
        raise click.BadParameter(f"{email!r} is neither an address nor a domain like @acme.test")
    if (reason == DOMAIN) != domain and reason:
        raise click.BadParameter(f"{email!r} does not go with the reason {reason}: domains are written @acme.test")
    return Suppression(email, reason or (DOMAIN if domain else MANUAL), author=author)


def read(file: TextIO, reason: str, author: str, wrong: list[str]) -> Iterator[tuple[bytes, Suppression]]:
    """The entries of a CSV file; what cannot be read goes to `wrong`.

    Raises:
        click.UsageError: there is neither a column of addresses nor one of digests.
    """
    rows = csv.DictReader(file)
    if not {"email", "digest"} & {*(rows.fieldnames or ())}:
        raise click.UsageError(
            f"{file.name} has no column `email` or `digest`; its first line has to name the columns."
        )
    for row in rows:
        try:
            yield read_row(row, reason, author)
        except (click.BadParameter, ValueError) as error:
            wrong.append(f"{file.name}, line {rows.line_num}: {error}")


def read_row(row: dict[str, Any], reason: str, author: str) -> tuple[bytes, Suppression]:
    """One line.

    Raises:
        click.BadParameter, ValueError: it cannot be read, and why.
    """
    from workers.store.suppressions import Suppression, digest

    email, told = (row.get("email") or "").strip(), (row.get("reason") or "").strip() or reason
    if told and told not in REASONS:
        raise ValueError(f"there is no reason {told!r}; there is {', '.join(REASONS)}")
    if email:
        made = entry(email, told, author)
        return digest(email), made
    key = bytes.fromhex((row.get("digest") or "").strip())
    if len(key) != len(digest("")):
        raise ValueError("neither an address nor a digest of 64 hexadecimal digits")
    return key, Suppression("", told or "manual", author=author)


def chunks(entries: Iterator[tuple[bytes, Suppression]]) -> Iterator[Sequence[tuple[bytes, Suppression]]]:
    """The entries in runs that fit into a statement, each address and reason once."""
    chunk: list[tuple[bytes, Suppression]] = []
    for each in entries:
        chunk.append(each)
        if len(chunk) == AT_A_TIME:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def tell_engine(conn: Connection, emails: Sequence[str], reasons: Sequence[str], author: str) -> None:
    """Put into the event log of leads that are known what was removed, so that their campaigns go by it."""
    from integrations.addresses import one_spelling
    from workers.store import events, leads
    from workers.store.events import NewEvent

    at = now()
    for email in emails:
        who = events.identity("email", one_spelling(email))
        if leads.find(conn, who) is None:
            continue
        batch = [
            NewEvent(
                "dripline", f"suppression.removed:{who}:{reason}:{at.isoformat()}", "suppression.removed", at, who,
                (who,), {"reason": reason, "by": author},
            )
            for reason in {*reasons}
        ]  # fmt: skip
        events.append(conn, batch, at)


def said(counts: dict[str, int], as_json: bool) -> None:
    """What was done."""
    if as_json:
        print_json(counts)
    else:
        click.echo(", ".join(f"{number:,} {word}" for word, number in counts.items()) + ".")
