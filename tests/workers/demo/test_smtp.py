from __future__ import annotations

import smtplib
from email.message import EmailMessage

import pytest

from workers.demo.smtp import SmtpServer


def message(to: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "nora@northwind.example", to, "Grüße"
    mail.set_content("Hallo")
    return mail


def test_what_is_sent_is_kept_with_its_recipient():
    with SmtpServer() as server, smtplib.SMTP(server.host, server.port, timeout=5) as client:
        client.send_message(message("ann@acme.test"))
        client.send_message(message("bob@acme.test"))
        assert [each.to for each in server.received] == ["ann@acme.test", "bob@acme.test"]
        assert server.received[0].message["Subject"] == "Grüße"


def test_a_refused_recipient_gets_a_permanent_no_and_nothing_is_kept():
    refusing = SmtpServer(refuse=frozenset({"gone@acme.test"}))
    with refusing as server, smtplib.SMTP(server.host, server.port, timeout=5) as client:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refusal:
            client.send_message(message("gone@acme.test"))
        assert refusal.value.recipients["gone@acme.test"][0] == 550
        assert server.received == []


def test_it_ends_though_a_connection_is_still_open():
    server = SmtpServer()
    with server:
        client = smtplib.SMTP(server.host, server.port, timeout=5)
        client.noop()
    client.close()
