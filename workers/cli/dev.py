"""`dripline dev`"""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workers.cli._base import chosen, rule_files, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.dev import Runtime

SECTION = "Start"


@click.command
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Data folder (default: .dripline).")
@click.option("--host", help="Address to listen on (default: 127.0.0.1); whoever reaches it sees the mailbox.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (default: 8000); 0 takes a free one.")
@click.option("--rules", type=click.Path(path_type=Path), help="Folder of rules (default: rules, or else the example).")
@click.option("--templates", type=click.Path(path_type=Path), help="Folder of templates (default: beside the rules).")
def command(data: Path | None, host: str | None, port: int | None, rules: Path | None, templates: Path | None) -> None:
    """Run all of Dripline in this process, with nothing else to install.

    PostgreSQL runs in the data folder, mail is kept in a local mailbox and shown in the browser. Ctrl-C stops it; the
    next start goes on where it was, also after a crash. Rules are taken from ./rules if there are any, or else from the
    example company that ships with Dripline; start again to put changed rules in force, or use `dripline apply`.
    """
    from workers.dev import Runtime
    from workers.processes import stop_at_signals

    loaded = dataclasses.replace(settings(log=True), **chosen(data_dir=data, host=host, port=port))
    bundle, name = rule_files(rules, templates)
    stop = stop_at_signals()
    with Runtime(loaded, bundle=bundle) as runtime:
        click.echo("\n".join(banner(runtime, name, loaded.data_dir)))
        stop.wait()
        click.echo("Stopping …")


def banner(runtime: Runtime, name: str, data: Path) -> Iterator[str]:
    """What a newcomer needs to know next."""
    from workers.dev.example import example

    yield f"Dripline is running on {name}."
    yield f"Everything is kept in {data}; Ctrl-C stops it."
    yield ""
    yield f"  status    {runtime.url}/"
    if runtime.app.adapters.email_name == "mailbox":
        yield f"  mailbox   {runtime.url}/mailbox"
    for source, closed in runtime.doors().items():
        yield f"  webhooks  {runtime.url}/hooks/{source}" + (f"  closed: {closed}" if closed else "")
    found = example(runtime.rulebook)
    if found:
        yield ""
        yield "Try it, in another terminal in this folder:"
        yield f"  dripline post {found.source} {shlex.quote(found.body)}"
        yield f"  dripline explain {found.who}"
    yield ""
