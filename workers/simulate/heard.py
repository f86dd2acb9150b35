"""Events as a file tells them: one JSON object a line, in the words of our own event log.

    {"type": "page.viewed", "occurred_at": "2026-03-01T09:30:00Z", "email": "ann@acme.test",
     "properties": {"url": "/pricing"}}

`type`, `occurred_at` and somebody to whom it happened are needed. Who that is stands in `email`, in `identities` (a
list of `kind:value`, or a mapping from kind to value; strongest first), or in `subject`. Beside them there may be
`properties` and `lead` (mappings), `source` and `event_id` (a pair that came before is a duplicate), and `received_at`
(when we heard of it; default: when it happened). Everything else, as an export of the log has it, is passed over.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson

from integrations.addresses import one_spelling
from workers.engine.values import OWN_SOURCE, OWN_TYPES

NOTHING: Final[dict[str, Any]] = {}
LONGEST: Final = 1_000_000
"""Characters of a line."""


class BadLine(ValueError):
    """A line that is no event; its text says why."""


class Heard(NamedTuple):  # a named tuple: a fifth of the time that a frozen dataclass takes to make
    """One event on its way in.

    Attributes:
        at: when we hear of it, aware.
        happened: when it happened by its own account, never later than `at`.
        type: `page.viewed`.
        identities: to whom, strongest first: `email:ann@acme.test`.
        key: source and event id, by which duplicates are known; None for an event without an id.
        properties, lead: what it says, and what it tells about the person.
    """

    at: datetime
    happened: datetime
    type: str
    identities: tuple[str, ...]
    key: tuple[str, str] | None
    properties: dict[str, Any]
    lead: dict[str, Any]

    @property
    def is_own(self) -> bool:
        """True if our own rules have caused it: whoever plays the log again causes it again."""
        return self.type in OWN_TYPES and self.key is not None and self.key[0] == OWN_SOURCE


def read_line(line: bytes | str) -> Heard:
    """The event in one line.

    Raises:
        BadLine: it holds none.
    """
    if len(line) > LONGEST:
        raise BadLine(f"longer than {LONGEST:,} characters")
    try:
        said = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadLine(f"not JSON: {error.msg} (column {error.colno})") from None
    if said.__class__ is not dict:
        raise BadLine("not a JSON object")
    return read_object(said)


def read_object(said: dict[str, Any]) -> Heard:
    """The event that an object says.

    Raises:
        BadLine: something that an event needs is missing, or is not what it has to be.
    """
    kind = said.get("type")
    if kind.__class__ is not str or not kind:
        raise BadLine("no `type`: a text such as page.viewed")
    happened = instant(said, "occurred_at")
    at = instant(said, "received_at") if said.get("received_at") is not None else happened
    event_id = said.get("event_id")
    return Heard(
        at,
        min(happened, at),
        kind,
        identities(said),
        None if event_id is None else (str(said.get("source", "")), str(event_id)),
        mapping(said, "properties"),
        mapping(said, "lead"),
    )


def instant(said: dict[str, Any], name: str) -> datetime:
    """A time with its offset."""
    written = said.get(name)
    if written is None:
        raise BadLine(f"no `{name}`: a time such as 2026-03-01T09:30:00Z")
    try:
        at = datetime.fromisoformat(written)
    except (TypeError, ValueError):
        raise BadLine(f"`{name}` is no time such as 2026-03-01T09:30:00Z") from None
    if at.tzinfo is None:
        raise BadLine(f"`{name}` has no offset from UTC: end it with Z or +01:00")
    return at


def mapping(said: dict[str, Any], name: str) -> dict[str, Any]:
    """An object, or an empty one."""
    found = said.get(name)
    if found is None:
        return NOTHING
    if found.__class__ is not dict:
        raise BadLine(f"`{name}` is not an object")
    return found


def identities(said: dict[str, Any]) -> tuple[str, ...]:
    """To whom it happened, strongest first, each once."""
    email = said.get("email")
    named = said.get("identities")
    if email.__class__ is str and email and named is None and "subject" not in said:
        return (identity("email", email),)  # by far the most frequent
    found = [*subjects(said.get("subject")), *([identity("email", email)] if email else ()), *every(named)]
    if not found:
        raise BadLine('nobody to whom it happened: give `email`, or `identities` such as ["user:4711"]')
    return tuple(dict.fromkeys(found))


def subjects(subject: Any) -> list[str]:
    """The subject of an export."""
    return every([subject]) if subject is not None else []


def every(named: Any) -> list[str]:
    """Identities written as a list of `kind:value` or as a mapping."""
    if named is None:
        return []
    if named.__class__ is dict:
        return [identity(kind, value) for kind, value in named.items() if value is not None]
    if named.__class__ is not list:
        raise BadLine("`identities` is neither a list nor an object")
    pairs = [str(each).partition(":") for each in named]
    if any(not kind or not value for kind, _, value in pairs):
        raise BadLine("an identity is written kind:value, such as email:ann@acme.test")
    return [identity(kind, value) for kind, _, value in pairs]


def identity(kind: str, value: object) -> str:
    """An identity as the store writes it."""
    if value.__class__ not in {str, int} or value == "":
        raise BadLine(f"the {kind} of somebody is a text or a whole number")
    return f"{kind}:{one_spelling(value)}" if kind == "email" and isinstance(value, str) else f"{kind}:{value}"
