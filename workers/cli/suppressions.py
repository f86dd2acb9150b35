"""`dripline suppressions`"""

from __future__ import annotations

import csv
import getpass
import re
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Final, TextIO

import click

from workers.cli._base import as_json, guarded, local, many, now, print_json, store, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from workers.cli._addresses import Line, Wrong
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
            entry(email, "", "")
            why = suppressions.reasons(conn, [email]).get(email)
            found = list(suppressions.entries(conn, reason or "", limit, email))
        else:
            why, found = None, list(suppressions.entries(conn, reason or "", limit))
    if as_json:
        print_json([asdict(each) for each in found])
    else:
        rows = [(e.email or f"sha256:{e.digest[:16]}…", e.reason, e.author, local(e.created_at)) for e in found]
        domain = "" if (email or "@").startswith("@") else ", and neither is its domain"
        nobody = f"{email or 'Nobody'} is {'not ' if email else ''}on the list{domain}."
        table(("address", "reason", "by", "since"), rows, empty=nobody)
        if why:
            click.echo(f"{'No marketing mail' if why == 'unsubscribed' else 'No mail'} goes to {email}.")
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
        done: dict[str, list[str]] = {}
        for email in emails:
            done[email] = suppressions.remove(conn, [email], now(), author=author, why=why, reason=reason or "")
            tell_engine(conn, email, done[email], author)
    if as_json:
        print_json(
            {"removed": sum(map(len, done.values())), "not_on_the_list": [each for each in done if not done[each]]}
        )
        return 0 if any(done.values()) else 1
    for email, reasons in done.items():
        stood = f"was on the list ({', '.join(reasons)}), and is not any more" if reasons else "was not on the list"
        click.echo(f"{email} {stood}{' for this reason' if reason and not reasons else ''}.")
    return 0 if any(done.values()) else 1


@command.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8-sig", errors="surrogateescape"))
@click.option("--reason", type=click.Choice(REASONS), help="Of lines that name none (default: manual).")
@click.option("--column", default="", metavar="NAME", help="The column with the addresses (default: email).")
@by
@as_json
def import_(file: TextIO, reason: str | None, column: str, author: str, as_json: bool) -> int:
    """Put the addresses of a CSV file on the list; - is standard input.

    The first line names the columns: `email`, perhaps `reason`, and `digest` for addresses that nobody knows any more
    (SHA-256 in hexadecimal). Commas, semicolons or tabs stand between them. A file that `export` wrote is one.

    Lines that cannot be read are named and left out; exit code 1 then. What is on the list already stays as it is, so
    the mended file can be imported again.

    \b
    Examples:
      dripline suppressions import unsubscribed.csv --reason unsubscribed --by "moved from Mailchimp"
      dripline suppressions import blocked.csv --column Recipient
    """
    from workers.store import suppressions
    from workers.store.database import transaction

    counts, kinds = {"added": 0, "known": 0, "wrong": 0}, Counter[str]()

    def wrong(text: str, number: int) -> None:
        counts["wrong"] += number
        click.echo(text, err=True)

    with store() as engine:
        for chunk in chunks(read(file, column, reason or "", author, wrong)):
            with transaction(engine) as conn:
                done = suppressions.add_digests(conn, chunk, now())
            counts["added"] += done
            counts["known"] += len(chunk) - done
            kinds.update(each.reason for _, each in chunk)
    if not as_json:
        click.echo(f"Read: {', '.join(f'{number:,} {kind}' for kind, number in kinds.most_common()) or 'nothing'}.")
    said(counts, as_json)
    return 1 if counts["wrong"] else 0


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
    click.echo(f"{number:,} {'entry' if number == 1 else 'entries'} written.", err=True)


def entry(email: str, reason: str, author: str) -> Suppression:
    """An address or a domain as an entry.

    Raises:
        click.BadParameter: it is neither.
    """
    from workers.cli._addresses import shown
    from workers.delivery.compose import is_address
    from workers.store.suppressions import DOMAIN, MANUAL, Suppression

    domain = email.startswith("@")
    if not is_address(f"x{email}" if domain else email):
        raise click.BadParameter(f"{shown(email)} is neither an address nor a domain like @acme.test")
    if (reason == DOMAIN) != domain and reason:
        text = f"{shown(email)} does not go with the reason {reason}: domains are written @acme.test"
        raise click.BadParameter(text)
    return Suppression(email, reason or (DOMAIN if domain else MANUAL), author=author)


def read(file: TextIO, column: str, reason: str, author: str, wrong: Wrong) -> Iterator[tuple[bytes, Suppression]]:
    """The entries of a CSV file; `wrong` takes what cannot be read.

    Raises:
        click.UsageError: the first line does not name the columns.
    """
    from workers.cli._addresses import lines

    for where, line in lines(file, column, wrong):
        try:
            yield read_line(line, reason, author)
        except (click.BadParameter, ValueError) as error:
            wrong(f"{where}: {error}", 1)


def read_line(line: Line, reason: str, author: str) -> tuple[bytes, Suppression]:
    """One line.

    Raises:
        click.BadParameter, ValueError: it cannot be read, and why.
    """
    from workers.cli._addresses import is_escape, shown, unguarded
    from workers.store.suppressions import Suppression, digest

    told = line.reason.lower() or reason
    if told and told not in REASONS:
        raise ValueError(f"there is no reason {shown(line.reason)}; there is {', '.join(REASONS)}")
    key = digest_of(line.digest) if line.digest else b""
    if any(map(is_escape, line.email)):
        raise ValueError(f"{shown(line.email)} is not UTF-8; save the file as CSV in UTF-8")
    if line.email:
        made = entry(unguarded(line.email), told, author)
        if key and key != digest(made.email):
            raise ValueError("the digest is that of another address")
        return digest(made.email), made
    if not key:
        raise ValueError("neither an address nor a digest")
    return key, Suppression("", told or "manual", author=author)


def digest_of(written: str) -> bytes:
    """A digest.

    Raises:
        ValueError: it is none.
    """
    from workers.cli._addresses import shown

    if re.fullmatch("[0-9a-fA-F]{64}", written) is None:
        raise ValueError(f"{shown(written)} is no digest of 64 hexadecimal digits")
    return bytes.fromhex(written)


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


def tell_engine(conn: Connection, email: str, reasons: Sequence[str], author: str) -> None:
    """Put into the event log of a lead that is known what was removed, so that its campaigns go by it."""
    from integrations.addresses import one_spelling
    from workers.store import events, leads
    from workers.store.events import NewEvent

    at, who = now(), events.identity("email", one_spelling(email))
    if leads.find(conn, who) is None:
        return
    batch = [
        NewEvent(
            "dripline", f"suppression.removed:{who}:{reason}:{at.isoformat()}", "suppression.removed", at, who,
            (who,), {"reason": reason, "by": author},
        )
        for reason in reasons
    ]  # fmt: skip
    events.append(conn, batch, at)


def said(counts: dict[str, int], as_json: bool) -> None:
    """What was done."""
    if as_json:
        print_json(counts)
        return
    known = f", {counts['known']:,} were on the list already" if counts["known"] else ""
    wrong = counts.get("wrong", 0)
    left = f"; {many(wrong, 'line')} left out: mend them, and import the file again" if wrong else ""
    click.echo(f"{counts['added']:,} added{known}{left}.")
