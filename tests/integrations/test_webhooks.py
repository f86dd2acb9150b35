from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
import pytest
import responses

from integrations.contracts import Incoming, Request
from integrations.exceptions import BadSignature, ConfigurationError
from integrations.signatures import webhook_id
from integrations.sources.standard import Adapter as Receiver
from integrations.webhooks import SignedWebhook

NOW: Final = datetime(2026, 9, 7, 10, tzinfo=UTC)
SECRET: Final = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
OTHER: Final = "whsec_HxAdHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="
KEY: Final = "hook:17:trial:1:x"
BODY: Final = orjson.dumps({"type": "trial.stalled", "data": {"lead": {"email": "ann@acme.test"}}})


def sent(times: int = 1, clock: Any = lambda: NOW, **given: Any) -> list[Request]:
    sender = SignedWebhook("https://ops.test/in", SECRET, clock=clock, **given)
    with responses.RequestsMock() as mock:
        mock.post("https://ops.test/in", status=202)
        for _ in range(times):
            sender.post_signed(KEY, BODY, repeatable=True)
        found: list[Any] = [call.request for call in mock.calls]
    sender.close()
    return [
        Request("POST", each.url, {name.lower(): value for name, value in each.headers.items()}, each.body, NOW)
        for each in found
    ]


def test_a_receiver_of_standard_webhooks_accepts_it() -> None:
    (request,) = sent()
    receiver = Receiver(SECRET, options={"identity": {"email": "data.lead.email"}})
    receiver.verify(request)
    (event,) = receiver.normalise(request)
    assert isinstance(event, Incoming)
    assert (event.event_id, event.type) == (webhook_id(KEY), "trial.stalled")


def test_a_receiver_with_another_secret_does_not() -> None:
    (request,) = sent()
    with pytest.raises(BadSignature):
        Receiver(OTHER).verify(request)


def test_while_a_secret_is_replaced_receivers_with_either_accept_it() -> None:
    (request,) = sent(previous_secret=OTHER)
    Receiver(SECRET).verify(request)
    Receiver(OTHER).verify(request)


def test_every_try_has_the_same_id_and_body_and_a_time_of_its_own() -> None:
    times = iter([NOW, NOW + timedelta(hours=1)])
    first, second = sent(2, clock=lambda: next(times))
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == webhook_id(KEY)
    assert first.body == second.body
    assert [each.headers["webhook-timestamp"] for each in (first, second)] == ["1788775200", "1788778800"]
    Receiver(SECRET).verify(replace(second, received_at=NOW + timedelta(hours=1)))


@pytest.mark.parametrize(
    ("url", "secret", "previous", "field"),
    [
        ("ops.test", SECRET, "", "url"),
        ("https://ops.test", "short", "", "secret"),
        ("https://ops.test", SECRET, "short", "previous_secret"),
    ],
)
def test_a_wrong_setting_is_named(url: str, secret: str, previous: str, field: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        SignedWebhook(url, secret, previous)
    assert error.value.field == field
