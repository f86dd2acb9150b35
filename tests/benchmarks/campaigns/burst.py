"""A hundred thousand mails that fall due at once, under a rate limit, while new events come in."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from tests.benchmarks.campaigns.feed import Feed
from tests.benchmarks.email.measure import LEFT, NotDelivered, sink
from tests.benchmarks.load import percentile
from tests.benchmarks.stack import wait_for

if TYPE_CHECKING:
    from tests.benchmarks.campaigns.people import Crowd
    from tests.benchmarks.stack import Process, Stack

QUIET: Final = 15.0
"""Seconds of events alone, for comparison, after as many to warm up."""
PROCESSES: Final = 2
THREADS: Final = 5
_WAKE: Final = text("UPDATE leads SET wake_at = now() WHERE wake_at = :then")
_DUE: Final = "SELECT EXISTS (SELECT FROM leads WHERE slice = {} AND wake_at <= now() ORDER BY wake_at LIMIT 1)"
DUE: Final = " OR ".join(f"({_DUE.format(slice_)})" for slice_ in range(32))


def burst(stack: Stack, crowd: Crowd, rate: int, events: float) -> dict[str, Any]:
    """Wake the leads that are held, and watch until the last of their mails has gone out.

    Args:
        stack: its database is filled with the crowd.
        rate: mails a second that the rules allow.
        events: new ones a second meanwhile, about anybody.
    """
    seen: dict[str, Any] = {}
    with sink(seen) as (port, _), ExitStack() as running:
        options = {"DRIPLINE_EMAIL": "smtp", "DRIPLINE_SMTP_HOST": "127.0.0.1", "DRIPLINE_SMTP_PORT": str(port)}
        options |= {"DRIPLINE_SMTP_SECURITY": "none", "DRIPLINE_WORKER_PROCESSES": str(PROCESSES)}
        options |= {"DRIPLINE_WORKER_THREADS": str(THREADS)}
        worker = running.enter_context(stack.running("worker", **options))
        running.enter_context(stack.running("clock", **options))
        _, door = running.enter_context(stack.web())
        drain(stack, worker, 120)  # what earlier measurements have left
        before = int(stack.scalar("SELECT count(*) FROM outbox WHERE state = 'sent'"))
        feed = Feed(stack, door, crowd.leads, events)
        with feed.running():
            time.sleep(2 * QUIET)
            began = time.perf_counter()
            with stack.engine.begin() as conn:
                woken = conn.execute(_WAKE, {"then": crowd.held_until}).rowcount
            wait_for(lambda: not stack.scalar(f"SELECT {DUE}"), worker, patience=600)
            decided = time.perf_counter()
            drain(stack, worker, woken / rate * 3 + 60)
            over = time.perf_counter()
        sent = int(stack.scalar("SELECT count(*) FROM outbox WHERE state = 'sent'")) - before
    check(stack, seen, woken, sent)
    return {
        "mails": sent, "woken": woken, "rate": rate, "events": len(feed.answered), "events_per_second": events,
        "decided_seconds": decided - began, "drained_seconds": over - began,
        "claims_per_mail": float(stack.scalar("SELECT avg(claims) FROM outbox WHERE state = 'sent' AND claims > 0")),
        "mails_per_second": pace(seen["by_second"], sent), "most_in_a_second": max(seen["by_second"].values()),
        "quiet": latency(feed.latencies(began - QUIET, began)),
        "deciding": latency(feed.latencies(began, decided)),
        "draining": latency(feed.latencies(decided, over)),
        "burst": latency(feed.latencies(began, over)),
    }  # fmt: skip


def drain(stack: Stack, worker: Process, patience: float) -> None:
    """Wait until every mail has gone out."""
    wait_for(lambda: not stack.scalar(LEFT), worker, patience=patience)


def latency(seconds: list[float]) -> dict[str, float]:
    """In milliseconds."""
    return {"p50": percentile(seconds, 50), "p99": percentile(seconds, 99), "worst": percentile(seconds, 100)}


def pace(by_second: dict[str, int], mails: int) -> float:
    """Mails a second while the bulk of them went out: from the first to the last of the seconds that had many."""
    many = [int(second) for second, number in by_second.items() if number > mails / 10_000]
    within = [number for second, number in by_second.items() if min(many) < int(second) < max(many)]
    return sum(within) / max(1, len(within))


def check(stack: Stack, seen: dict[str, Any], woken: int, sent: int) -> None:
    """Every mail was sent, and none twice."""
    twice = seen["mails"] - seen["ids"]
    rows = int(stack.scalar("SELECT count(*) FROM outbox WHERE state = 'sent' AND key NOT LIKE '%:past:1:hello'"))
    if twice or seen["mails"] != rows or sent < woken:
        raise NotDelivered(f"{woken} woken, {sent} rows sent, {seen['mails']} mails, {twice} of them twice")
