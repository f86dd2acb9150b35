"""`dripline demo`"""

from __future__ import annotations

from pathlib import Path

import click

from workers.cli._base import settings

SECTION = "Start"


@click.command
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the result as data.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Keep the database in this folder.")
def command(json_file: Path | None, keep: Path | None) -> int:
    """Play forty-five days of an example company through a running Dripline.

    A few thousand signed webhooks over HTTP, real e-mail over SMTP to a server it starts, opportunities to a CRM on
    loopback, on a fast clock. Ends by itself in under a minute. Exit code 0 only if what went out is exactly what the
    rules say.
    """
    from workers.demo.run import demo

    settings()
    return demo(json_file, keep)
