"""Putting through again what lies in quarantine, once its cause is gone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DBAPIError

from integrations.contracts import BatchSource, Incoming, Request, Unreadable
from integrations.exceptions import IntegrationError
from workers.engine.values import OWN_TYPES
from workers.exceptions import ConfigurationError, StoreUnavailable
from workers.store import events, quarantine
from workers.store.database import transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Engine

    from integrations.contracts import Ignored, Source
    from workers.engine.rules import SourceSpec
    from workers.store.quarantine import Quarantined

GONE: Final = "there is no such row, or it was replayed or closed already"
EVENT_GONE: Final = "the event log does not hold this event any more, so there is nothing to put through"
TAKEN: Final = "its event id is that of another event in the log, so putting it through would lose it"
NO_BATCHES: Final = "it is a part of a batch, and the source's adapter reads none"


@dataclass(slots=True)
class Replayed:
    """What came of it.

    Attributes:
        replayed: ids of rows that are done.
        events: how many events are new in the log, or in the inbox again.
        stayed: why each of the others stays, by id.
    """

    replayed: list[int] = field(default_factory=list)
    events: int = 0
    stayed: dict[int, str] = field(default_factory=dict)


def replay(
    engine: Engine,
    ids: Sequence[int],
    declared: Mapping[str, SourceSpec],
    build: Callable[[SourceSpec], Source],
    now: datetime,
) -> Replayed:
    """Put rows through again, each in a transaction of its own: one that fails, for whatever reason, stays with that.

    Args:
        engine: the store.
        ids: of quarantine rows.
        declared: the sources of the rulebook in force, by name.
        build: makes the adapter of one.
        now: when.

    Raises:
        StoreUnavailable: PostgreSQL is away; what was done is done, and the rest can be asked for again.
    """
    done = Replayed()
    for row_id in ids:
        try:
            done.events += _replay_one(engine, row_id, declared, build, now)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  a bug in an adapter, data that cannot be stored: of this row only
            done.stayed[row_id] = _why(error)
        else:
            done.replayed.append(row_id)
    return done


class _Stays(Exception):  # never leaves this module
    """The row cannot be put through; the text says why."""


def _replay_one(
    engine: Engine,
    row_id: int,
    declared: Mapping[str, SourceSpec],
    build: Callable[[SourceSpec], Source],
    now: datetime,
) -> int:
    with transaction(engine) as conn:
        row = next(iter(quarantine.lock(conn, [row_id])), None)
        if row is None:
            raise _Stays(GONE)
        if row.kind == "event":
            return _requeue(conn, row_id, now)
        if row.source not in declared:
            raise _Stays(f"the rules in force have no source {row.source}")
        accepted = _append(conn, row.source, _read(build(declared[row.source]), row), now)
        quarantine.mark_replayed(conn, [row_id], now)
        return accepted


def _requeue(conn: Connection, row_id: int, now: datetime) -> int:
    if not quarantine.replay_events(conn, [row_id], now):
        raise _Stays(EVENT_GONE)
    return 1


def _append(conn: Connection, source: str, found: list[Incoming], now: datetime) -> int:
    """Put the events into the log; returns how many are new.

    Where none is, somebody may have sent the same once more meanwhile. But if what the log holds under the id is
    another event, this one would be dropped as its duplicate.
    """
    batch = [events.from_incoming(source, each) for each in found]
    accepted = events.append(conn, batch, now).accepted
    if not accepted and not all(events.holds(conn, each) for each in batch):
        raise _Stays(TAKEN)
    return accepted


def _read(source: Source, row: Quarantined) -> list[Incoming]:
    """The events in the row, by the source as it is declared now. Its signature was right when it came."""
    request = Request("POST", row.url or "", row.headers or {}, row.payload or b"", row.received_at)
    found = _parts(source, request, row.place)
    unreadable = [each for each in found if isinstance(each, Unreadable)]
    if unreadable:
        raise _Stays(f"{unreadable[0].reason}: {unreadable[0].detail}")
    return [each for each in found if isinstance(each, Incoming) and each.type not in OWN_TYPES]


def _parts(source: Source, request: Request, place: int | None) -> list[Incoming | Unreadable | Ignored]:
    if place is None:
        return list(source.normalise(request))
    if not isinstance(source, BatchSource):
        raise _Stays(NO_BATCHES)
    return [source.read_part(request, place)]


def _why(error: Exception) -> str:
    """The reason for a person. Of PostgreSQL's words the first line: the others, and SQLAlchemy's, repeat the data."""
    if isinstance(error, DBAPIError):
        return f"it cannot be stored: {str(error.orig).partition(chr(10))[0]}"
    if isinstance(error, _Stays | IntegrationError | ConfigurationError):
        return str(error)
    return f"{type(error).__name__}: {error}"
