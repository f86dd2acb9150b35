"""What is Brevo's own: its idempotency key, names that it would drop, and the calls that its own client makes."""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from email.header import decode_header, make_header
from typing import Any, Final

import httpx
import pytest
from brevo import Brevo
from brevo.transactional_emails import SendTransacEmailRequestSender, SendTransacEmailRequestToItem

from integrations.contracts import ForgetfulProvider
from integrations.email.brevo import Adapter, Feedback, _name, content
from integrations.exceptions import BadSignature, Rejected
from integrations.posting import parts
from tests.contract import comparing
from tests.contract.outcomes import MAIL
from tests.contract.recorded import recorded

NOW: Final = datetime(2026, 9, 7, 10, tzinfo=UTC)


def test_their_client_makes_the_same_call(monkeypatch: pytest.MonkeyPatch) -> None:
    comparing.no_proxies(monkeypatch)
    key = content(MAIL, parts(MAIL, NOW))["headers"]["idempotencyKey"]
    with comparing.recorder(status=201, json={"messageId": "<m1@x>"}) as server:
        comparing.send(Adapter("xkeysib-test", base_url=comparing.url(server)), MAIL)
        connection = httpx.Client()
        client = Brevo(api_key="xkeysib-test", base_url=f"{comparing.url(server)}/v3", httpx_client=connection)
        client.transactional_emails.send_transac_email(
            sender=SendTransacEmailRequestSender(email="nora@northwind.example", name="Nora at Northwind"),
            to=[SendTransacEmailRequestToItem(email=MAIL.to)],
            subject=MAIL.subject,
            text_content=MAIL.text,
            html_content=MAIL.html,
            headers={
                **MAIL.headers, "X-Mailin-custom": json.dumps({"dripline_key": MAIL.key}), "idempotencyKey": key,
            },
        )  # fmt: skip
        connection.close()
    comparing.assert_same(*server.requests, headers=("api-key",))


def test_the_idempotency_key_is_made_of_the_mails_key_and_remembered_for_minutes() -> None:
    keys = [content(replace(MAIL, key=key), parts(MAIL, NOW))["headers"]["idempotencyKey"] for key in ("a", "a", "b")]
    assert keys[0] == keys[1] != keys[2]
    assert str(uuid.UUID(keys[0])) == keys[0]
    adapter: Any = Adapter("xkeysib-test")
    assert isinstance(adapter, ForgetfulProvider)
    assert adapter.key_kept.total_seconds() < 15 * 60


@pytest.mark.parametrize("name", ["Nora", "Jürgen, CEO", "名前" * 40, "a" * 100 + "ü", "ü" * 100])
def test_names_are_written_so_that_they_survive(name: str) -> None:
    written = _name(name)
    assert written.isascii()
    assert str(make_header(decode_header(written))) == name
    assert all(len(each) <= 75 for each in written.split(" ")) or name.isascii()


def test_a_header_that_would_be_garbled_is_refused() -> None:
    mail = replace(MAIL, headers={"X-Campaign": "Grüße"})
    with pytest.raises(Rejected, match="unreadable"):
        content(mail, parts(mail, NOW))


def test_a_login_may_be_a_token_or_a_password() -> None:
    case = recorded("brevo")[0]
    basic = base64.b64encode(b"dripline:another-password").decode()
    with_password = replace(case.request, headers={"authorization": f"Basic {basic}"})
    source = Feedback("dripline:another-password", previous_webhook_login="a-long-and-random-token")
    source.verify(case.request)
    source.verify(with_password)
    with pytest.raises(BadSignature):
        Feedback("a-long-and-random-token").verify(with_password)
