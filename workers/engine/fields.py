"""What events tell about a person: values of the declared type, merged as the field says, in any order of arrival."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import available_timezones

from workers.text import one_spelling

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.engine.call import Call
    from workers.engine.rules import Field
    from workers.engine.values import Event

PLAIN: Final[frozenset[Any]] = frozenset({str, int, float, bool})
"""Types of values that are what they were converted to if they are equal to it, and of its type."""
MOST_TEXT: Final = 2_000
"""Characters of a text; a longer one is cut by its sender's mistake and refused."""
MOST_ITEMS: Final = 100
"""Items of a list."""
TOO_MANY_ITEMS: Final = "too-many-items"
"""Reason of items that a list has no room for."""
MOST_NUMBER: Final = 10**15
MOST_SHOWN: Final = 100
"""Characters of a value that was refused that are recorded with the reason."""
EMAIL: Final = re.compile(r"[^@\s<>,;]{1,64}@[^@\s<>,;]{1,190}\.[^@\s<>,;.]{2,60}")
ZONES: Final = frozenset(available_timezones())


class Refused(ValueError):
    """A value that is not of its field's type, or not among the allowed ones."""


def tell_fields(call: Call, event: Event, at: int) -> None:
    """Take over what the event tells; a value that can't be taken is recorded with the reason and changes nothing."""
    told, fields, since, declarations = [at, event.id], call.state.fields, call.state.told, call.rulebook.fields
    for name, value in event.lead.items():
        declared, known = declarations.get(name), fields.get(name)
        if (
            known == value
            and known.__class__ is value.__class__
            and known.__class__ in PLAIN
            and name in since
            and (declared is None or declared.merge == "last")
        ):
            # told again, as every event tells the address: it was converted before
            since[name] = max(since[name], told)
            continue
        if value is None or (declared is None and name != "email"):
            continue
        try:
            merge(call, declared, name, value, told)
        except Refused as error:
            call.say(
                "skipped",
                f"field.{name}",
                {"reason": "bad-value", "value": shown(value), "because": str(error)},
                event=event.id,
            )


def merge(call: Call, declared: Field | None, name: str, value: Any, told: list[int]) -> None:
    """Let one value count, by the field's policy. Equal times are decided by the event's number.

    Raises:
        Refused: the value is not the field's.
    """
    fields, since = call.state.fields, call.state.told
    policy = "last" if declared is None else declared.merge
    new = value if declared is None else converted(declared, value)
    if policy == "union":
        new = gathered(call, name, new, told)
    elif name in fields and name in since and not replaces(declared, new, fields[name], earlier=told < since[name]):
        return
    if name not in fields or fields[name] != new:
        fields[name] = new
        call.look_again(fields=True)
    since[name] = told


def replaces(declared: Field | None, new: Any, old: Any, *, earlier: bool) -> bool:
    """True if the new value takes the old one's place; `earlier` says whether it was told before that."""
    if declared is None or declared.merge != "highest":
        return earlier == (declared is not None and declared.merge == "first")
    if declared.type == "datetime":  # one instant can be written with many offsets: of these the earliest telling stays
        new, old = datetime.fromisoformat(new), datetime.fromisoformat(old)
    return bool(new > old or (earlier and new == old))


def gathered(call: Call, name: str, new: Any, told: list[int]) -> list[Any]:
    """The items of both values, each once, sorted; of too many the first, and what is left out is recorded."""
    old = call.state.fields.get(name)
    items = sorted({*(old if isinstance(old, list) else []), *(new if isinstance(new, list) else [new])}, key=str)
    if over := items[MOST_ITEMS:]:
        detail = {"reason": TOO_MANY_ITEMS, "value": shown(", ".join(map(str, over))), "most": MOST_ITEMS}
        call.say("skipped", f"field.{name}", detail, event=told[1])
    return items[:MOST_ITEMS]


def converted(declared: Field, value: Any) -> Any:
    """The value as the field's type keeps it.

    Raises:
        Refused: it can't be one.
    """
    kind = declared.type
    if kind.startswith("list of "):
        items = value if isinstance(value, list) else [value]
        if len(items) > MOST_ITEMS:
            raise Refused(f"a list of more than {MOST_ITEMS} items")
        return [allowed(declared, TYPES[kind.removeprefix("list of ")](item)) for item in items]
    return allowed(declared, TYPES[kind](value))


def allowed(declared: Field, value: Any) -> Any:
    """The value, if the field may have it."""
    if declared.allowed and value not in declared.allowed:
        raise Refused(f"not one of {', '.join(map(str, declared.allowed))}")
    return value


def shown(value: Any) -> str:
    """A value for people, cut short."""
    written = str(value)
    return written if len(written) <= MOST_SHOWN else f"{written[: MOST_SHOWN - 1]}…"


def text(value: Any) -> str:
    """A text, or a number as text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Refused("not a text")
    if len(written := str(value).strip()) > MOST_TEXT:
        raise Refused(f"longer than {MOST_TEXT} characters")
    return written


def integer(value: Any) -> int:
    """A whole number, or digits."""
    if value.__class__ is int and -MOST_NUMBER < value < MOST_NUMBER:  # by far the most frequent
        return int(value)
    exact = decimal(value)
    if exact != int(exact):
        raise Refused("not a whole number")
    return int(exact)


def decimal(value: Any) -> int | float:
    """A number, or a text that is one. Kept as a JSON number of up to 15 digits, which holds money to the cent."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Refused("not a number")
    try:
        exact = Decimal(str(value).strip().replace("_", "x"))
    except InvalidOperation:
        raise Refused("not a number") from None
    if not exact.is_finite() or abs(exact) >= MOST_NUMBER:
        raise Refused("not a number of up to 15 digits")
    return int(exact) if exact == int(exact) else float(exact)


def boolean(value: Any) -> bool:
    """True or false, or one of the words for them."""
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if isinstance(value, bool):
        return value
    if str(value).strip().lower() not in words:
        raise Refused("neither true nor false")
    return words[str(value).strip().lower()]


def day(value: Any) -> str:
    """A date as YYYY-MM-DD."""
    try:
        return date.fromisoformat(str(value).strip()[:10]).isoformat()
    except ValueError:
        raise Refused("not a date such as 2026-03-31") from None


def moment(value: Any) -> str:
    """An instant in ISO 8601, with its offset."""
    try:
        read = datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise Refused("not a time such as 2026-03-31T12:00:00+02:00") from None
    if read.tzinfo is None:
        raise Refused("a time without an offset or Z")
    return read.isoformat()


def country(value: Any) -> str:
    """A two-letter country code (ISO 3166-1), in capitals."""
    code = str(value).strip()
    if not (len(code) == len("DE") and code.isascii() and code.isalpha()):
        raise Refused("not a two-letter country code")
    return code.upper()


def zone(value: Any) -> str:
    """An IANA time zone."""
    if (name := str(value).strip()) not in ZONES:
        raise Refused("not an IANA time zone such as Europe/Berlin")
    return name


def email(value: Any) -> str:
    """An e-mail address, in the one spelling that its owner is known by."""
    if not EMAIL.fullmatch(address := str(value).strip()):
        raise Refused("not an e-mail address")
    return one_spelling(address)


def url(value: Any) -> str:
    """A web address."""
    if not re.fullmatch(r"https?://[^\s<>\"]{1,2000}", address := str(value).strip()):
        raise Refused("not a web address that begins with http:// or https://")
    return address


TYPES: Final[dict[str, Callable[[Any], Any]]] = {
    "text": text, "integer": integer, "decimal": decimal, "money": decimal, "boolean": boolean, "date": day,
    "datetime": moment, "country": country, "zone": zone, "email": email, "url": url,
}  # fmt: skip
