"""`dripline inbound`"""

from __future__ import annotations

import click

from workers.cli._base import print_json, settings

SECTION = "Processes"


@click.command
@click.option("--once", is_flag=True, help="Take in what is there, and end.")
@click.option("--json", "as_json", is_flag=True, help="With --once: print the figures as JSON.")
def command(once: bool, as_json: bool) -> None:
    """Look into the mailbox that bounces and answers come back to.

    Bounces, complaints and people's answers become events: hard bounces end all mail to the address, an answer is a
    human sign and an exit that campaigns can name. Automatic replies count for nothing. What cannot be understood
    waits in `dripline quarantine`.

    DRIPLINE_INBOUND says which mailbox it is: `imap` (DRIPLINE_IMAP_HOST, _USER, _PASSWORD, _FOLDER) or `maildir`
    (DRIPLINE_MAILDIR_PATH).

    Example: dripline inbound --once
    """
    from workers.app import build
    from workers.inbound import take, watch
    from workers.processes import stop_at_signals

    stop = stop_at_signals()
    app = build(settings(log=not once))
    try:
        inbox = app.adapters.inbox()
        if not once:
            watch(inbox, app.engine, app.announcer.slices, app.clock, stop)
            return
        taken = take(inbox, app.engine, app.announcer.slices, app.clock())
    finally:
        app.close()
    if as_json:
        print_json(taken._asdict())
    else:
        click.echo(
            f"{taken.mails} mails: {taken.events} events, {taken.ignored} left out on purpose, "
            f"{taken.quarantined} in quarantine"
        )
