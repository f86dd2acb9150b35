"""`dripline web`"""

from __future__ import annotations

import dataclasses

import click

from workers.cli._base import chosen, settings

SECTION = "Processes"


@click.command
@click.option("--host", help="Address to listen on (DRIPLINE_HOST).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (DRIPLINE_PORT); 0 takes a free one.")
@click.option("--status-port", type=click.IntRange(0, 65535), help="Port of the status page (DRIPLINE_STATUS_PORT).")
def command(host: str | None, port: int | None, status_port: int | None) -> None:
    """Take webhooks, serve unsubscribe links, and show on another port how things stand.

    The status page and the metrics for Prometheus are on http://127.0.0.1:8001/ and /metrics unless you say otherwise:
    they are not for the public, and the port for webhooks does not have them.

    Answers 202 once the events are committed. Stops at SIGTERM, after the requests under way; start as many as you
    like.
    """
    from workers.app import build
    from workers.services import run_web

    loaded = dataclasses.replace(settings(log=True), **chosen(host=host, port=port, status_port=status_port))
    app = build(loaded)
    try:
        run_web(app)
    finally:
        app.close()
