"""The measurements. Each returns plain data."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

from integrations.mime import build
from tests.benchmarks.email import mails, naive
from tests.benchmarks.stack import used_by, wait_for
from workers.delivery.compose import Composer, Links
from workers.rulebook import compile_rulebook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.benchmarks.stack import Stack

WARM_UP = 300
PROCESSES = 2
THREADS = 5
"""Of each; two of them may be sending at the same time (`workers.actors`)."""
LEFT = """
    SELECT EXISTS (SELECT FROM outbox WHERE channel = 'email' AND state IN ('pending', 'retry') AND due_at <= now())
        OR EXISTS (SELECT FROM outbox WHERE state = 'sending' AND lease_until > 'epoch')
"""
"""Answered from two small indexes: to count all rows, time and again, costs as much as to send them."""
EVERY = 0.1
"""Seconds between two looks."""


class NotDelivered(Exception):
    """The rows say one thing, and the server saw another."""


@contextmanager
def sink(found: dict[str, Any]) -> Iterator[tuple[int, int]]:
    """A server's port and process id; what it has seen is in `found` afterwards."""
    command = [sys.executable, "-m", "tests.benchmarks.email.sink"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), process.pid
        finally:
            process.terminate()
            found |= json.loads(process.stdout.readline() or "{}")


def delivered(stack: Stack, number: int) -> dict[str, Any]:
    """Rows of the outbox to mails that the server has: until the last one is settled, by two worker processes."""
    found: dict[str, Any] = {}
    with sink(found) as (port, pid), ExitStack() as running:
        options = {"DRIPLINE_EMAIL": "smtp", "DRIPLINE_SMTP_HOST": "127.0.0.1", "DRIPLINE_SMTP_PORT": str(port)}
        options |= {"DRIPLINE_SMTP_SECURITY": "none", "DRIPLINE_WORKER_PROCESSES": str(PROCESSES)}
        options |= {"DRIPLINE_WORKER_THREADS": str(THREADS)}
        mails.fill(stack.engine, WARM_UP)
        worker = running.enter_context(stack.running("worker", **options))
        clock = running.enter_context(stack.running("clock", **options))
        wait_for(lambda: not stack.scalar(LEFT), worker, patience=60)
        mails.fill(stack.engine, number, first=WARM_UP + 1)
        pids = {"worker": worker.process.pid, "clock": clock.process.pid, "sink": pid, "postgres": _postgres(stack)}
        before, began = {name: used_by(each).cpu for name, each in pids.items()}, time.monotonic()
        wait_for(lambda: not stack.scalar(LEFT), worker, patience=300, every=EVERY)
        seconds = time.monotonic() - began
        cpu = {name: used_by(each).cpu - before[name] for name, each in pids.items()}
        memory = worker.used().peak_mb
    sent = int(stack.scalar("SELECT count(*) FROM outbox WHERE state = 'sent'"))
    if not found["mails"] == found["ids"] == sent == number + WARM_UP:
        raise NotDelivered(f"{sent} rows sent, {found['mails']} mails, {found['ids']} of them different")
    check(found["kept"])
    own = {"mails": number, "seconds": seconds, "mails_per_second": number / seconds, "worker_peak_mb": memory}
    return own | {
        "cpu_seconds": cpu,
        "bytes_per_mail": found["bytes"] / found["mails"],
        "sessions": found["connections"],
    }


def baseline(stack: Stack, number: int) -> dict[str, Any]:
    """The usual way, in as many processes."""
    found: dict[str, Any] = {}
    url = stack.postgres.url()
    naive.fill(url, number)
    with sink(found) as (port, pid), ExitStack() as running:
        workers = [
            running.enter_context(stack.process("-m", "tests.benchmarks.email.naive", url, str(port)))
            for _ in range(PROCESSES)
        ]
        wait_for(lambda: stack.scalar(f"SELECT count(*) FROM {naive.TABLE} WHERE state = 'sent'") > PROCESSES)
        before = int(stack.scalar(f"SELECT count(*) FROM {naive.TABLE} WHERE state = 'sent'"))
        began = time.monotonic()
        wait_for(lambda: not stack.scalar(f"SELECT count(*) FROM {naive.TABLE} WHERE state = 'due'"), patience=120)
        seconds = time.monotonic() - began
        cpu = {"sink": used_by(pid).cpu, "workers": sum(each.used().cpu for each in workers)}
    if found["mails"] != number:
        raise NotDelivered(f"{number} rows, {found['mails']} mails")
    sent = number - before
    return {"mails": sent, "seconds": seconds, "mails_per_second": sent / seconds, "cpu_seconds": cpu,
            "bytes_per_mail": found["bytes"] / found["mails"], "sessions": found["connections"]}  # fmt: skip


def stages(number: int) -> dict[str, float]:
    """Microseconds of processor time that a mail takes at each stage, in one thread."""
    rulebook = compile_rulebook(mails.files())
    composer = Composer(rulebook, Links("https://go.northwind.example", "s" * 32))
    everybody = [{**lead.state["fields"], "email": lead.email} for lead in mails.people(number)]
    text, html = naive.sources()
    rows = [
        (f"mail:{n}:welcome:1:x", n, mails.TEMPLATES[n % len(mails.TEMPLATES)], lead)
        for n, lead in enumerate(everybody)
    ]
    made = [composer.compose(*row) for row in rows]
    now = datetime.now(UTC)
    few = everybody[: max(1, number // 10)]
    return {
        "rendered_and_composed": each(rows, lambda row: composer.compose(*row)),
        "built": each(made, lambda mail: build(mail, now)),
        "naive_rendered_and_built": each(few, lambda lead: naive.message(lead, text, html).as_bytes()),
    }


def each(items: list[Any], work: Callable[[Any], object]) -> float:
    """Microseconds for one of them."""
    began = time.thread_time()
    for item in items:
        work(item)
    return (time.thread_time() - began) / len(items) * 1e6


def check(kept: list[str]) -> None:
    """See that what arrived is what was meant: readable, personal, and whole."""
    for raw in kept:
        message = message_from_bytes(raw.encode("latin-1") + b"\r\n", policy=policy.default)
        texts = [
            str(part.get_content()) for part in (message.get_body(("plain",)), message.get_body(("html",))) if part
        ]
        named = any(name in text for name in mails.NAMES for text in texts)
        if message.defects or len(texts) != 2 or not named or "unsubscribe" not in texts[1]:
            raise NotDelivered(f"this is not what was sent:\n{raw[:2000]}")


def _postgres(stack: Stack) -> int:
    assert stack.postgres.process is not None
    return stack.postgres.process.pid
