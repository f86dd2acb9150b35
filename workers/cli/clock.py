"""`dripline clock`"""

from __future__ import annotations

import click

from workers.cli._base import settings

SECTION = "Processes"


@click.command
def command() -> None:
    """Find what is due, about once a second: waits that are over, retries, forgotten work.

    Run one, or several for safety: one of them leads, another takes over when it is gone.
    """
    from workers.app import build
    from workers.processes import stop_at_signals
    from workers.services import run_clock

    stop = stop_at_signals()
    app = build(settings(log=True))
    try:
        run_clock(app, stop)
    finally:
        app.close()
