"""Events without the people in them: names and addresses replaced, so that what the rules make of them stays the same.

Who is who can still be told apart, and the domain of an address stays, because rules ask for it. The key is made anew
for every export and kept nowhere, so that nobody can look up an address that they know.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.engine.rules import Field, Rulebook

EMAIL: Final = "email"
STANDS_IN: Final = "masked"
"""In the place of a text; a rule that asks whether there is one gets the same answer."""
DIGITS: Final = 8


class Mask:
    """Replaces what is personal.

    Args:
        rulebook: says which fields are.
        key: secret; the same one gives the same pseudonyms.
    """

    def __init__(self, rulebook: Rulebook, key: bytes) -> None:
        self._personal = {name: field for name, field in rulebook.fields.items() if field.personal}
        self._key = key

    def event(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row of the event log, its properties as they are."""
        lead = {name: self._value(name, value) for name, value in row["lead"].items()}
        return {
            **row,
            "identities": [self.identity(each) for each in row["identities"]],
            "lead": {name: value for name, value in lead.items() if value is not None},
        }

    def identity(self, written: str) -> str:
        """`email:ann@acme.test` as `email:4f0c…@acme.test`; names of our own messages say nothing of people."""
        kind, _, value = written.partition(":")
        return written if kind == "message" else f"{kind}:{self._name(value)}"

    def _name(self, value: str) -> str:
        local, at, domain = value.rpartition("@")
        digest = blake2b((local or value).encode(), key=self._key, digest_size=DIGITS).hexdigest()
        return f"{digest}{at}{domain}" if at else digest

    def _value(self, name: str, value: Any) -> Any:
        field = self._personal.get(name)
        if name == EMAIL or (field is not None and field.type == EMAIL):
            return self._name(str(value))
        return value if field is None else stand_in(field)


def stand_in(field: Field) -> Any:
    """What stands in the place of a value: something of the same type, or None for nothing."""
    if field.allowed:
        return None
    return {"text": STANDS_IN, "list of text": [STANDS_IN]}.get(field.type)
