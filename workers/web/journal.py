"""What the door writes: events into the log, and what cannot become events into quarantine, in one commit."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Final

from workers.exceptions import StoreUnavailable
from workers.store import events, quarantine
from workers.store.database import available, transaction
from workers.store.quarantine import NewQuarantined
from workers.web.commit import Receipt

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Engine

    from workers.store.events import Appended, NewEvent
    from workers.web.commit import Delivery

SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
"""Never kept: who may look into the quarantine need not be able to deliver."""


class StoreJournal:
    """The committer's `Journal` on PostgreSQL; holds on to one connection for each lane that writes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._idle: deque[Connection] = deque()

    def write(self, deliveries: Sequence[Delivery]) -> tuple[list[Receipt], Collection[int]]:
        """See `Journal.write`."""
        batch = [events.from_incoming(each.source, incoming) for each in deliveries for incoming in each.events]
        kept = [row for each in deliveries for row in _quarantined(each)]
        received_at = max(each.request.received_at for each in deliveries)
        appended = self._append_beside(batch, kept, received_at) if kept else self._append(batch, received_at)
        new = iter(appended.new)
        return [_receipt(each, new) for each in deliveries], appended.slices

    def close(self) -> None:
        """Give the connections back; nothing may be writing."""
        while self._idle:
            self._idle.pop().close()

    def _append_beside(self, batch: list[NewEvent], kept: list[NewQuarantined], received_at: datetime) -> Appended:
        with transaction(self._engine) as conn:
            quarantine.add(conn, kept, received_at)
            return events.append(conn, batch, received_at)

    def _append(self, batch: list[NewEvent], received_at: datetime) -> Appended:
        """Append in one round trip: a single statement in autocommit mode is a transaction of its own.

        A held connection may have died since it was last used. Then the batch goes over a new one, which is safe:
        what was committed after all is not added again.
        """
        if self._idle:
            with suppress(StoreUnavailable):
                return self._append_on(self._idle.pop(), batch, received_at)
        with available():
            conn = self._autocommit.connect()
        return self._append_on(conn, batch, received_at)

    def _append_on(self, conn: Connection, batch: list[NewEvent], received_at: datetime) -> Appended:
        try:
            with available(), conn.begin():
                appended = events.append(conn, batch, received_at)
        except BaseException:  # in an unknown state: back to the pool, which looks at it
            conn.close()
            raise
        self._idle.append(conn)
        return appended


def _quarantined(delivery: Delivery) -> Iterator[NewQuarantined]:
    """Rows for the parts that are no events, or for the whole delivery if it was refused."""
    request = delivery.request
    parts = [(each.reason, each.detail, each.payload, each.place) for each in delivery.unreadable]
    if delivery.refused:
        parts = [(*delivery.refused, request.body, None)]
    for reason, detail, payload, place in parts:
        yield NewQuarantined(
            source=delivery.source,
            reason=reason,
            detail=detail,
            payload=payload,
            headers={name: value for name, value in request.headers.items() if name not in SECRET_HEADERS},
            url=request.url,
            received_at=request.received_at,
            place=place,
        )


def _receipt(delivery: Delivery, new: Iterator[bool]) -> Receipt:
    events_ = len(delivery.events)
    accepted = sum(islice(new, events_))
    quarantined = 1 if delivery.refused else len(delivery.unreadable)
    return Receipt(accepted=accepted, duplicates=events_ - accepted, quarantined=quarantined)
