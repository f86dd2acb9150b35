"""How fast mail goes out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date  # noqa: TC003  (annotations are read at run time)

from workers.rulebook.notations import Rate  # noqa: TC001
from workers.rulebook.shape import HOLE, Shape, Text, about

FRAME = f"sending:\n  limits:\n    - {HOLE}"


@dataclass(frozen=True)
class ProviderLimit(Shape):
    """How many mails a provider gets, over all workers."""

    title = "a limit on a provider"
    frame = FRAME
    provider: Text = field(metadata=about("the provider's name, as in DRIPLINE_EMAIL", example="smtp"))
    limit: Rate = field(metadata=about("how many in how long", example="10 per second"))


@dataclass(frozen=True)
class DomainLimit(Shape):
    """How many mails go to addresses of a domain, over all workers and providers."""

    title = "a limit on a domain"
    frame = FRAME
    domain: Text = field(
        metadata=about("the recipients' domain; `*` for each that has no limit of its own", example="gmail.com")
    )
    limit: Rate = field(metadata=about("how many in how long", example="2 per second"))


@dataclass(frozen=True)
class WarmUp(Shape):
    """A new sender gains trust slowly: so many mails on its first day, so many on the second, … and then no limit."""

    title = "a warm-up plan"
    frame = f"sending:\n  warm_up:\n    - {HOLE}"
    provider: Text = field(metadata=about("the provider's name", example="ses"))
    start: date = field(metadata=about("the first day", key="from", example="2026-11-02"))
    per_day: list[int] = field(
        metadata=about("mails on each day", least=1, most=10_000_000, example="[50, 100, 200, 500, 1000]")
    )


@dataclass(frozen=True)
class Sending(Shape):
    """Limits hold over all workers together. What is too much waits, and everything else goes on meanwhile."""

    title = "sending"
    frame = f"sending:\n  {HOLE}"
    shown = ("limits",)
    limits: list[ProviderLimit | DomainLimit] = field(
        default_factory=list,
        metadata=about("how fast", single=True, example="[{provider: smtp, limit: 10 per second}]"),
    )
    warm_up: list[WarmUp] = field(
        default_factory=list,
        metadata=about(
            "plans for new senders", single=True, example="{provider: ses, from: 2026-11-02, per_day: [50, 100, 200]}"
        ),
    )


@dataclass(frozen=True)
class SendingFile(Shape):
    """How fast mail goes out."""

    title = "the pace of sending"
    sending: Sending = field(metadata=about("how fast mail goes out"))
