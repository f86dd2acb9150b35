"""SendGrid's Inbound Parse: answers, out-of-office replies and bounces that come back to a domain of yours.

To set it up: point the MX record of a domain that is used for nothing else to `mx.sendgrid.net`, let answers go there
(`reply_to` in the front matter of mails), and in SendGrid under Settings, Inbound Parse, add that host with the address
`https://user:password@…/hooks/sendgrid_inbound`; the same `user:password` goes into
`DRIPLINE_SENDGRID_INBOUND_WEBHOOK_LOGIN`. SendGrid does not sign these posts, so this login is all that tells it from a
stranger: make it long, and use https. With *POST the raw, full MIME message* on, bounces are understood, too.

What a mail says is not kept: only who wrote, the subject, and which mail of ours it answers.

Facts: twilio.com/docs/sendgrid/for-developers/parsing-email/setting-up-the-inbound-parse-webhook.
"""

from __future__ import annotations

from dataclasses import dataclass
from email import message_from_bytes
from typing import TYPE_CHECKING

from integrations.contracts import Incoming, Unreadable
from integrations.exceptions import Malformed
from integrations.forms import fields
from integrations.logins import LoginSource
from integrations.reading import parse_json
from integrations.received import read_by_webhook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integrations.contracts import Ignored, Request


@dataclass(frozen=True, slots=True)
class Adapter(LoginSource):
    """SendGrid as a source of mail that comes back.

    Attributes:
        webhook_login: `user:password`, as in the address that SendGrid posts to.
    """

    def normalise(self, request: Request) -> Iterator[Incoming | Unreadable | Ignored]:
        """The one mail of a delivery."""
        given = fields(request)
        envelope = parse_json(given.get("envelope", b""))
        if not isinstance(envelope, dict):
            raise Malformed("envelope is no object; this is no post of Inbound Parse.")
        if not envelope.get("to"):
            yield Unreadable("no-identity", "envelope.to is missing, so nobody got this mail", request.body)
            return
        raw = given.get("email") or given.get("headers", b"").rstrip() + b"\r\n\r\n"
        yield read_by_webhook(message_from_bytes(raw), request, given["envelope"])
