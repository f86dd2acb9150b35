"""`dripline post`"""

from __future__ import annotations

import sys
import uuid

import click

from workers.cli._base import now, settings

SECTION = "Start"


@click.command
@click.argument("source")
@click.argument("body")
@click.option(
    "--url", default="", help="Where Dripline answers (default: the `dripline dev` here, or DRIPLINE_PUBLIC_URL)."
)
def command(source: str, body: str, url: str) -> int:
    """Post a webhook, signed as its sender would sign it.

    SOURCE is the source's name in the rules; its adapter has to be `standard` or `typeform`. BODY is the JSON, or - for
    standard input. The secret is that of the settings, or of the `dripline dev` in this folder.

    \b
    Examples:
      dripline post product '{"type": "page.viewed", "data": {"user": {"email": "ann@acme.test"}, "url": "/pricing"}}'
      dripline post typeform - < response.json
    """
    import requests

    from workers.dev.folder import Folder

    loaded = settings()
    content = (sys.stdin.read() if body == "-" else body).encode()
    target = f"{(url or Folder(loaded.data_dir).url() or loaded.public_url).rstrip('/')}/hooks/{source}"
    try:
        answer = requests.post(target, data=content, headers=signed(source, content), timeout=30)
    except requests.ConnectionError as error:
        raise click.ClickException(f"nobody answers on {target}; is `dripline dev` running there? (--url)") from error
    click.echo(f"{answer.status_code} {answer.text.strip()}", err=not answer.ok)
    return 0 if answer.ok else 1


def signed(source: str, content: bytes) -> dict[str, str]:
    """Headers with the signature."""
    from integrations.discovery import variable
    from integrations.signatures import STANDARD_WEBHOOKS, TYPEFORM, sign, standard_secret
    from workers.dev.folder import Folder

    loaded = settings()
    name = variable(source, "secret")
    secret = loaded.adapters.get(name) or Folder(loaded.data_dir).secrets().get(name)
    if not secret:
        raise click.ClickException(f"{name} is not set, and no `dripline dev` in this folder has made one.")
    if not secret.startswith("whsec_"):
        return {TYPEFORM.signature_header: sign(TYPEFORM, secret.encode(), content)}
    message_id, timestamp = f"msg_{uuid.uuid4().hex}", str(int(now().timestamp()))
    signature = sign(
        STANDARD_WEBHOOKS, standard_secret(secret, name), content, message_id=message_id, timestamp=timestamp
    )
    return {
        STANDARD_WEBHOOKS.id_header: message_id,
        STANDARD_WEBHOOKS.timestamp_header: timestamp,
        STANDARD_WEBHOOKS.signature_header: signature,
    }
