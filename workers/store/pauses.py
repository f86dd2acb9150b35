"""Providers that are left alone, for looking at: each process notes whom. What decides is in its own memory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import text

from workers.store.json import dumps

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Connection

TRIED_AGAIN: Final = timedelta(minutes=2)
"""So long after its end a pause is shown: the next mail may be waiting for an answer. Then nothing is sent through the
provider, or the process is gone."""
FORGOTTEN: Final = timedelta(days=1)
"""So long after its end a pause is dropped that nobody has taken back."""


class Pause(NamedTuple):
    """A process leaves a provider alone.

    Attributes:
        since: when it first did so since the provider's last answer.
        until: when it tries again.
        failures: calls since the provider's last answer.
    """

    since: datetime
    until: datetime
    failures: int


@dataclass(frozen=True, slots=True)
class Alone:
    """A provider that is left alone, over all processes that leave it so.

    Attributes:
        processes: each as host:pid.
        since: when the first of them began to.
        until: when the first of them tries again.
        failures: calls since the last answer, by all of them.
    """

    provider: str
    processes: tuple[str, ...]
    since: datetime
    until: datetime
    failures: int


_NOTE: Final = text("""
    INSERT INTO provider_pauses (provider, process, since, until, failures)
    SELECT provider, :process, since, until, failures
    FROM json_to_recordset(:rows ::json) AS (provider text, since timestamptz, until timestamptz, failures int)
    ORDER BY provider
    ON CONFLICT (provider, process) DO UPDATE SET (since, until, failures)
        = (excluded.since, excluded.until, excluded.failures)
""")
_DROP: Final = text("""
    DELETE FROM provider_pauses WHERE (process = :process AND provider = ANY(:answered)) OR (provider, process) IN (
        SELECT provider, process FROM provider_pauses WHERE until < :long_ago FOR UPDATE SKIP LOCKED
    )
""")
_ALONE: Final = text("""
    SELECT provider, array_agg(process ORDER BY process), min(since), min(until), sum(failures) FROM provider_pauses
    WHERE until > :since GROUP BY provider ORDER BY provider
""")


def note(conn: Connection, process: str, news: Mapping[str, Pause | None], now: datetime) -> None:
    """Take down whom a process leaves alone now, by provider; None for one that answers again."""
    rows = [{"provider": name, **pause._asdict()} for name, pause in news.items() if pause]
    conn.execute(_NOTE, {"rows": dumps(rows), "process": process})
    answered = [name for name, pause in news.items() if pause is None]
    conn.execute(_DROP, {"process": process, "answered": answered, "long_ago": now - FORGOTTEN})


def alone(conn: Connection, now: datetime) -> list[Alone]:
    """The providers that some process leaves alone."""
    rows = conn.execute(_ALONE, {"since": now - TRIED_AGAIN})
    return [Alone(provider, tuple(processes), *rest) for provider, processes, *rest in rows]
