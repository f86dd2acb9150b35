"""The webhook sources that the active rulebook declares, kept up to date while the process runs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from integrations.contracts import AskingSource, GreetingSource
from workers.engine.categories import NO_POLICY, ConsentPolicy
from workers.exceptions import StoreUnavailable
from workers.log import get_logger
from workers.web.metrics import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor

    from integrations.contracts import Source
    from workers.web.metrics import Metrics

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ActiveSources:
    """The sources of one rulebook version, by route name, and the categories of mail that people choose among.

    Attributes:
        closed: why each of the others that the rules declare cannot be opened; for operators, not for senders.
    """

    version: str
    sources: Mapping[str, Source]
    closed: Mapping[str, str] = field(default_factory=dict)
    consent: ConsentPolicy = NO_POLICY


@dataclass(frozen=True, slots=True)
class Door:
    """One source as the receiver uses it.

    Attributes:
        greeting: the same source, if its sender wants answers of its own to some requests.
        asks: its `verify` may take seconds.
    """

    name: str
    source: Source
    tally: Tally
    greeting: GreetingSource | None = None
    asks: bool = False

    @classmethod
    def to(cls, name: str, source: Source, tally: Tally) -> Self:
        """The door to a source."""
        greeting = source if isinstance(source, GreetingSource) else None
        return cls(name, source, tally, greeting, asks=isinstance(source, AskingSource) and source.asks)


class Doors:
    """Source name -> `Door`, replaced as a whole when another rulebook becomes active.

    Args:
        load: asked in `executor`; given the version in use (empty at first), returns the sources of the active
            rulebook, or None if that is the version in use.
        every: seconds between two questions.
    """

    def __init__(
        self,
        load: Callable[[str], ActiveSources | None],
        metrics: Metrics,
        executor: Executor,
        *,
        every: float,
    ) -> None:
        self._load = load
        self._metrics = metrics
        self._executor = executor
        self._every = every
        self._doors: dict[str, Door] = {}
        self._closed: dict[str, Tally] = {}
        self._unknown = Tally(metrics, "unknown")
        self.version = ""
        self.closed: Mapping[str, str] = {}
        """Why sources that the rules declare are not open, by name."""
        self.consent = NO_POLICY
        """The categories of mail that people choose among."""

    def get(self, name: str) -> Door | None:
        """The door of that name, if the active rulebook has it and it is open."""
        return self._doors.get(name)

    def tally(self, name: str) -> Tally:
        """Counts deliveries to where no open door is. Names that nobody declared are one: anybody can make them up."""
        return self._closed.get(name, self._unknown)

    def declared(self, name: str) -> bool:
        """True if the active rulebook has a source of that name, open or not."""
        return name in self._doors or name in self.closed

    def names(self) -> list[str]:
        """Names of the open doors, sorted."""
        return sorted(self._doors)

    async def refresh(self) -> None:
        """Look once. Whatever goes wrong, the doors stay as they are and the reason is logged."""
        try:
            active = await asyncio.get_running_loop().run_in_executor(self._executor, self._load, self.version)
        except StoreUnavailable:  # whoever loads them says so once, and here it is every few seconds
            log.debug("sources_not_checked", version=self.version)
        except Exception:  # a rulebook that this process cannot use must not close the doors that work
            log.exception("sources_not_loaded", version=self.version)
        else:
            if active is not None:
                self._use(active)

    async def keep_fresh(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            await self.refresh()

    def _use(self, active: ActiveSources) -> None:
        self._doors = {
            name: Door.to(name, source, Tally(self._metrics, name)) for name, source in active.sources.items()
        }
        self._closed = {name: Tally(self._metrics, name) for name in active.closed}
        self.closed = active.closed
        self.consent = active.consent
        self.version = active.version
        log.info("sources_loaded", version=active.version, sources=len(self._doors), closed=len(self._closed))
