"""Received mail into the event log: by the same door as webhooks, and marked as taken in only once it is committed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from integrations.contracts import Ignored, Incoming
from integrations.contracts import Request as Received
from integrations.exceptions import Unavailable
from integrations.received import read
from workers.exceptions import StoreUnavailable
from workers.log import get_logger
from workers.web.commit import Delivery
from workers.web.journal import StoreJournal

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection
    from datetime import datetime

    from sqlalchemy import Engine

    from integrations.contracts import Inbox, Letter
    from workers.clock import Clock

log = get_logger(__name__)

SOURCE: Final = "inbound"
"""The source of events that received mail becomes."""
TOGETHER: Final = 50
"""Mails that are committed together."""
QUIET: Final = 30.0
"""Seconds between two looks into a mailbox in which nothing is new, or that is away."""


class Taken(NamedTuple):
    """What one look came to: mails read, events among them, mails left out on purpose, and mails for a person."""

    mails: int = 0
    events: int = 0
    ignored: int = 0
    quarantined: int = 0


def take(inbox: Inbox, engine: Engine, offer: Callable[[Collection[int]], None], now: datetime) -> Taken:
    """Take in what is new in a mailbox, and tell the workers.

    A mail that cannot be understood goes into quarantine. Killed half-way, the same mails are read again, and the log
    knows their events.

    Raises:
        Unavailable: the mailbox is away.
        StoreUnavailable: PostgreSQL is away; the mails stay as they are.
    """
    letters = list(inbox.fetch(TOGETHER))
    if not letters:
        return Taken()
    journal = StoreJournal(engine)
    try:
        deliveries = [delivery(letter, now) for letter in letters]
        _, slices = journal.write(deliveries)
    finally:
        journal.close()
    inbox.done([letter.handle for letter in letters])
    offer(slices)
    events, kept = sum(len(each.events) for each in deliveries), sum(len(each.unreadable) for each in deliveries)
    return Taken(len(letters), events, len(letters) - events - kept, kept)


def delivery(letter: Letter, now: datetime) -> Delivery:
    """One mail as the door takes it."""
    request = Received(method="MAIL", url="", headers={}, body=letter.raw, received_at=now)
    made = read(letter.raw, now)
    if isinstance(made, Incoming):
        return Delivery(SOURCE, request, events=[made])
    if isinstance(made, Ignored):
        log.info("mail_ignored", reason=made.reason)
        return Delivery(SOURCE, request)
    return Delivery(SOURCE, request, unreadable=[made])


def watch(
    inbox: Inbox, engine: Engine, offer: Callable[[Collection[int]], None], clock: Clock, stop: threading.Event
) -> None:
    """Look into a mailbox again and again until `stop` is set."""
    while not stop.is_set():
        try:
            taken = take(inbox, engine, offer, clock())
        except (Unavailable, StoreUnavailable) as error:
            log.warning("mailbox_not_read", error=str(error))
            taken = Taken()
        if taken.mails:
            log.info("mails_taken_in", **taken._asdict())
        else:
            stop.wait(QUIET)
