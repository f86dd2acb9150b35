"""SendGrid's own Python client makes the same call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import CustomArg, Email, Header, Mail, To

from integrations.email.sendgrid import Adapter
from tests.contract import comparing
from tests.contract.outcomes import MAIL

if TYPE_CHECKING:
    import pytest


def test_their_client_makes_the_same_call(monkeypatch: pytest.MonkeyPatch) -> None:
    comparing.no_proxies(monkeypatch)
    theirs = Mail(
        from_email=Email("nora@northwind.example", "Nora at Northwind"),
        to_emails=To(MAIL.to),
        subject=MAIL.subject,
        plain_text_content=MAIL.text,
        html_content=MAIL.html,
    )
    theirs.custom_arg = CustomArg("dripline_key", MAIL.key, p=0)
    for name, value in {**MAIL.headers, "Message-ID": f"<{MAIL.message_id}>"}.items():
        theirs.header = Header(name, value)
    with comparing.recorder(status=202, body="") as server:
        comparing.send(Adapter("SG.test", base_url=comparing.url(server)), MAIL)
        SendGridAPIClient("SG.test", host=comparing.url(server)).send(theirs)
    comparing.assert_same(*server.requests)
