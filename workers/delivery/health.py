"""Which providers answer, as far as this process knows: one that does not is left alone for a while."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final

from workers.log import get_logger
from workers.store.pauses import Pause

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

log = get_logger(__name__)

IN_A_ROW: Final = 3
"""So many calls without an answer, and the provider is left alone: one may be about the recipient, three are not."""

DOUBLINGS: Final = 10
LONGEST: Final = timedelta(minutes=1)
"""For so long one is left alone at most that does not say for how long itself."""


@dataclass(slots=True)
class Pulse:
    """Calls without an answer since the last answer, how often that led to a pause, since when, and until when nobody
    calls.
    """

    failures: int = 0
    pauses: int = 0
    since: datetime | None = None
    paused_until: datetime | None = None

    @property
    def pause(self) -> Pause | None:
        """For others to see; None if there was none yet."""
        return Pause(self.since, self.paused_until, self.failures) if self.since and self.paused_until else None


class Health:
    """The pulse of every provider, by name; threads share it.

    Args:
        pause: for how long a provider is left alone at first that did not say how long itself; then for twice as long
            each time that the one mail by which it is tried again fails, too.
    """

    def __init__(self, pause: timedelta) -> None:
        self._pause = pause
        self._pulses: dict[str, Pulse] = {}
        self._untold: set[str] = set()
        self._lock = Lock()

    def paused(self, provider: str, now: datetime) -> datetime | None:
        """Until when the provider is left alone; None if it may be called."""
        pulse = self._pulses.get(provider)
        until = pulse.paused_until if pulse else None
        return until if until and until > now else None

    def answered(self, provider: str) -> None:
        """The provider answered, be it with a refusal."""
        if provider in self._pulses:
            with self._lock:
                pulse = self._pulses.pop(provider, None)
                if pulse and pulse.pause:
                    self._untold.add(provider)

    def failed(self, provider: str, now: datetime, asked: timedelta | None = None) -> None:
        """The provider gave no answer that helps; if it `asked` to be left alone for a time, it is, at once."""
        with self._lock:
            pulse = self._pulses.setdefault(provider, Pulse())
            pulse.failures += 1
            if asked is None and pulse.failures < IN_A_ROW:
                return
            if pulse.paused_until is None or pulse.paused_until <= now:  # mails of one call fail together
                pulse.pauses += 1
            pulse.since = pulse.since or now
            grown = self._pause * 2 ** min(pulse.pauses - 1, DOUBLINGS)
            pulse.paused_until = now + (asked or max(self._pause, min(grown, LONGEST)))
            self._untold.add(provider)
        log.warning("provider_paused", provider=provider, failures=pulse.failures, until=pulse.paused_until.isoformat())

    def news(self) -> dict[str, Pause | None]:
        """What others have not been told yet: the pauses that have begun or grown, None for providers that answer."""
        with self._lock:
            return {name: self._now(name) for name in sorted(self._untold)}

    def told(self, news: Mapping[str, Pause | None]) -> None:
        """Others know this now. What has changed since is news, told or not: an older word may have come after it."""
        with self._lock:
            changed = {name for name, pause in news.items() if pause != self._now(name)}
            self._untold = (self._untold - news.keys()) | changed

    def _now(self, provider: str) -> Pause | None:
        pulse = self._pulses.get(provider)
        return pulse.pause if pulse else None
