"""The numbers of the status page and of `dripline status`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from workers.exceptions import NoRulebook
from workers.store import candidates, controls, decisions, erasure, leads, outbox, pauses, quarantine, rulebooks
from workers.store.slices import SLICES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from workers.store.candidates import Missing
    from workers.store.pauses import Alone
    from workers.store.rulebooks import Version


@dataclass(frozen=True, slots=True)
class Status:
    """How things stand.

    Attributes:
        version: rulebook in force, empty if none.
        unread: True as long as no process has been able to read that version; they go on by the one before.
        backlog: events not processed yet, those that wait for another attempt included.
        failing: events among them that failed at least once.
        held: events among them that wait for a lead whose wake-up fails.
        oldest: how long the oldest of the backlog has waited; None if there is none.
        overdue: leads whose wake-up is due.
        stuck: leads whose wake-up keeps failing.
        outdated: leads that still have to be looked at anew because the rules have changed.
        paused: campaigns in which nothing goes on, and why.
        alone: e-mail providers, CRMs and hooks that do not answer, and that processes leave alone for a while.
        leads: by stage.
        candidates: leads that are no opportunities because something is missing, by all that they lack.
        outbox: by (channel, state, reason).
        quarantine: what nobody has seen to yet, by reason.
        closed: what a person has given up for good of it, by reason.
        opportunities: promotions so far, and how many of them the CRM has.
        suppressions: addresses that may not be mailed, by reason.
        skipped: what reached us in the last thirty days and counts for nothing, by (reason, what it is about).
    """

    at: datetime
    version: str
    unread: bool
    backlog: int
    failing: int
    held: int
    oldest: timedelta | None
    overdue: int
    stuck: int
    outdated: int
    paused: Mapping[str, str]
    alone: tuple[Alone, ...]
    leads: Mapping[str, int]
    candidates: Mapping[Missing, int]
    outbox: Mapping[tuple[str, str, str], int]
    quarantine: Mapping[str, int]
    closed: Mapping[str, int]
    opportunities: tuple[int, int]
    suppressions: Mapping[str, int]
    skipped: Mapping[tuple[str, str], int]

    @property
    def missing(self) -> dict[str, int]:
        """How many candidates lack what, the most frequent first."""
        numbers: Counter[str] = Counter()
        for missing, number in self.candidates.items():
            numbers.update(dict.fromkeys(missing, number))
        return dict(numbers.most_common())


FORGOTTEN: Final = "forgotten"
RECENT: Final = timedelta(days=30)
_BACKLOG: Final = text("SELECT count(*), count(*) FILTER (WHERE attempts > 0), count(waits_for) FROM inbox")
_OLDEST: Final = text("""
    SELECT min(first.received_at) FROM generate_series(0, :last) AS slice,
    LATERAL (
        SELECT received_at FROM inbox WHERE inbox.slice = slice.slice ORDER BY not_before, event_id LIMIT 1
    ) AS first
""")
_WAKE: Final = text("""
    SELECT count(*), count(*) FILTER (WHERE failures > 0) FROM leads
    WHERE wake_at IS NOT NULL AND (wake_at <= :now OR failures > 0)
""")
_STAGES: Final = text("SELECT stage, count(*) FROM leads GROUP BY stage ORDER BY stage")
_OPPORTUNITIES: Final = text("SELECT count(*), count(accepted_at) FROM opportunities")
_SUPPRESSIONS: Final = text("SELECT reason, count(*) FROM suppressions GROUP BY reason ORDER BY reason")


def read(conn: Connection, now: datetime) -> Status:
    """Count everything once."""
    backlog, failing, held = conn.execute(_BACKLOG).one()
    overdue, stuck = conn.execute(_WAKE, {"now": now}).one()
    promoted, accepted = conn.execute(_OPPORTUNITIES).one()
    version = _version(conn)
    return Status(
        at=now,
        version=version.version if version else "",
        unread=version is not None and not version.scoring,
        backlog=backlog,
        failing=failing,
        held=held,
        oldest=oldest(conn, now),
        overdue=overdue,
        stuck=stuck,
        outdated=leads.outdated(conn, version.scoring) if version and version.scoring else 0,
        paused=controls.paused(conn),
        alone=tuple(pauses.alone(conn, now)),
        leads=_by_name(conn, _STAGES),
        candidates=candidates.counts(conn),
        outbox=outbox.counts(conn),
        quarantine=quarantine.counts(conn),
        closed=quarantine.counts_closed(conn),
        opportunities=(promoted, accepted),
        suppressions=_by_name(conn, _SUPPRESSIONS),
        skipped=_left_aside(conn, now),
    )


def _left_aside(conn: Connection, now: datetime) -> dict[tuple[str, str], int]:
    """What counts for nothing, by reason and what it is about; of events about erased people, how many came ever."""
    arrived = erasure.arrivals(conn)
    return decisions.skipped(conn, now - RECENT) | ({(FORGOTTEN, "person"): arrived} if arrived else {})


def oldest(conn: Connection, now: datetime) -> timedelta | None:
    """How long the oldest unprocessed event has waited: a look at the head of each slice, however long the queue."""
    received: datetime | None = conn.scalar(_OLDEST, {"last": SLICES - 1})
    return None if received is None else now - received


def _version(conn: Connection) -> Version | None:
    try:
        return rulebooks.active(conn)
    except NoRulebook:
        return None


def _by_name(conn: Connection, query: Any) -> dict[str, int]:
    return dict(conn.execute(query).all())
