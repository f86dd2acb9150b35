"""Reading what strangers send: JSON, addresses, times and values, with every surprise turned into a reason.

Bodies are verified, not trusted: a sender's user can type anything into a form. What comes out of here fits the event
log: no NUL character (PostgreSQL has no text with it), no value nested deeper than a list of plain ones, no time that
a `datetime` cannot hold, no identity longer than an index entry may be.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import orjson

from integrations.addresses import one_spelling
from integrations.contracts import Ignored, Incoming, Unreadable
from integrations.exceptions import Malformed, Unusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Read = Callable[[Any, bytes, int | None], Incoming | Ignored]
"""Turns a part, its own JSON and its place in the batch (None if it is the whole delivery) into an event; may raise
`Unusable`."""

LONGEST_IDENTITY: Final = 254
"""Characters of the longest e-mail address (RFC 5321), and here of any identity."""
LONGEST_ID: Final = 255
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Nobody fills in a form before this; such a time is a bug of the sender, and a window over it would be wrong."""
MILLISECONDS_FROM: Final = 100_000_000_000
"""A number from here on counts milliseconds: as seconds it would lie in the year 5138, as milliseconds in 1973."""

_ADDRESS: Final = re.compile(
    r"[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f-\x9f]+@(?:[^\s@<>()\[\],;:\\\"/\x00-\x2c\x7f-\x9f.]+\.)+"
    r"[^\s@<>()\[\],;:\\\"/\x00-\x2c\x7f-\x9f.]{2,}"
)
_NUMBER: Final = re.compile(r"-?[0-9]{1,16}(?:\.[0-9]{1,9})?")
_DOTTED: Final = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+")


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────────


def parse_json(body: bytes) -> Any:
    """The JSON document in a body.

    Raises:
        Malformed: it is not JSON in UTF-8, or nested more than 1024 deep.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error}") from error


def read_each(parts: Iterable[Any], read: Read, body: bytes) -> Iterator[Incoming | Unreadable | Ignored]:
    """Read the parts of a batch one by one: a bad one takes only itself into quarantine.

    Args:
        parts: parsed JSON values.
        read: reads one.
        body: the whole delivery, which stands in for a part that cannot be written out alone.
    """
    suspicious = b"\\u0000" in body
    for place, part in enumerate(parts):
        try:
            own = orjson.dumps(part)
        except TypeError:  # orjson writes 254 levels of nesting, and reads 1024
            yield Unreadable("too-deep", "the event is nested more than 254 levels deep.", body)
            continue
        yield _read(part, own, place, read, suspicious=suspicious)


def read_single(document: Any, read: Read, body: bytes) -> Incoming | Unreadable | Ignored:
    """Read a delivery that is one event; its payload is the body as it came."""
    return _read(document, body, None, read, suspicious=b"\\u0000" in body)


def read_part(body: bytes, place: int, read: Read) -> Incoming | Unreadable | Ignored:
    """Read again one part of a batch, which stood at `place` and now is the body alone.

    Raises:
        Malformed: the body is not JSON.
    """
    return _read(parse_json(body), body, place, read, suspicious=b"\\u0000" in body)


def _read(part: Any, own: bytes, place: int | None, read: Read, *, suspicious: bool) -> Incoming | Unreadable | Ignored:
    """Read one part; a `suspicious` body may hold a NUL character, so what comes out is searched for it."""
    try:
        event = read(part, own, place)
        if suspicious and isinstance(event, Incoming):
            _refuse_nul(event)
    except Unusable as error:
        return Unreadable(error.reason, error.detail, own, place)
    return event


def _refuse_nul(event: Incoming) -> None:
    """Raise if any text that the event log would have to keep holds a NUL character, the payload included."""
    texts = orjson.dumps([event.event_id, event.type, event.identities, event.properties, event.lead])
    if b"\\u0000" in _unescaped(texts) or b"\\u0000" in _unescaped(event.payload):
        raise Unusable("nul-character", "a text holds the character NUL, which a database cannot keep.")


def _unescaped(text: bytes) -> bytes:
    """JSON without its escaped backslashes: what then still looks like the escape of NUL is one."""
    return text.replace(b"\\\\", b"")


# ── values ───────────────────────────────────────────────────────────────────────────────────────────────────


def mapping(value: Any, name: str) -> dict[str, Any]:
    """`value` as a JSON object.

    Raises:
        Unusable: it is something else.
    """
    if not isinstance(value, dict):
        raise Unusable("not-an-object", f"{name} is {kind_of(value)}, an object is needed.")
    return value


def plain(value: Any, name: str) -> Any:
    """A value that rules can ask about: text, number, boolean, or a list of these.

    Raises:
        Unusable: it is an object or a nested list.
    """
    if isinstance(value, list):
        if any(isinstance(each, dict | list) for each in value):
            raise Unusable(
                "bad-value", f"{name} is a list of lists or objects; only a list of plain values can be kept."
            )
    elif isinstance(value, dict):
        raise Unusable("bad-value", f"{name} is an object; map its members one by one.")
    return value


def text(value: Any, name: str, longest: int = LONGEST_ID, reason: str = "bad-value") -> str:
    """A non-empty text, numbers written out.

    Raises:
        Unusable: for `reason`: it is missing, of another type, or too long.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise Unusable(reason, f"{name} is {kind_of(value)}, a text is needed.")
    if len(value) > longest:
        raise Unusable(reason, f"{name} has {len(value)} characters, at most {longest} can be kept.")
    return value


def at_path(document: Any, path: tuple[str, ...]) -> Any:
    """What stands at a dotted path (a number is a place in a list); None if nothing does."""
    for step in path:
        if document.__class__ is dict:  # as all that was parsed: quicker to tell, and this is done for every value
            document = document.get(step)
        elif isinstance(document, list) and step.isdecimal() and len(step) < 6 and int(step) < len(document):  # noqa: PLR2004  (no list has more places)
            document = document[int(step)]
        else:
            return None
    return document


def kind_of(value: Any) -> str:
    """What a JSON value is, for messages; never the value itself, which may be anybody's data."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "a boolean"
    kinds = {str: "a text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), "unreadable")


def is_event_type(value: object) -> bool:
    """True for a dotted lower-case name such as `form.submitted`."""
    return isinstance(value, str) and len(value) <= LONGEST_ID and _DOTTED.fullmatch(value) is not None


def digest(*parts: object) -> str:
    """An event id for events that come without one: a hash of what makes them one."""
    return "h:" + blake2b(repr(parts).encode(errors="replace"), digest_size=16).hexdigest()


# ── identities and times ─────────────────────────────────────────────────────────────────────────────────────


def email_identity(value: Any, name: str) -> tuple[str, str]:
    """`("email", address)`, in the one spelling that its owner is known by.

    Raises:
        Unusable: `no-identity` if there is none, `bad-email` if it is no address.
    """
    if value is None or value == "":
        raise Unusable("no-identity", f"{name} is missing, so nobody can be said to have done this.")
    address = one_spelling(value[: LONGEST_IDENTITY + 1]) if isinstance(value, str) else ""
    if len(address) > LONGEST_IDENTITY or not _ADDRESS.fullmatch(address):
        raise Unusable("bad-email", f"{name} does not look like an e-mail address.")
    return ("email", address)


def occurred_at(value: Any, received_at: datetime, name: str) -> datetime:
    """An event's own time, UTC, never later than its receipt (clocks of senders run ahead).

    `value` is ISO 8601 (without an offset it is UTC), or seconds or milliseconds since 1970.

    Raises:
        Unusable: it is none of these, or lies before the year 2000 or after the year 9999.
    """
    try:
        at = _instant(value)
    except (ValueError, OverflowError, OSError) as error:
        raise Unusable("bad-timestamp", f"{name} is no time: ISO 8601 or seconds since 1970 are needed.") from error
    if at < EARLIEST:
        raise Unusable("bad-timestamp", f"{name} lies before the year 2000.")
    return min(at, received_at)


def _instant(value: Any) -> datetime:
    if isinstance(value, str):
        value = value.strip()
        if not _NUMBER.fullmatch(value):
            at = datetime.fromisoformat(value)
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
        value = float(value) if "." in value else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("no time")  # noqa: TRY004  (one kind of error for every way of not being a time)
    return datetime.fromtimestamp(value / 1000 if value >= MILLISECONDS_FROM else value, UTC)
