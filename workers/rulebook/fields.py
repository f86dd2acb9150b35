"""Field declarations into fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workers.engine.fields import Refused, converted
from workers.engine.rules import Field
from workers.rulebook.declarations import FieldsFile
from workers.rulebook.nodes import Listing

if TYPE_CHECKING:
    from workers.rulebook import declarations
    from workers.rulebook.names import Checker
    from workers.rulebook.shape import Text
    from workers.rulebook.specs import Specs

ORDERED: Final = frozenset({"integer", "decimal", "money", "date", "datetime"})
"""Types whose values have an order."""
LIST: Final = "list of "


def fields(specs: Specs, check: Checker) -> dict[str, Field]:
    """All declared fields."""
    return {
        str(name): field_of(name, declared, check)
        for file in specs.of(FieldsFile)
        for name, declared in file.fields.items()
    }


def field_of(name: Text, declared: declarations.Field, check: Checker) -> Field:
    """One field; its type, merge policy and allowed values have to go together."""
    kind = "list of text" if declared.type == "list" else declared.type
    if name == "email":
        text = "`lead.email` is always there, and the latest address counts"
        check.problems.add(name.place, "reserved-name", text, "leave it out, or give another address another name")
    if declared.merge == "highest" and kind not in ORDERED:
        text = f"`highest` needs values that have an order, and {kind} has none"
        check.problems.add(
            declared.place("merge"),
            "useless-key",
            text,
            f"it goes with {', '.join(sorted(ORDERED))}; of others keep `last` or `first`",
        )
    if declared.merge == "union" and not kind.startswith(LIST):
        text = f"`union` gathers the items of a list, and this is {kind}"
        check.problems.add(declared.place("merge"), "useless-key", text, f"make the type `{LIST}{kind}`")
    return Field(str(name), kind, declared.merge, allowed(declared, kind, check), declared.personal)


def allowed(declared: declarations.Field, kind: str, check: Checker) -> tuple[object, ...]:
    """The allowed values, as the field's type keeps them."""
    node = declared.node.entries.get("allowed")
    if not isinstance(node, Listing):
        return ()
    if not node.items:
        check.problems.add(node.place, "never-true", "no value is allowed", "name them, or remove `allowed`")
    plain = Field("", kind.removeprefix(LIST))
    kept = []
    for item in node.items:
        try:
            kept.append(converted(plain, item.plain))
        except Refused as error:
            text = f"{item.said} is {error}, and the field is {kind}"
            check.problems.add(item.place, "wrong-type", text, "write values of the field's type")
    return tuple(kept)
