"""The company, and how its mails go out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workers.engine.hours import WORKING_WEEK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from workers.engine.hours import Calendar
    from workers.engine.rules.conditions import Expression


@dataclass(frozen=True, slots=True)
class Account:
    """The company that sends: used by templates, e-mail headers and money.

    Attributes:
        site: the website; without one no link in a mail may be relative.
        business: when it works.
    """

    company: str
    zone: str
    currency: str
    sender: str
    address: str
    business: Calendar = WORKING_WEEK
    site: str = ""

    @property
    def words(self) -> dict[str, str]:
        """What templates may say of it."""
        return {name: getattr(self, name) for name in ("company", "zone", "currency", "sender", "address", "site")}


@dataclass(frozen=True, slots=True)
class Tracking:
    """What is told of how mails are read.

    Attributes:
        clicks, opens: whether links lead through us, and whether a picture tells of the opening.
        consent: over the lead's fields: only mails to leads for whom it is true are tracked; None for all.
        untracked: templates in which nothing is tracked.
        utm: parameters for every link, `{campaign}` and `{template}` in them.
        url: scheme and domain of tracked links; empty for that of the web process.
    """

    clicks: bool = False
    opens: bool = False
    consent: Expression | None = None
    untracked: frozenset[str] = frozenset()
    utm: Mapping[str, str] = field(default_factory=dict)
    url: str = ""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """So many mails in a stretch of time.

    Attributes:
        of: `provider` or `domain`.
        name: of the provider, or the recipients' domain in lower case; `*` for each domain without a limit of its own.
        most: how many.
        window: in how many microseconds.
    """

    of: str
    name: str
    most: int
    window: int


@dataclass(frozen=True, slots=True)
class WarmUp:
    """How many mails a new sender may send on each of its days; `start` is midnight of the first."""

    provider: str
    start: datetime
    per_day: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """Who sends the mails of a kind.

    Attributes:
        through: names of providers, the first choice first; each of the others takes over what those before it
            provably did not take.
        category: `marketing` or `transactional`; empty for all mails, messages to colleagues included.
        domains: of the recipients, as DNS has them; empty for all.
    """

    through: tuple[str, ...]
    category: str = ""
    domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Sending:
    """Through whom and how fast mail goes out. The first route that fits a mail is its own."""

    limits: tuple[RateLimit, ...] = ()
    warm_ups: tuple[WarmUp, ...] = ()
    routes: tuple[Route, ...] = ()
