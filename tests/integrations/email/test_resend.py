"""What is Resend's own: its idempotency key, and the calls that its own client makes."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import pytest
import resend

from integrations.contracts import ForgetfulProvider, Request
from integrations.email.resend import Adapter, Feedback, idempotency_key
from integrations.exceptions import BadSignature
from integrations.posting import armoured
from integrations.signatures import SVIX, sign, standard_secret
from tests.contract import comparing
from tests.contract.outcomes import MAIL

SECRET: Final = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def test_their_client_makes_the_same_call(monkeypatch: pytest.MonkeyPatch) -> None:
    comparing.no_proxies(monkeypatch)
    with comparing.recorder(status=200, json={"id": "m1"}) as server:
        comparing.send(Adapter("re_test", base_url=comparing.url(server)), MAIL)
        monkeypatch.setattr(resend, "api_url", comparing.url(server))
        monkeypatch.setattr(resend, "api_key", "re_test")
        resend.Emails.send(
            {
                "from": '"Nora at Northwind" <nora@northwind.example>',
                "to": [MAIL.to],
                "subject": MAIL.subject,
                "text": MAIL.text,
                "html": MAIL.html or "",
                "headers": dict(MAIL.headers),
                "tags": [{"name": "dripline_key", "value": armoured(MAIL.key)}],
            },
            {"idempotency_key": MAIL.key},
        )
    comparing.assert_same(*server.requests, headers=("authorization", "idempotency-key"))


@pytest.mark.parametrize("key", ["", " a", "mail:grüße", "a\nb", "x" * 257])
def test_a_key_that_no_header_holds_is_replaced_by_the_name_of_the_mail(key: str) -> None:
    assert idempotency_key(replace(MAIL, key=key)) == "d41d8cd98f"
    assert idempotency_key(MAIL) == MAIL.key


def test_keys_are_forgotten_after_a_day() -> None:
    adapter: Any = Adapter("re_test")
    assert isinstance(adapter, ForgetfulProvider)
    assert adapter.takes_key
    assert adapter.key_kept.total_seconds() < 24 * 3600


def test_their_own_check_passes_what_ours_does() -> None:
    body, now = orjson.dumps({"type": "email.sent"}), int(time.time())
    key = standard_secret(SECRET, "signing_secret")
    headers = {
        "svix-id": "msg_1",
        "svix-timestamp": str(now),
        "svix-signature": sign(SVIX, key, body, message_id="msg_1", timestamp=str(now)),
    }
    at = datetime.fromtimestamp(now, UTC)
    Feedback(SECRET).verify(Request("POST", "https://dripline.test/hooks/resend", headers, body, at))
    given: Any = {
        "payload": body.decode(),
        "headers": {name.removeprefix("svix-"): value for name, value in headers.items()},
        "webhook_secret": SECRET,
    }
    assert resend.Webhooks.verify(given) == {"type": "email.sent"}
    with pytest.raises(ValueError, match="signature"):
        resend.Webhooks.verify({**given, "payload": "{}"})
    with pytest.raises(BadSignature):
        Feedback(SECRET).verify(Request("POST", "https://dripline.test/hooks/resend", headers, b"{}", at))
