"""Forgetting a person: everything that says who they are goes; what is left names nobody.

What stays: the hashed entry on the suppression list, hashes of their identities so that what comes in later is erased
on arrival, effects in the outbox without their contents (their keys keep anything from being done twice), opportunities
without the person, and a proof.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from integrations.addresses import spellings
from workers.store import suppressions
from workers.store.json import dumps
from workers.store.locks import hold_slices
from workers.store.slices import SLICES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

EMAIL: Final = "email:"


@dataclass(frozen=True, slots=True)
class Person:
    """All names that a person goes by.

    Attributes:
        leads: ids.
        identities: as kind:value; those of mails to them (`message:<key>`) among them.
    """

    leads: tuple[int, ...]
    identities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """That a person was erased: of whom only the digest is known. `erased` counts rows by table."""

    digest: str
    erased_at: datetime
    author: str
    erased: Mapping[str, int] = field(default_factory=dict)


_KNOWN: Final = text("SELECT lead_id FROM identities WHERE identity = ANY(:names)")
_WRITTEN_TO: Final = text("SELECT id FROM leads WHERE lower(email) = ANY(:emails)")
_NAMES: Final = text("""
    SELECT identity FROM identities WHERE lead_id = ANY(:leads)
    UNION SELECT 'message:' || key FROM outbox WHERE lead_id = ANY(:leads)
""")


def find(conn: Connection, email: str) -> Person:
    """Whoever has this address, with everything else they go by; without any lead if it is not known."""
    return _find(conn, email, _written_to(conn, email))


def _written_to(conn: Connection, email: str) -> set[int]:
    """Leads that are written to at this address, whatever they are known by; reads the table from end to end."""
    return set(conn.scalars(_WRITTEN_TO, {"emails": spellings(email)}))


def _find(conn: Connection, email: str, more: Collection[int]) -> Person:
    """Whoever is known by this address, and `more` leads, as one person."""
    names = [f"email:{each}" for each in spellings(email)]
    leads = sorted({*more, *conn.scalars(_KNOWN, {"names": names})})
    known = conn.scalars(_NAMES, {"leads": leads})
    return Person(tuple(leads), tuple(sorted({*names, *known})))


# ── erasing ──────────────────────────────────────────────────────────────────────────────────────────────────

_OWN: Final[Mapping[str, str]] = {
    "events": """
        WITH gone AS (
            DELETE FROM events WHERE subject = ANY(:names) RETURNING id, slice
        ), unqueued AS (
            DELETE FROM inbox USING gone WHERE inbox.slice = gone.slice AND inbox.event_id = gone.id
        ), released AS (
            DELETE FROM quarantine USING gone WHERE quarantine.event_id = gone.id
        )
        SELECT count(*) FROM gone
    """,
    "identities": "DELETE FROM identities WHERE lead_id = ANY(:leads)",
    "enrolments": "DELETE FROM enrolments WHERE lead_id = ANY(:leads)",
    "decisions": "DELETE FROM decisions WHERE lead_id = ANY(:leads)",
    "consents": "DELETE FROM consents WHERE lead_id = ANY(:leads)",
    "outbox": """
        UPDATE outbox SET
            payload = jsonb_strip_nulls(jsonb_build_object(
                'campaign', payload -> 'campaign', 'step', payload -> 'step', 'template', payload -> 'template',
                'crm', payload -> 'crm', 'to', payload -> 'to', 'erased', true
            )),
            state = CASE WHEN state IN ('pending', 'retry') THEN 'skipped' ELSE state END,
            reason = CASE WHEN state IN ('pending', 'retry') THEN 'erased' ELSE reason END,
            settled_at = CASE WHEN state IN ('pending', 'retry') THEN :now ELSE settled_at END,
            provider_ref = NULL, last_error = NULL, evidence = NULL, addressee = NULL
        WHERE lead_id = ANY(:leads)
          AND (NOT payload ? 'erased' OR provider_ref <> '' OR last_error <> '' OR addressee IS NOT NULL)
    """,
    "opportunities": """
        UPDATE opportunities SET details = details - ARRAY['person', 'note', 'facts'] || '{"name": "erased"}'
        WHERE lead_id = ANY(:leads) AND details ->> 'name' IS DISTINCT FROM 'erased'
    """,
    "suppressions": """
        UPDATE suppressions SET email = NULL, lead_id = NULL, event_id = NULL
        WHERE (digest = ANY(:digests) OR lead_id = ANY(:leads)) AND (email IS NOT NULL OR lead_id IS NOT NULL)
    """,
    "leads": "DELETE FROM leads WHERE id = ANY(:leads)",
}
"""By table, what is done to rows that are found by what the person is called; all slices are held meanwhile."""

# The patterns are regular expressions over text; `encode` writes bytes that are no ASCII as \\ooo. Looking for a part
# of the address first spares most rows the regular expression, and what a statement only looks for is read in parallel;
# so rows are found first, and changed by their key.
_NAMING: Final[Mapping[str, str]] = {
    "other_events": """
        SELECT id, received_at AS at FROM events
        WHERE identities && CAST(:names AS text[])
           OR (encode(payload, 'escape') ILIKE :part AND encode(payload, 'escape') ~* :pattern)
           OR (properties::text ILIKE :part AND properties::text ~* :pattern)
           OR (lead::text ILIKE :part AND lead::text ~* :pattern)
    """,
    "other_decisions": """
        SELECT id, decided_at AS at FROM decisions WHERE detail::text ILIKE :part AND detail::text ~* :pattern
    """,
    "quarantine": """
        SELECT id, received_at AS at FROM quarantine
        WHERE encode(payload, 'escape') ~* :pattern OR headers::text ~* :pattern OR url ~* :pattern
           OR detail ~* :pattern
    """,
}
"""By table, the rows of others that name the person; each reads its table from end to end."""
_ELSEWHERE: Final[Mapping[str, str]] = {
    "other_events": """
        UPDATE events SET
            identities = ARRAY(SELECT name FROM unnest(identities) AS name WHERE name <> ALL(:names)),
            properties = regexp_replace(properties::text, :pattern, 'erased', 'gi')::jsonb,
            lead = regexp_replace(lead::text, :pattern, 'erased', 'gi')::jsonb,
            payload = '{}'
        FROM json_to_recordset(:rows ::json) AS found (id bigint, at timestamptz)
        WHERE events.id = found.id AND events.received_at = found.at
    """,
    "other_decisions": """
        UPDATE decisions SET detail = regexp_replace(detail::text, :pattern, 'erased', 'gi')::jsonb
        FROM json_to_recordset(:rows ::json) AS found (id bigint, at timestamptz)
        WHERE decisions.id = found.id AND decisions.decided_at = found.at
    """,
    "quarantine": """
        UPDATE quarantine SET payload = NULL, headers = NULL, url = NULL, detail = 'erased with the person it named',
                              replayed_at = coalesce(replayed_at, :now)
        FROM json_to_recordset(:rows ::json) AS found (id bigint, at timestamptz)
        WHERE quarantine.id = found.id
    """,
}
"""By table, what is done to these rows."""
_PLAIN: Final = re.compile("[a-z0-9]+")
LONG_ENOUGH: Final = 4
"""Letters of a name that few others have in a row; domains are shared by many."""
_PROVE: Final = text("""
    INSERT INTO erasures (digest, erased_at, author, erased) VALUES (:digest, :now, :author, CAST(:erased AS jsonb))
""")
_PROOFS: Final = text("""
    SELECT encode(digest, 'hex'), erased_at, author, erased FROM erasures WHERE digest = :digest ORDER BY id
""")
_FORGET: Final = text("""
    INSERT INTO forgotten (digest, erased_at)
    SELECT decode(digest, 'hex'), :now FROM unnest(CAST(:digests AS text[])) AS digest ORDER BY 1
    ON CONFLICT DO NOTHING
""")


def forget(conn: Connection, email: str, now: datetime, author: str) -> Proof:
    """Erase a person, alone with all slices until the end of the transaction; workers wait for it, and go on.

    Safe to repeat: the second time there is nothing left, and the counts say so.

    Args:
        conn: in a transaction; `forget_elsewhere` comes after it, in another one.
        email: one of the person's addresses.
        now: aware.
        author: who asked for it.

    Raises:
        DBAPIError: a slice was held by somebody for longer than the connection's `lock_timeout`.
    """
    written_to = _written_to(conn, email)  # takes a while where there are many leads, and holds up nobody yet
    hold_slices(conn, range(SLICES))
    person = _find(conn, email, written_to)
    given = {
        "leads": list(person.leads), "names": list(person.identities), "digests": digests_of(person), "now": now
    }  # fmt: skip
    erased = {table: _changed(conn, statement, given) for table, statement in _OWN.items()}
    conn.execute(_FORGET, {"digests": [_digest(each).hex() for each in person.identities], "now": now})
    return _prove(conn, email, now, author, erased)


def forget_elsewhere(conn: Connection, email: str, now: datetime, author: str) -> Proof:
    """Take the address out of what belongs to other people: their events and decisions, and the quarantine.

    Deliveries in quarantine that name it lose their contents as a whole, and count as seen to. The tables are read from
    end to end, and nobody waits for it meanwhile: about five seconds for a million events of half a kilobyte.
    """
    names = [f"email:{each}" for each in spellings(email)]
    given = {"names": names, "pattern": pattern_of(email), "part": f"%{_part(email)}%", "now": now}
    erased = dict.fromkeys(_ELSEWHERE, 0)
    for table, statement in _ELSEWHERE.items():
        naming = conn.execute(text(_NAMING[table]), used(_NAMING[table], given))
        if rows := [{"id": row.id, "at": row.at} for row in naming]:
            erased[table] = _changed(conn, statement, {**given, "rows": dumps(rows)})
    return _prove(conn, email, now, author, erased)


def pattern_of(email: str) -> str:
    """A regular expression for the address as it may stand in JSON, in a form or in a URL, in any case of letters."""
    ways = []
    for each in spellings(email):
        name, _, domain = each.rpartition("@")
        ways.append("(@|%40|\\\\+u0040)".join("".join(map(_letter, part)) for part in (name, domain)))
    return f"(?<![[:alnum:]])({'|'.join(ways)})(?![[:alnum:]])"


def _part(email: str) -> str:
    """A part that stands in the address however it is written: letters and digits of ASCII; empty if there is none."""
    name, _, domain = email.strip().lower().rpartition("@")
    one_way = len({each.rpartition("@")[2] for each in spellings(email)}) == 1
    found = [max(_PLAIN.findall(each), key=len, default="") for each in (name, domain if one_way else "")]
    return found[0] if len(found[0]) >= LONG_ENOUGH else max(found, key=len)


def _letter(letter: str) -> str:
    """One letter of an address as a pattern: beyond ASCII also as JSON, URLs and `encode` write it."""
    if letter.isalnum() and letter.isascii():
        return letter
    octets = letter.encode()
    if letter.isascii():
        return f"(\\{letter}|%{octets[0]:02x})"
    escaped = "".join(f"\\\\{octet:03o}" for octet in octets)
    quoted = "".join(f"%{octet:02x}" for octet in octets)
    return f"({letter}|{escaped}|{quoted}|\\\\+u{ord(letter):04x})"


def digests_of(person: Person) -> list[bytes]:
    """Under what their addresses are on the suppression list."""
    return [suppressions.digest(each[len(EMAIL) :]) for each in person.identities if each.startswith(EMAIL)]


def used(statement: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that a statement asks for."""
    return {name: value for name, value in given.items() if f":{name}" in statement}


def _changed(conn: Connection, statement: str, given: Mapping[str, Any]) -> int:
    """How many rows a statement changed, or says that it did."""
    done = conn.execute(text(statement), used(statement, given))
    return int(done.scalar_one()) if done.returns_rows else done.rowcount


def _prove(conn: Connection, email: str, now: datetime, author: str, erased: Mapping[str, int]) -> Proof:
    """Write down what was erased, if it was anything or is the first time."""
    digest = suppressions.digest(email)
    if any(erased.values()) or not proofs(conn, email):
        given = {"digest": digest, "now": now, "author": author, "erased": dumps(dict(erased))}
        conn.execute(_PROVE, given)
    return Proof(digest.hex(), now, author, dict(erased))


def proofs(conn: Connection, email: str) -> list[Proof]:
    """Every erasure of whoever had this address."""
    return [Proof(*row) for row in conn.execute(_PROOFS, {"digest": suppressions.digest(email)})]


# ── what comes in afterwards ─────────────────────────────────────────────────────────────────────────────────

_AMONG: Final = text("SELECT digest FROM forgotten WHERE digest = ANY(:digests)")
_REMEMBER: Final = text("DELETE FROM forgotten WHERE digest = ANY(:digests)")
_ARRIVED: Final = text("""
    WITH gone AS (
        DELETE FROM events e USING json_to_recordset(:rows ::json) AS g (id bigint, received_at timestamptz)
        WHERE e.id = g.id AND e.received_at = g.received_at
    )
    UPDATE forgotten SET arrived = arrived + 1 WHERE digest = ANY(:digests)
""")
_ARRIVALS: Final = text("SELECT coalesce(sum(arrived), 0) FROM forgotten")


def forgotten(conn: Connection, identities: Iterable[str]) -> set[str]:
    """Those of these identities that belong to people who were erased."""
    by_digest = {_digest(each): each for each in identities}
    return {by_digest[bytes(row)] for row in conn.scalars(_AMONG, {"digests": list(by_digest)})}


def remember(conn: Connection, identities: Iterable[str]) -> None:
    """Let what comes in about these identities count again: the person has consented anew."""
    conn.execute(_REMEMBER, {"digests": [_digest(each) for each in identities]})


def erase_arrived(conn: Connection, rows: Collection[tuple[int, datetime]], identities: Iterable[str]) -> None:
    """Erase events, each given by id and receiving time, that came in about these erased identities."""
    arrived = [{"id": id_, "received_at": received_at} for id_, received_at in rows]
    conn.execute(_ARRIVED, {"rows": dumps(arrived), "digests": [_digest(each) for each in identities]})


def arrivals(conn: Connection) -> int:
    """How many events about erased people have come in and were erased."""
    return int(conn.scalar(_ARRIVALS) or 0)


def _digest(identity: str) -> bytes:
    return sha256(identity.encode()).digest()
