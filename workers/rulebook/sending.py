"""The file `sending` into what delivery does by it."""

from __future__ import annotations

from datetime import datetime, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from integrations.addresses import dns
from workers.engine.rules import RateLimit, Route, Sending, WarmUp
from workers.rulebook.declarations.sending import ProviderLimit
from workers.rulebook.installed import adapter_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from workers.rulebook.declarations import SendingFile
    from workers.rulebook.declarations.sending import DomainLimit
    from workers.rulebook.declarations.sending import Route as Declared
    from workers.rulebook.declarations.sending import WarmUp as Plan
    from workers.rulebook.names import Checker
    from workers.rulebook.shape import Text


def sending(file: SendingFile | None, check: Checker) -> Sending:
    """Through whom and how fast mail goes out; without routes and limits, where no file says so."""
    if file is None:
        return Sending()
    said = file.sending
    return Sending(
        tuple(limit(each, check) for each in said.limits),
        tuple(warm_up(each, check) for each in said.warm_up),
        routes(said.routes, check),
    )


def limit(said: ProviderLimit | DomainLimit, check: Checker) -> RateLimit:
    """A limit on a provider or on a domain."""
    if isinstance(said, ProviderLimit):
        providers([said.provider], check)
        return RateLimit("provider", str(said.provider), said.limit.most, said.limit.window)
    return RateLimit("domain", dns(said.domain), said.limit.most, said.limit.window)


def warm_up(said: Plan, check: Checker) -> WarmUp:
    """A plan, from midnight of its first day where the company is."""
    providers([said.provider], check)
    start = datetime.combine(said.start, time(), ZoneInfo(check.names.zone))
    return WarmUp(str(said.provider), start, tuple(said.per_day))


def routes(said: Sequence[Declared], check: Checker) -> tuple[Route, ...]:
    """All routes, in their order; one that no mail can come to is a mistake."""
    made: list[Route] = []
    for each in said:
        if not each.through:
            hint = "name a provider, or remove the route"
            check.problems.add(each.place("through"), "missing-name", "the route leads to nobody", hint)
        route = Route(providers(each.through, check), each.category or "", frozenset(map(dns, each.domain)))
        if any(covers(before, route) for before in made):
            text = "every mail that this route fits goes by one that stands before it"
            check.problems.add(each.node.place, "never-reached", text, "move it up, or remove it")
        if each.category or "category" not in each.node.entries:  # one that could not be read covers nothing
            made.append(route)
    return tuple(made)


def providers(names: Iterable[Text], check: Checker) -> tuple[str, ...]:
    """The names of providers, each of which there is, and stands there once."""
    seen: dict[str, None] = {}
    for name in names:
        if check.installed and not adapter_of(name, check.installed.providers):
            check.known("provider", name, check.installed.providers)
        if name in seen:
            check.problems.add(name.place, "duplicate-name", f"`{name}` stands there twice", "remove one")
        seen[str(name)] = None
    return tuple(seen)


def covers(before: Route, route: Route) -> bool:
    """True if every mail that fits `route` fits the one `before`."""
    return before.category in {"", route.category} and (
        not before.domains or (bool(route.domains) and route.domains <= before.domains)
    )
