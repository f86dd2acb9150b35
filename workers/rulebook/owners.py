"""Who gets an opportunity: owners, territories, the fallback."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workers.engine.rules import Owner
from workers.rulebook.addresses import is_address
from workers.rulebook.declarations import Owners, Share

if TYPE_CHECKING:
    from workers.engine.rules import Expression
    from workers.rulebook.declarations import Territory
    from workers.rulebook.declarations.promotion import RoundRobin
    from workers.rulebook.names import Checker
    from workers.rulebook.problems import Place
    from workers.rulebook.shape import Text


class Assigned(NamedTuple):
    """How an opportunity finds its owner."""

    owners: tuple[Owner, ...] = ()
    territories: tuple[tuple[Expression, tuple[Owner, ...]], ...] = ()
    fallback: str = ""


def assigned(spec: Text | Owners | None, check: Checker) -> Assigned:
    """Everybody who may get an opportunity. One address alone is owner and fallback."""
    if spec is None:
        return Assigned()
    if not isinstance(spec, Owners):
        address(spec, check)
        return Assigned((Owner(str(spec)),), (), str(spec))
    if spec.fallback is not None:
        address(spec.fallback, check)
    owners = turns(spec.round_robin, spec.place("round_robin"), check) if "round_robin" in spec.node.entries else ()
    territories = tuple(found for each in spec.territories if (found := territory(each, check)))
    check_everybody_is_served(spec, owners, check)
    return Assigned(owners, territories, str(spec.fallback or ""))


def territory(spec: Territory, check: Checker) -> tuple[Expression, tuple[Owner, ...]] | None:
    """A condition, and who takes turns for the leads that it is true of."""
    when = check.expression(spec.when, "boolean", check.names.scope())
    owners = turns(spec.round_robin, spec.place("round_robin"), check)
    return (when, owners) if when else None


def turns(round_robin: RoundRobin, place: Place, check: Checker) -> tuple[Owner, ...]:
    """Who takes turns."""
    if not round_robin:
        text = "nobody takes turns here"
        check.problems.add(place, "no-owner", text, "name somebody: `{ana@company.example: 1}`")
    return tuple(owner(who, share, check) for who, share in round_robin.items())


def owner(who: Text, share: int | Share, check: Checker) -> Owner:
    """One salesperson."""
    address(who, check)
    if not isinstance(share, Share):
        return Owner(str(who), share)
    if share.cap is not None and not (share.cap.most and share.cap.days):
        text = f"`{who}` would never get anything"
        check.problems.add(share.place("cap"), "never-fires", text, "raise the cap, or remove the owner")
    return Owner(str(who), share.weight, share.cap.most if share.cap else None, share.cap.days if share.cap else 1)


def address(text: Text, check: Checker) -> None:
    """Refuse what is no e-mail address."""
    if not is_address(text):
        check.problems.add(text.place, "bad-address", f"`{text}` is no e-mail address", "write name@company.example")


def check_everybody_is_served(spec: Owners, owners: tuple[Owner, ...], check: Checker) -> None:
    """Without a fallback somebody has to be there who takes whatever comes."""
    if spec.fallback is not None or any(owner.cap is None for owner in owners):
        return
    if owners:
        text = "once all of them are at their caps, nobody gets the opportunity"
    elif "round_robin" in spec.node.entries:
        return  # an empty or unreadable list is a finding of its own
    else:
        text = "a lead outside the territories has no owner"
    check.problems.add(spec.node.place, "no-owner", text, "add `fallback: sales-lead@company.example`")
