"""What is Mailgun's own: tokens that count once, and the calls that its own client makes."""

from __future__ import annotations

import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import orjson
import pytest
from mailgun.client import Client
from mailgun.security import SecurityGuard

from integrations.contracts import Incoming, Request
from integrations.email.mailgun import REMEMBERED, Adapter, Feedback, Seen
from integrations.exceptions import BadSignature, ConfigurationError
from integrations.mime import build
from tests.contract import comparing
from tests.contract.outcomes import MAIL
from tests.contract.recorded import FIXTURES

NOW: Final = datetime(2026, 9, 7, 10, tzinfo=UTC)
KEY: Final = "8a1c4bbd3e0c4fdd0f2a3bc5d4e5f6a7"


def adapter(**given: Any) -> Adapter:
    standard: Any = {"domain": "mg.northwind.example", "clock": lambda: NOW}
    return Adapter("key-test", **standard | given)


def test_a_mail_that_a_route_posts_whole_is_read_whole() -> None:
    time, token = str(int(NOW.timestamp())), "t" * 50
    signature = hmac.digest(KEY.encode(), (time + token).encode(), "sha256").hex()
    bounce = (FIXTURES / "sources/sendgrid_inbound/bounce-raw.body").read_bytes()
    raw = bounce[bounce.index(b"From: Mail") : bounce.index(b"--r--") + 5]
    form = {"timestamp": time, "token": token, "signature": signature, "body-mime": raw}
    kind = {"content-type": "application/x-www-form-urlencoded"}
    request = Request("POST", "https://dripline.test/hooks/mailgun-mime", kind, urlencode(form).encode(), NOW)
    feedback = Feedback(KEY)
    feedback.verify(request)
    feedback.verify(request)  # tried again
    (event,) = feedback.normalise(request)
    assert isinstance(event, Incoming)
    assert (event.type, event.identities) == ("email.bounced", (("message", "#0f7c8e1d2b3a49586776859404132231"),))
    with pytest.raises(BadSignature):  # the same token beside another mail
        feedback.verify(replace(request, body=request.body.replace(b"5.1.1", b"5.2.2")))


def test_their_client_makes_the_same_call(monkeypatch: pytest.MonkeyPatch) -> None:
    comparing.no_proxies(monkeypatch)
    with comparing.recorder(status=200, json={"id": "<m1@x>", "message": "Queued. Thank you."}) as server:
        comparing.send(adapter(base_url=comparing.url(server)), MAIL)
        client = Client(auth=("api", "key-test"), api_url=comparing.url(server))
        client.mimemessage.create(
            data={"to": MAIL.to, "v:dripline_key": MAIL.key},
            files=[("message", ("message.eml", build(MAIL, NOW).data))],
            domain="mg.northwind.example",
        )
    ours, theirs = server.requests
    assert (ours["method"], ours["path"]) == (theirs["method"], theirs["path"])
    assert ours["headers"]["authorization"] == theirs["headers"]["authorization"]
    assert comparing.form(ours) == comparing.form(theirs)
    client.close()


def delivery(event_id: str = "e1", token: str = "t" * 50, *, at: datetime = NOW, key: str = KEY) -> Request:
    timestamp = str(int(at.timestamp()))
    signature = hmac.digest(key.encode(), (timestamp + token).encode(), "sha256").hex()
    signed = {"timestamp": timestamp, "token": token, "signature": signature}
    event = {"event": "delivered", "id": event_id, "timestamp": at.timestamp(), "recipient": "ann@acme.test"}
    body = orjson.dumps({"signature": signed, "event-data": event})
    return Request("POST", "https://dripline.test/hooks/mailgun", {}, body, NOW)


def test_their_own_check_passes_what_ours_does() -> None:
    request = delivery()
    signed = orjson.loads(request.body)["signature"]
    Feedback(KEY).verify(request)
    check = SecurityGuard.verify_webhook
    given = (signed["token"], signed["timestamp"], signed["signature"])
    assert check(KEY, *given, max_age_seconds=0)
    assert not check("other", *given, max_age_seconds=0)


def test_a_token_counts_for_one_event_however_often_that_comes() -> None:
    source = Feedback(KEY)
    source.verify(delivery("e1"))
    source.verify(delivery("e1"))
    with pytest.raises(BadSignature, match="used for another event"):
        source.verify(delivery("forged"))
    source.verify(delivery("e2", token="u" * 50))


def test_only_so_many_tokens_are_remembered() -> None:
    seen = Seen()
    for number in range(REMEMBERED + 10):
        assert seen.first(str(number), "a")
    assert len(seen._seen) == REMEMBERED
    assert not seen.first(str(REMEMBERED), "b")


def test_a_signature_counts_for_as_long_as_mailgun_tries() -> None:
    Feedback(KEY).verify(delivery(at=NOW - timedelta(hours=8, minutes=30)))
    for at in (NOW - timedelta(hours=10), NOW + timedelta(hours=10)):
        with pytest.raises(BadSignature, match="seconds off"):
            Feedback(KEY).verify(delivery(at=at))


def test_a_key_can_be_replaced() -> None:
    source = Feedback("the-new-key", previous_signing_key=KEY)
    source.verify(delivery())
    source.verify(delivery(token="n" * 50, key="the-new-key"))
    with pytest.raises(BadSignature, match="does not match"):
        source.verify(delivery(token="o" * 50, key="a-third-key"))


@pytest.mark.parametrize("timestamp", [None, True, "", "now", "-1", "1e9", "9" * 30, [1]])
def test_a_time_that_is_none_is_refused(timestamp: Any) -> None:
    request = delivery()
    body = orjson.loads(request.body)
    body["signature"]["timestamp"] = timestamp
    with pytest.raises(BadSignature):
        Feedback(KEY).verify(replace(request, body=orjson.dumps(body)))


@pytest.mark.parametrize("given", [{"domain": "mg.acme.example/../x"}, {"domain": ""}, {"base_url": "api.mailgun.net"}])
def test_a_wrong_setting_is_named(given: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as error:
        adapter(**given)
    assert error.value.field in given
