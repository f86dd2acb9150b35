"""`dripline send-test`"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from workers.cli._base import as_json, print_json, settings
from workers.cli._mails import Wanted, make, options

if TYPE_CHECKING:
    from workers.config import Settings

SECTION = "Rules"


@click.command
@options
@click.option("--to", required=True, help="Who gets it.")
@click.option("--through", default="", help="The e-mail provider, if it is not to be the one that the rules say.")
@as_json
def command(*, to: str, through: str, as_json: bool, **wanted: Any) -> int:
    """Send a mail to yourself, through the e-mail provider that the rules or else the settings say; beside a running
    `dripline dev`, as it does.

    TEMPLATE is a folder below templates/. The mail is that of a sample lead of whom everything is known, unless --lead
    names somebody, or --with gives fields; its subject begins with [Test]. It is noted nowhere, its links lead to
    nobody's preferences, and nothing in it is tracked.

    \b
    Examples:
      dripline send-test welcome/hello --to me@company.example
      dripline send-test welcome/hello --to me@company.example --lead ann@acme.test
      dripline send-test welcome/hello --to me@company.example --through postmark
    """
    from integrations.exceptions import DeliveryError
    from workers.adapters import Adapters
    from workers.clock import system_clock
    from workers.delivery.compose import is_address

    if not is_address(to):
        raise click.ClickException(f"{to!r} is no address")
    made = make(Wanted(**wanted), to=to, subject="[Test] {}")
    adapters = Adapters(settled(settings()), system_clock)
    name = through or adapters.routes(made.routes).fitting(made.words.category, to)[0]
    provider = adapters.email(name)
    try:
        accepted = provider.send(made.mail)
    except DeliveryError as error:
        raise click.ClickException(f"{name} did not take it: {error}") from error
    finally:
        adapters.close()
    if as_json:
        print_json({"to": to, "provider": name, "ref": accepted.ref, "subject": made.mail.subject})
    else:
        click.echo(f"Sent to {to} by {name} ({accepted.ref}), as {made.whose} would get it.")
    return 0


def settled(loaded: Settings) -> Settings:
    """The settings, by which mail goes where `dripline dev` of this folder puts it, if it runs and nothing is said."""
    from workers.adapters import MAILBOX
    from workers.dev.folder import Folder

    return replace(loaded, email=MAILBOX) if not loaded.email and Folder(loaded.data_dir).url() else loaded
