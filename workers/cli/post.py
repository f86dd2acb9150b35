"""`dripline post`"""

from __future__ import annotations

import json
import sys
import uuid
from typing import TYPE_CHECKING

import click

from workers.cli._base import now, settings

if TYPE_CHECKING:
    from requests import Response

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
    check_json(content)
    target = f"{(url or Folder(loaded.data_dir).url() or loaded.public_url).rstrip('/')}/hooks/{source}"
    try:
        answer = requests.post(target, data=content, headers=signed(source, content), timeout=30)
    except requests.ConnectionError as error:
        raise click.ClickException(f"nobody answers on {target}; is `dripline dev` running there? (--url)") from error
    except requests.Timeout as error:
        raise click.ClickException(f"{target} does not answer within 30 seconds; its log may say why.") from error
    except ValueError as error:  # requests' words for an address that is none
        raise click.UsageError(f"--url is {url!r}; write where Dripline answers, as http://127.0.0.1:8000.") from error
    click.echo(told(answer), err=not answer.ok)
    return 0 if answer.ok else 1


def check_json(content: bytes) -> None:
    """Refuse a body that the other side could only refuse."""
    try:
        json.loads(content)
    except ValueError as error:
        raise click.UsageError(
            f"BODY is not JSON ({error}); put it between single quotes, or write - and hand it in on standard input."
        ) from error


def told(answer: Response) -> str:
    """The answer in a line: what became of the delivery, or the problem in words."""
    if not answer.headers.get("content-type", "").startswith("application/problem+json"):
        return f"{answer.status_code} {answer.text.strip()}"
    problem = answer.json()
    return f"{answer.status_code} {problem['title']}: {problem['detail']}"


def signed(source: str, content: bytes) -> dict[str, str]:
    """Headers with the signature.

    Raises:
        ConfigurationError: no secret is known for the source, or it is none.
    """
    from integrations.exceptions import ConfigurationError as AdapterConfigurationError
    from integrations.signatures import STANDARD_WEBHOOKS, TYPEFORM, sign, standard_secret
    from workers.exceptions import ConfigurationError

    name, secret = secret_of(source)
    if not secret.startswith("whsec_"):
        return {TYPEFORM.signature_header: sign(TYPEFORM, secret.encode(), content)}
    try:
        key = standard_secret(secret, name)
    except AdapterConfigurationError as error:
        raise ConfigurationError(str(error)) from error
    message_id, timestamp = f"msg_{uuid.uuid4().hex}", str(int(now().timestamp()))
    signature = sign(STANDARD_WEBHOOKS, key, content, message_id=message_id, timestamp=timestamp)
    return {
        STANDARD_WEBHOOKS.id_header: message_id,
        STANDARD_WEBHOOKS.timestamp_header: timestamp,
        STANDARD_WEBHOOKS.signature_header: signature,
    }


def secret_of(source: str) -> tuple[str, str]:
    """The variable that holds a source's secret, and the secret: of the settings, or of the `dripline dev` here.

    Raises:
        ConfigurationError: none is known; the message names the sources that one is known of.
    """
    from integrations.discovery import variable
    from workers.dev.folder import Folder
    from workers.exceptions import ConfigurationError
    from workers.text import suggestion

    loaded = settings()
    known = Folder(loaded.data_dir).secrets() | dict(loaded.adapters)
    name = variable(source, "secret")
    if known.get(name):
        return name, known[name]
    others = sorted(
        each.removeprefix("DRIPLINE_").removesuffix("_SECRET").lower().replace("_", "-")
        for each in known
        if each.endswith("_SECRET") and each != "DRIPLINE_SECRET"
    )
    hint = suggestion(source, others) if others else "no `dripline dev` has run in this folder"
    raise ConfigurationError(
        f"no secret is known of a source {source!r} ({name} is not set): {hint}. Sources whose key only their vendor "
        "has, such as sendgrid, cannot be signed for."
    )
