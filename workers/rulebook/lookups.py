"""What the settings of steps may name, and how it is looked up, by the words in their metadata under `names`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workers.rulebook.nodes import Scalar
from workers.rulebook.times import Zone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workers.rulebook.names import Checker
    from workers.rulebook.shape import Text


def template(check: Checker, name: Text) -> bool:
    """A mail."""
    return check.known("template", name, check.names.templates, f"write templates/{name}/mail.txt")


def field(check: Checker, name: Text) -> bool:
    """A field of the lead."""
    return check.known("field", name, check.names.fields, "declare it in rules/fields.yaml")


def campaign(check: Checker, name: Text) -> bool:
    """A campaign."""
    return check.known("campaign", name, check.names.campaigns, "write a file that begins with `campaign:`")


def zone(check: Checker, name: Text) -> bool:
    """Whose clock it is."""
    node = Scalar(name.place, str(name), str(name))
    if Zone.read(node) is not None:
        return True
    check.problems.add(name.place, Zone.code, f"there is no time zone `{name}`", Zone.hint(node))
    return False


LOOKED_UP: Final[Mapping[str, Callable[[Checker, Text], bool]]] = {
    "template": template,
    "event": lambda check, name: check.event(name),
    "stage": lambda check, name: check.stage(name),
    "score": lambda check, name: check.score(name),
    "field": field,
    "date field": lambda check, name: check.day_field(name),
    "campaign": campaign,
    "zone": zone,
}
