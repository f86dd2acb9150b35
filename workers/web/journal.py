"""What the door writes: events into the log, and what cannot become events into quarantine, in one commit."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Final

from workers.exceptions import StoreUnavailable
from workers.store import events, outbox, quarantine
from workers.store.database import available, transaction
from workers.store.quarantine import NewQuarantined
from workers.web.commit import Receipt

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Engine

    from integrations.contracts import Incoming
    from workers.store.events import Appended, NewEvent
    from workers.web.commit import Delivery

SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
"""Never kept: who may look into the quarantine need not be able to deliver."""


MESSAGE: Final = "message"
NAME: Final = "#"
"""Begins what a report calls a mail of ours by: what stands before the @ in its Message-ID."""


class StoreJournal:
    """The committer's `Journal` on PostgreSQL; holds on to one connection for each lane that writes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._idle: deque[Connection] = deque()

    def write(self, deliveries: Sequence[Delivery]) -> tuple[list[Receipt], Collection[int]]:
        """See `Journal.write`."""
        incoming = named(self._engine, [(each.source, event) for each in deliveries for event in each.events])
        batch = [events.from_incoming(source, event) for source, event in incoming]
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


def named(engine: Engine, events_: list[tuple[str, Incoming]]) -> list[tuple[str, Incoming]]:
    """The same, with each mail of ours that a bounce is about called by its key, as everywhere else.

    A name that no mail of ours has stays as it is: the event is about nobody then, and is kept aside.
    """
    names = {value[len(NAME) :] for _, event in events_ for kind, value in event.identities if is_name(kind, value)}
    if not names:
        return events_
    with transaction(engine) as conn:
        keys = outbox.keys_of(conn, names)
    return [(source, _renamed(event, keys)) for source, event in events_]


def is_name(kind: str, value: str) -> bool:
    """True if this identity is what stands before the @ in a Message-ID of ours."""
    return kind == MESSAGE and value.startswith(NAME)


def _renamed(event: Incoming, keys: Mapping[str, str]) -> Incoming:
    """The event, with the keys of our mails in place of their names."""
    ids = [
        (kind, keys.get(value[len(NAME) :], value) if is_name(kind, value) else value)
        for kind, value in event.identities
    ]
    return replace(event, identities=tuple(ids))


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
