"""Asking a provider about mails that may have been taken: the answer to a request was lost, not the mail.

What is found was sent. What is not found for so long that it would have been was not taken, and is sent again. A search
by address tells nothing once the lead's address has changed; then an event or a person has to settle it.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from integrations.contracts import Trace
from integrations.exceptions import DeliveryError
from workers.log import get_logger
from workers.store import unclear
from workers.store.database import transaction
from workers.store.unclear import Said

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Engine

    from integrations.contracts import FindingProvider
    from workers.clock import Clock
    from workers.delivery.senders import Sender
    from workers.store.unclear import Unclear

log = get_logger(__name__)

HELD: Final = timedelta(minutes=10)
"""For how long nobody else asks about a row that is being asked about."""
SOONEST: Final = timedelta(minutes=5)
"""Between two questions about one row; later on, half of the time that has passed."""
LONGEST: Final = timedelta(days=3)
"""After that, nobody asks any more: a person has long been told of the row."""


def look_up(engine: Engine, sender: Sender, clock: Clock) -> Counter[str]:
    """Ask about what is due to be asked about; how many rows that settled, by the state they went to.

    Raises:
        StoreUnavailable: PostgreSQL is away; what was asked is asked again.
    """
    now = clock()
    with transaction(engine) as conn:
        rows = unclear.ask(conn, sender.channel, sender.finders, now, again=now + HELD)
    if not rows:
        return Counter()
    said = [verdict(sender.finders[row.provider], row, clock()) for row in rows]
    with transaction(engine) as conn:
        states = Counter(unclear.say(conn, said, clock()))
    log.info("asked_about_unclear", channel=sender.channel, **states)
    del states["ambiguous"]  # as it was
    return states


def verdict(finder: FindingProvider, row: Unclear, now: datetime) -> Said:
    """What the provider says of one row."""
    passed = now - row.settled_at
    later = now + max(SOONEST, passed / 2) if passed < LONGEST else None
    try:
        found = finder.find(Trace(row.key, row.name, row.to or "", row.since)) if row.to else None
    except DeliveryError as error:
        log.info("unclear_not_told", outbox=row.id, error=str(error))
        return Said(row.id, row.claim, "ambiguous", look_at=later)
    if found:
        return Said(row.id, row.claim, "sent", ref=found.ref)
    if row.to and passed >= finder.findable_after:
        return Said(row.id, row.claim, "retry")
    return Said(row.id, row.claim, "ambiguous", look_at=later if row.to else None)
