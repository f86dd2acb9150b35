"""`dripline demo`: forty-five recorded days through a running Dripline, on a clock that jumps."""

from __future__ import annotations

import json
import secrets
import sys
import tempfile
import time
from base64 import b64encode
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from workers.clock import SteppedClock
from workers.config import Settings
from workers.delivery.compose import message_id
from workers.demo import record
from workers.demo.behaviour import DAYS, START
from workers.demo.expect import Mirror, differences
from workers.demo.hooks import HookReceiver
from workers.demo.hubspot import HubSpotStub
from workers.demo.post import Postman
from workers.demo.report import show
from workers.demo.signing import Keys
from workers.demo.smtp import SmtpServer
from workers.demo.summary import Summary, arrived, count_mails, deals_of, read_store
from workers.demo.timeline import beats
from workers.dev import Runtime
from workers.store import leads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from workers.demo.timeline import Beat

OWNERS: Final = {
    f"{name}@northwind.example": str(77001 + number) for number, name in enumerate(("ana", "ben", "camille", "vera"))
}
PUBLIC_URL: Final = "https://mail.northwind.example"
PIPE_WIDTH: Final = 110
PATIENCE: Final = 60.0
"""Seconds that the system may take for everything that is due at one stand of the clock."""


def demo(
    json_file: Path | None = None, keep: Path | None = None, days: int = DAYS, console: Console | None = None
) -> int:
    """Run the demo.

    Args:
        json_file: where to write the result as data.
        keep: folder for the database; default: a temporary one, removed at the end.
        days: how many of the recorded days to play.
        console: where to print.

    Returns:
        The exit code: 0 only if what went out is what the rules say, each thing once.
    """
    console = console or Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    began = time.monotonic()
    with folder(keep) as data, SmtpServer() as smtp, HubSpotStub(owners=OWNERS) as crm, HookReceiver() as hooks:
        summary = play(data, Others(smtp, crm, hooks), console, days)
    summary.duration_s = time.monotonic() - began
    show(summary, console)
    if json_file:
        json_file.write_text(json.dumps(summary.as_data(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 1 if summary.differences else 0


@dataclass(frozen=True, slots=True)
class Others:
    """Everybody on the other side."""

    smtp: SmtpServer
    crm: HubSpotStub
    hooks: HookReceiver


def play(data: Path, others: Others, console: Console, days: int) -> Summary:
    """Post everything that was recorded, wait until nothing is due any more, and compare."""
    keys = Keys()
    settings = demo_settings(data, others, keys)
    clock = SteppedClock(START)
    played = [beat for beat in beats(record.read()) if beat.at <= START + timedelta(days=days)]
    console.print("Starting PostgreSQL, the web server and the workers, a mail server and a CRM …", highlight=False)
    with Runtime(settings, clock=clock) as runtime, Postman(runtime.url, keys) as postman:
        for beat in progress(played, console):
            clock.move_to(beat.at)
            runtime.drain(PATIENCE)
            for wave in beat.waves:
                postman.post(wave, beat.at)
                runtime.drain(PATIENCE)
        with runtime.engine.connect() as conn:
            mirror = Mirror(runtime.rulebook, settings.adapters, lambda email: number_of(conn, email))
            mirror.play(played)
        sender = runtime.rulebook.account.sender
        effects = {message_id(key, sender): key for key in mirror.mail_keys()}
        gone_out = arrived(others.smtp.received, others.crm, others.hooks, settings.secret, effects)
        summary = Summary(days=days, post=dict(postman.counts), mails=count_mails(gone_out, runtime.rulebook))
        summary.deals = deals_of(others.crm)
        summary.differences = differences(mirror.gone_out, gone_out)
        read_store(summary, runtime.engine, runtime.rulebook, mirror.leads, clock())
    return summary


def number_of(conn: Connection, email: str) -> int | None:
    """The number of a lead in the store."""
    lead = leads.find(conn, f"email:{email}")
    return lead.id if lead else None


def demo_settings(data: Path, others: Others, keys: Keys) -> Settings:
    """Settings as an environment would give them, with secrets made for this run."""
    return Settings.from_environ(
        {
            "DRIPLINE_DATA_DIR": str(data),
            "DRIPLINE_PORT": "0",
            "DRIPLINE_PUBLIC_URL": PUBLIC_URL,
            "DRIPLINE_SECRET": secrets.token_urlsafe(32),
            "DRIPLINE_LOG_LEVEL": "error",
            "DRIPLINE_EMAIL": "smtp",
            "DRIPLINE_SMTP_HOST": others.smtp.host,
            "DRIPLINE_SMTP_PORT": str(others.smtp.port),
            "DRIPLINE_SMTP_SECURITY": "none",
            "DRIPLINE_HUBSPOT_TOKEN": others.crm.token,
            "DRIPLINE_HUBSPOT_BASE_URL": others.crm.url,
            "DRIPLINE_SIGNED_URL": others.hooks.url("signed"),
            "DRIPLINE_SIGNED_SECRET": f"whsec_{b64encode(secrets.token_bytes(32)).decode()}",
            "DRIPLINE_SLACK_URL": others.hooks.url("slack"),
            **keys.settings,
        }
    )


@contextmanager
def folder(keep: Path | None) -> Iterator[Path]:
    """The folder to work in: the given one, or a temporary one."""
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="dripline-demo-", ignore_cleanup_errors=True) as made:
        yield Path(made)


def progress(days: list[Beat], console: Console) -> Iterator[Beat]:
    """The beats, with a bar on a terminal and a line now and then elsewhere."""
    if not console.is_terminal:
        for number, beat in enumerate(days):
            if number % 40 == 0:
                console.print(f"  {beat.at:%d %b %Y}", highlight=False)
            yield beat
        return
    columns = (TextColumn("  {task.fields[day]}"), BarColumn(40), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=len(days), day="")
        for beat in days:
            bar.update(task, advance=1, day=f"{beat.at:%d %b %Y}")
            yield beat
