"""`dripline web`"""

from __future__ import annotations

import dataclasses

import click

from workers.cli._base import chosen, settings

SECTION = "Processes"


@click.command
@click.option("--host", help="Address to listen on (DRIPLINE_HOST).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (DRIPLINE_PORT); 0 takes a free one.")
def command(host: str | None, port: int | None) -> None:
    """Take webhooks, serve unsubscribe links and status pages.

    Answers 202 once the events are committed. Stops at SIGTERM, after the requests under way; start as many as you
    like.
    """
    from workers.app import build
    from workers.services import run_web

    loaded = dataclasses.replace(settings(log=True), **chosen(host=host, port=port))
    app = build(loaded)
    try:
        run_web(app)
    finally:
        app.close()
