"""The two actors. A message says where to look, never what to do; running one twice, or never, is harmless.

The broker retries nothing: what failed is still in PostgreSQL, and the sweep finds it within about a second.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

import dramatiq

from workers.exceptions import NoRulebook, StoreUnavailable
from workers.hints import DELIVER, PROCESS, QUEUE, channel_name, slice_name
from workers.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from dramatiq.broker import Broker

    from workers.app import App

log = get_logger(__name__)


class Turnstile:
    """Lets a number of threads in at a time; whoever finds it full leaves a word, and one of those inside goes again.

    So that slow providers never hold all threads of a process, and no announcement is lost for it.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._inside = 0
        self._called = False
        self._lock = Lock()

    def enter(self) -> bool:
        """True if there was a place."""
        with self._lock:
            if self._inside < self._places:
                self._inside += 1
                return True
            self._called = True
            return False

    def leave(self) -> bool:
        """Give the place back, unless somebody called meanwhile: then it is False, and the caller has to go again."""
        with self._lock:
            if self._called:
                self._called = False
                return False
            self._inside -= 1
            return True

    def abandon(self) -> None:
        """Give the place back whatever happened."""
        with self._lock:
            self._inside -= 1


def declare(broker: Broker, app: App, threads: int) -> None:
    """Declare the actors on a broker that a worker will be started for.

    Args:
        broker: gets the queue and both actors.
        app: does the work.
        threads: how many the worker will have; a part of them may be sending mail at the same time.
    """
    places = {"email": Turnstile(max(1, threads - 3)), "crm": Turnstile(1), "webhook": Turnstile(1)}

    def process(slices: list[int]) -> None:
        app.announcer.hints.taken(*map(slice_name, slices))
        _calmly(app, lambda: app.process(slices))

    def deliver(channel: str) -> None:
        app.announcer.hints.taken(channel_name(channel))
        through(places[channel], lambda: _calmly(app, lambda: app.deliver(channel)))

    dramatiq.actor(broker=broker, actor_name=PROCESS, queue_name=QUEUE)(process)
    # A higher number waits: scoring comes before sending when both have queued.
    dramatiq.actor(broker=broker, actor_name=DELIVER, queue_name=QUEUE, priority=10)(deliver)


def through(turnstile: Turnstile, work: Callable[[], None]) -> None:
    """Do the work if there is a place, and again if somebody came by meanwhile."""
    if not turnstile.enter():
        return
    try:
        work()
        while not turnstile.leave():
            work()
    except BaseException:
        turnstile.abandon()
        raise


def _calmly(app: App, work: Callable[[], None]) -> None:
    """Log troubles that pass by themselves in a line instead of a traceback; the work is still there."""
    try:
        work()
    except StoreUnavailable as error:
        app.store.failed(error)
    except NoRulebook as error:
        log.warning("no_rulebook", error=str(error))
    else:
        app.store.answered()
