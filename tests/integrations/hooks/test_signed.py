from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
import responses

from integrations.contracts import Incoming, Message, Request
from integrations.exceptions import BadSignature, ConfigurationError
from integrations.hooks.signed import Adapter
from integrations.signatures import webhook_id
from integrations.sources.standard import Adapter as Receiver

NOW: Final = datetime(2026, 9, 7, 10, tzinfo=UTC)
SECRET: Final = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
OTHER: Final = "whsec_HxAdHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="
MESSAGE: Final = Message("hook:17:trial:1:x", {"type": "trial.stalled", "data": {"lead": {"email": "ann@acme.test"}}})


def sent(times: int = 1, clock: Any = lambda: NOW, **given: Any) -> list[Request]:
    adapter = Adapter("https://ops.test/in", SECRET, clock=clock, **given)
    with responses.RequestsMock() as mock:
        mock.post("https://ops.test/in", status=202)
        for _ in range(times):
            adapter.post(MESSAGE)
        found: list[Any] = [call.request for call in mock.calls]
    adapter.close()
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
    assert (event.event_id, event.type) == (webhook_id("hook:17:trial:1:x"), "trial.stalled")


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
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == webhook_id(MESSAGE.key)
    assert first.body == second.body
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    Receiver(SECRET).verify(replace(second, received_at=NOW + timedelta(hours=1)))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"url": "ops.test", "secret": SECRET}, "url"),
        ({"url": "https://ops.test", "secret": "short"}, "secret"),
        ({"url": "https://ops.test", "secret": SECRET, "previous_secret": "short"}, "previous_secret"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, str], field: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Adapter(**given)
    assert caught.value.field == field
