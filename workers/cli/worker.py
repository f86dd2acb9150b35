"""`dripline worker`"""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

import click

from workers.cli._base import settings

if TYPE_CHECKING:
    from workers.config import Settings

SECTION = "Processes"


@click.command
@click.option("--processes", type=click.IntRange(1), help="Processes (DRIPLINE_WORKER_PROCESSES).")
@click.option("--threads", type=click.IntRange(4), help="Threads of each process (DRIPLINE_WORKER_THREADS).")
@click.option("--supervised", is_flag=True, hidden=True)
def command(processes: int | None, threads: int | None, supervised: bool) -> None:
    """Score leads, decide, and deliver mails and opportunities.

    Stops at SIGTERM, after what it is at; killed at any instant, it loses and doubles nothing. Start as many as you
    like, on as many machines.

    \b
    Examples:
      dripline worker
      dripline worker --processes 4 --threads 8
    """
    from workers.processes import Supervisor, stop_at_signals

    loaded = settings(log=True)
    loaded = dataclasses.replace(loaded, worker_threads=threads or loaded.worker_threads)
    count = processes or loaded.worker_processes
    if count > 1 and not supervised:
        command = [sys.executable, "-m", "workers.cli", "worker", "--supervised", "--processes", "1"]
        Supervisor([*command, "--threads", str(loaded.worker_threads)], count).run(stop_at_signals())
        return
    work(loaded, supervised)


def work(loaded: Settings, supervised: bool) -> None:
    """Be one worker process."""
    from workers.app import build
    from workers.processes import stop_at_signals, stop_with_parent
    from workers.services import run_worker

    stop = stop_at_signals()
    if supervised:
        stop_with_parent(stop)
    app = build(loaded)
    try:
        run_worker(app, stop)
    finally:
        app.close()
