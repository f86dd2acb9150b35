"""Putting through again what lies in quarantine, once its cause is gone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from integrations.contracts import Incoming, Request, Unreadable
from integrations.exceptions import IntegrationError, Malformed
from workers.exceptions import ConfigurationError
from workers.store import events, quarantine
from workers.store.database import transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Engine

    from integrations.contracts import Source
    from workers.engine.rules import SourceSpec
    from workers.store.quarantine import Quarantined

GONE: Final = "there is no such row, or it was replayed already"


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
    """Put rows through again, each in a transaction of its own.

    Args:
        engine: the store.
        ids: of quarantine rows.
        declared: the sources of the rulebook in force, by name.
        build: makes the adapter of one.
        now: when.
    """
    done = Replayed()
    for row_id in ids:
        try:
            done.events += _replay_one(engine, row_id, declared, build, now)
        except (_Stays, IntegrationError, ConfigurationError) as error:
            done.stayed[row_id] = str(error)
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
            return len(quarantine.replay_events(conn, [row_id], now))
        if row.source not in declared:
            raise _Stays(f"the rules in force have no source {row.source}")
        batch = [events.from_incoming(row.source, each) for each in _read(build(declared[row.source]), row)]
        appended = events.append(conn, batch, now)
        quarantine.mark_replayed(conn, [row_id], now)
        return appended.accepted


def _read(source: Source, row: Quarantined) -> list[Incoming]:
    """The events in the row, by the source as it is declared now. Its signature was right when it came.

    What is kept of a batch is only the part that was not understood; the source expects it in a list again.
    """
    body = row.payload or b""
    request = Request("POST", row.url or "", row.headers or {}, body, row.received_at)
    try:
        found = list(source.normalise(request))
    except Malformed:
        listed = Request("POST", request.url, request.headers, b"[" + body + b"]", row.received_at)
        found = list(source.normalise(listed))
    unreadable = [each for each in found if isinstance(each, Unreadable)]
    if unreadable:
        raise _Stays(f"{unreadable[0].reason}: {unreadable[0].detail}")
    return [each for each in found if isinstance(each, Incoming)]
