"""What the settings of steps may name, and how it is looked up, by the words in their metadata under `names`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workers.engine.steps.notify import LEAD, OWNER
from workers.rulebook.addresses import is_address
from workers.rulebook.installed import adapter_of
from workers.rulebook.nodes import Scalar
from workers.rulebook.shape import Text
from workers.rulebook.times import Zone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workers.rulebook.names import Checker

EMAIL: Final = "email"


def template(check: Checker, name: Text) -> bool:
    """A mail."""
    return check.known("template", name, check.names.templates, f"write templates/{name}/mail.txt")


def field(check: Checker, name: Text) -> bool:
    """A field of the lead."""
    return check.known("field", name, {EMAIL, *check.names.fields}, "declare it in rules/fields.yaml")


def settable(check: Checker, name: Text) -> bool:
    """A field of the lead that may be set."""
    return check.known("field", name, check.names.fields, "declare it in rules/fields.yaml")


def summed(check: Checker, name: Text) -> bool:
    """A score that points can be added to."""
    if not check.score(name):
        return False
    if name not in check.names.formulas:
        return True
    text = f"the score `{name}` is a formula, and has no points of its own"
    check.problems.add(name.place, "wrong-score", text, "name one of the scores that it is made of")
    return False


def recipient(check: Checker, name: Text) -> bool:
    """Whom to tell: the owner, an address, or a field that holds one."""
    if name == OWNER or is_address(name):
        return True
    if not name.startswith(LEAD):
        hint = "write owner, an address like ana@company.example, or a field like lead.account_manager"
        check.problems.add(name.place, "bad-address", f"`{name}` is no address", hint)
        return False
    named = Text.at(name.removeprefix(LEAD), name.place)
    if not field(check, named):
        return False
    kind = check.names.fields.get(named, EMAIL)
    if kind in {EMAIL, "any"}:
        return True
    text = f"the field `{named}` is of type {kind}, and holds no address"
    check.problems.add(name.place, "wrong-field", text, "name one of type email")
    return False


def hook(check: Checker, name: Text) -> bool:
    """Who takes webhooks: an adapter's name, alone or with a dash and a word of one's own behind it."""
    if check.installed is None or adapter_of(name, check.installed.hooks):
        return True
    return check.known("hook", name, check.installed.hooks, f"there is {', '.join(check.installed.hooks)}")


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
    "settable field": settable,
    "sum": summed,
    "recipient": recipient,
    "hook": hook,
    "date field": lambda check, name: check.day_field(name),
    "campaign": campaign,
    "zone": zone,
}
