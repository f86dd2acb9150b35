"""A hundred thousand mails that fall due at once, under a rate limit, while new events come in."""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from tests.benchmarks.campaigns.feed import Feed
from tests.benchmarks.campaigns.people import settle
from tests.benchmarks.email.measure import EVERY, NotDelivered, sink
from tests.benchmarks.load import percentile
from tests.benchmarks.stack import wait_for
from workers.store.slices import SLICES

if TYPE_CHECKING:
    from tests.benchmarks.campaigns.people import Crowd
    from tests.benchmarks.stack import Stack

QUIET: Final = 15.0
"""Seconds of events alone, for comparison."""
STEADY: Final = 3.0
"""Seconds after which the clock has seen what is due."""
PROCESSES: Final = 2
THREADS: Final = 5
LEAD: Final = 60.0
"""Seconds from the preparation to the instant at which they fall due; twice as many each time that it takes longer."""
STARTED: Final = 20.0
"""Seconds for the processes to start."""
_DONE: Final = text("UPDATE outbox SET state = 'sent' WHERE state = 'pending'")
_WAKE: Final = text("UPDATE leads SET wake_at = :then WHERE wake_at = :held_until")
_DUE: Final = "SELECT FROM leads WHERE slice = {} AND wake_at <= now() - interval '2 seconds' LIMIT 1"
DUE: Final = f"SELECT {' OR '.join(f'EXISTS ({_DUE.format(slice_)})' for slice_ in range(SLICES))}"
LEFT: Final = """
    SELECT EXISTS (SELECT FROM outbox WHERE channel = 'email' AND state IN ('pending', 'retry') AND due_at < 'infinity')
        OR EXISTS (SELECT FROM outbox WHERE state = 'sending' AND lease_until > 'epoch')
"""
"""Also what is held back for a while."""
SENT: Final = "SELECT count(*) FROM outbox WHERE state = 'sent'"


def burst(stack: Stack, crowd: Crowd, rate: int, events: float) -> dict[str, Any]:
    """Wait until the leads that are held fall due, and watch until the last of their mails has gone out.

    Args:
        stack: its database is filled with the crowd.
        rate: mails a second that the rules allow.
        events: new ones a second meanwhile, about anybody.
    """
    began, woken, before = prepare(stack, crowd)
    seen: dict[str, Any] = {}
    with sink(seen) as (port, _), ExitStack() as running:
        options = {"DRIPLINE_EMAIL": "smtp", "DRIPLINE_SMTP_HOST": "127.0.0.1", "DRIPLINE_SMTP_PORT": str(port)}
        options |= {"DRIPLINE_SMTP_SECURITY": "none", "DRIPLINE_WORKER_PROCESSES": str(PROCESSES)}
        options |= {"DRIPLINE_WORKER_THREADS": str(THREADS)}
        worker = running.enter_context(stack.running("worker", **options))
        running.enter_context(stack.running("clock", **options))
        _, door = running.enter_context(stack.web())
        feed = Feed(stack, door, crowd.leads, events)
        with feed.running():
            time.sleep(max(0.0, began - time.perf_counter()))
            time.sleep(STEADY)
            wait_for(lambda: not stack.scalar(DUE), worker, patience=600, every=EVERY)
            decided = time.perf_counter()
            wait_for(lambda: not stack.scalar(LEFT), worker, patience=woken / rate * 5 + 60, every=EVERY)
            over = time.perf_counter()
    sent = int(stack.scalar(SENT)) - before
    if not seen["mails"] == seen["ids"] == sent >= woken:
        raise NotDelivered(f"{woken} woken, {sent} rows sent, {seen['mails']} mails, {seen['ids']} of them different")
    claims = stack.scalar("SELECT avg(claims) FROM outbox WHERE state = 'sent' AND claimed_at IS NOT NULL")
    return {
        "mails": sent, "rate": rate, "events": len(feed.answered), "events_per_second": events,
        "decided_seconds": decided - began, "drained_seconds": over - began, "claims_per_mail": float(claims),
        "mails_per_second": pace(seen["by_second"]), "most_in_a_second": max(seen["by_second"].values()),
        "quiet": latency(feed.latencies(began - QUIET, began)),
        "deciding": latency(feed.latencies(began, decided)),
        "draining": latency(feed.latencies(decided, over)),
        "burst": latency(feed.latencies(began, over)),
    }  # fmt: skip


def prepare(stack: Stack, crowd: Crowd) -> tuple[float, int, int]:
    """Let the held fall due together; returns when (`perf_counter`), how many they are, and the rows sent so far."""
    with stack.engine.begin() as conn:
        conn.execute(_DONE)  # what earlier measurements have left
    lead, held_until = LEAD, crowd.held_until
    while True:
        began, then = time.perf_counter() + lead, datetime.now(UTC) + timedelta(seconds=lead)
        with stack.engine.begin() as conn:
            woken = conn.execute(_WAKE, {"then": then, "held_until": held_until}).rowcount
        settle(stack.engine)
        if began - time.perf_counter() > STARTED + QUIET:
            return began, woken, int(stack.scalar(SENT))
        lead, held_until = lead * 2, then


def latency(seconds: list[float]) -> dict[str, float]:
    """In milliseconds."""
    return {"p50": percentile(seconds, 50), "p99": percentile(seconds, 99), "worst": percentile(seconds, 100)}


def pace(by_second: dict[str, int]) -> float:
    """Mails a second while the bulk of them went out, without the first and the last twentieth."""
    mails, so_far = sum(by_second.values()), 0
    bulk: dict[int, int] = {}
    for second, number in sorted((int(second), number) for second, number in by_second.items()):
        so_far += number
        if mails * 0.05 < so_far < mails * 0.95:
            bulk[second] = number
    return sum(bulk.values()) / (max(bulk) - min(bulk) + 1) if bulk else float(mails)
