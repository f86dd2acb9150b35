"""Through whom mail goes out, and how fast."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date  # noqa: TC003  (annotations are read at run time)
from typing import Literal

from workers.rulebook.notations import Rate  # noqa: TC001
from workers.rulebook.shape import HOLE, Shape, Text, about

DOMAIN = (r"[^\s@]+\.[^\s@.]+", "what stands behind the @, like gmail.com")
FRAME = f"sending:\n  limits:\n    - {HOLE}"


@dataclass(frozen=True)
class Route(Shape):
    """Through whom the mails of a kind go. The first route that fits a mail is its own; a mail that none fits goes
    through the provider of the settings, DRIPLINE_EMAIL. Where that is `mailbox`, every mail stays in the mailbox,
    whatever the routes say.

    Of several providers the first sends. The next takes over a mail that the one before provably did not take: it could
    not be reached, was too busy, or refused our account. It also takes over while the one before is left alone because
    it keeps failing. A mail of unknown outcome never changes hands, because two providers might deliver it; nor does
    one that was refused for its own sake, or one that waits for a limit. A provider that lacks settings is passed over.

    For a second account with a provider put a dash and a word behind its name: `smtp-backup` reads
    DRIPLINE_SMTP_BACKUP_HOST and so on, and has limits of its own.
    """

    title = "a route"
    frame = f"sending:\n  routes:\n    - {HOLE}"
    through: list[Text] = field(
        metadata=about(
            "names of providers as in DRIPLINE_EMAIL, the first choice first", single=True, example="[postmark, smtp]"
        ),
    )
    category: Literal["marketing", "transactional"] | None = field(
        default=None,
        metadata=about("mails of this category; default: all, messages to colleagues too", example="transactional"),
    )
    domain: list[Text] = field(
        default_factory=list,
        metadata=about(
            "mails to addresses of these domains; default: all", single=True, pattern=DOMAIN,
            example="[gmail.com, googlemail.com]",
        ),
    )  # fmt: skip


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
    """Routes say through which providers mail goes. Limits hold over all workers together. What is too much waits, and
    everything else goes on meanwhile.
    """

    title = "sending"
    frame = f"sending:\n  {HOLE}"
    shown = ("limits",)
    routes: list[Route] = field(
        default_factory=list,
        metadata=about("through whom", single=True, example="[{category: transactional, through: [postmark, smtp]}]"),
    )
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
    """Through whom mail goes out, and how fast."""

    title = "how mail is sent"
    sending: Sending = field(metadata=about("through whom mail goes out, and how fast"))
