"""Mail through several providers: which of them may take a mail, in which order, and who has it.

Who has a mail is noted on its row before it leaves, so that evidence, look-ups and limits know whom to think of. A mail
changes hands only while nobody may have it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from integrations.addresses import domain_of
from workers.delivery.senders import NEVER, NotConfigured, Ready

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import timedelta

    from integrations.contracts import Accepted, BatchProvider, FindingProvider
    from workers.delivery.senders import EmailSender, Sender, Skip
    from workers.engine.rules import Route
    from workers.store.outbox import Channel, Claim

UNKNOWN_TEMPLATE: Final = "marketing"
"""Category of a template that today's rules do not have any more."""


class Routes:
    """Says for every mail who may take it.

    Args:
        routes: of the rules in force.
        default: the provider of what no route fits.
        categories: by template, `marketing` or `transactional`.
    """

    def __init__(self, routes: Sequence[Route], default: str, categories: Mapping[str, str]) -> None:
        self._routes = routes
        self._default = (default,)
        self._categories = categories

    @property
    def providers(self) -> list[str]:
        """Everybody who may have to send."""
        return sorted({*self._default, *(name for route in self._routes for name in route.through)})

    def line(self, claim: Claim) -> Sequence[str]:
        """Who may take a row's mail, the first choice first."""
        if "to" in claim.payload:
            return self.fitting("", str(claim.payload["to"]))
        template = str(claim.payload.get("template"))
        return self.fitting(self._categories.get(template, UNKNOWN_TEMPLATE), claim.email)

    def fitting(self, category: str, email: str | None) -> Sequence[str]:
        """Who may take a mail of this category (empty for none) to this address."""
        domain = domain_of(email)
        for route in self._routes:
            if route.category in {"", category} and (not route.domains or domain in route.domains):
                return route.through
        return self._default


class RoutedSender:
    """Mails by several providers, each by its own.

    Args:
        routes: who may take which.
        senders: by provider, those whose settings are complete.
        missing: by provider, what the others lack.
    """

    channel: Channel = "email"
    provider: str | None = None

    def __init__(self, routes: Routes, senders: Mapping[str, EmailSender], missing: Mapping[str, str]) -> None:
        self._routes = routes
        self._senders = senders
        self._missing = missing

    @property
    def finders(self) -> Mapping[str, FindingProvider]:
        """See `Sender.finders`."""
        return {name: finder for sender in self._senders.values() for name, finder in sender.finders.items()}

    def line(self, claim: Claim) -> Sequence[str]:
        """See `Sender.line`; those that cannot send are left out, as long as anybody can."""
        line = self._routes.line(claim)
        return [name for name in line if name in self._senders] or line

    def batch(self, provider: str) -> BatchProvider | None:
        """See `Sender.batch`."""
        return self._senders[provider].batch(provider) if provider in self._senders else None

    def key_kept(self, provider: str) -> timedelta:
        """See `Sender.key_kept`."""
        return self._senders[provider].key_kept(provider) if provider in self._senders else NEVER

    def asks(self, claim: Claim) -> bool:
        """See `Sender.asks`."""
        sender = self._senders.get(claim.provider or "")
        return sender is not None and sender.asks(claim)

    def prepare(self, claim: Claim, suppressed: str) -> Ready | Skip:
        """See `Sender.prepare`."""
        name = claim.provider or ""
        return self._senders[name].prepare(claim, suppressed) if name in self._senders else Ready(self._fails(name))

    def _fails(self, name: str) -> Callable[[], Accepted]:
        def send() -> Accepted:
            raise NotConfigured(self._missing.get(name, f"nothing is known of {name}"))

        return send


def chosen(sender: Sender, claim: Claim, paused: Collection[str]) -> str | None:
    """Who gets a claimed row.

    Whoever may have it already, since nobody else can tell whether it has; else whoever it was left to, or the first
    choice, leaving out the `paused` as long as anybody else may take it.
    """
    if claim.unclear_since:
        return claim.unclear_with or claim.provider
    line = sender.line(claim)
    able = [name for name in line if name not in paused]
    if claim.provider in able:
        return claim.provider
    return next(iter(able or line), claim.provider)


def following(sender: Sender, claim: Claim, paused: Collection[str]) -> str | None:
    """Who may take over a row that its provider provably did not take; None if nobody is left."""
    line = list(sender.line(claim))
    behind = line[line.index(claim.provider) + 1 :] if claim.provider in line else []
    return next((name for name in behind if name not in paused), None)
