"""What is SendGrid's own; what every source does is in the contract suite."""

from __future__ import annotations

import base64
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from integrations.contracts import Incoming, Unreadable
from integrations.email.sendgrid import Feedback
from integrations.exceptions import BadSignature, ConfigurationError, Malformed
from tests.contract.recorded import Recorded, recorded

PUBLISHED: Final[Recorded] = next(case for case in recorded("sendgrid") if case.name == "published")
KEY: Final[str] = PUBLISHED.source.verification_key  # type: ignore[attr-defined]
EVENT: Final = {
    "email": "ann@acme.test",
    "timestamp": 1600112492,
    "event": "click",
    "sg_event_id": "e1",
    "sg_message_id": "m1",
    "url": "https://northwind.example/pricing",
}


def read(*events: Any, **given: Any) -> list[Any]:
    request = replace(PUBLISHED.request, body=orjson.dumps(events))
    return list(Feedback(KEY, **given).normalise(request))


def another_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


# From the tests of SendGrid's own Python library: what must not pass with their key, signature and timestamp.
@pytest.mark.parametrize(
    "key",
    [
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqTxd43gyp8IOEto2LdIfjRQrIbsd4SXZkLW6jDutdhXSJCWHw8REntlo7aNDthvj+y7GjUuFDb/R1NGe1OPzpA==",
    ],
)  # fmt: skip
def test_their_wrong_key(key: str) -> None:
    with pytest.raises(BadSignature):
        Feedback(key).verify(PUBLISHED.request)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (
            "x-twilio-email-event-webhook-signature",
            "MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH3j/0=",
        ),
        ("x-twilio-email-event-webhook-timestamp", "timestamp"),
    ],
)
def test_their_wrong_headers(header: str, value: str) -> None:
    with pytest.raises(BadSignature):
        Feedback(KEY).verify(replace(PUBLISHED.request, headers={**PUBLISHED.request.headers, header: value}))


def test_a_delivery_that_was_tried_for_a_day_is_taken() -> None:
    late = replace(PUBLISHED.request, received_at=PUBLISHED.request.received_at + timedelta(hours=24))
    Feedback(KEY).verify(late)
    (event,) = Feedback(KEY).normalise(late)
    assert isinstance(event, Incoming)
    assert event.occurred_at < late.received_at


def test_both_keys_are_taken_while_one_replaces_the_other() -> None:
    Feedback(another_key(), previous_verification_key=KEY).verify(PUBLISHED.request)
    with pytest.raises(BadSignature):
        Feedback(another_key(), previous_verification_key=another_key()).verify(PUBLISHED.request)


def test_without_ids_the_same_event_has_the_same_id_and_another_another() -> None:
    bare = {name: value for name, value in EVENT.items() if name != "sg_event_id"}
    same, again, *others = read(
        bare,
        dict(reversed(bare.items())),
        {**bare, "url": "https://northwind.example/"},
        {**bare, "timestamp": 1600112493},
        {**bare, "email": "ben@acme.test"},
        {**bare, "event": "open"},
        {**bare, "url_offset": {"index": 1}},
        {name: value for name, value in bare.items() if name != "sg_message_id"},
    )
    assert same.event_id == again.event_id
    assert len({same.event_id, *(other.event_id for other in others)}) == 7


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_id_is_none(empty: Any) -> None:
    (event,) = read({**EVENT, "sg_event_id": empty})
    assert event.event_id.startswith("h:")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sg_event_id": ["e1"]}, "no-event-id"),
        ({"sg_event_id": "x" * 300}, "no-event-id"),
        ({"event": ["click"]}, "unknown-type"),
        ({"event": None}, "unknown-type"),
        ({"timestamp": "yesterday"}, "bad-timestamp"),
        ({"timestamp": None}, "bad-timestamp"),
        ({"email": ["ann@acme.test"]}, "bad-email"),
        ({"url": {"a": 1}}, "bad-value"),
        ({"category": [["a"]]}, "bad-value"),
        ({"smtp-id": 1.5}, "bad-value"),
        ({"dripline_key": {"a": 1}}, "bad-value"),
    ],
)
def test_a_bad_event_takes_only_itself(change: dict[str, Any], reason: str) -> None:
    good, bad, also_good = read(EVENT, {**EVENT, **change}, EVENT)
    assert good == also_good
    assert isinstance(bad, Unreadable)
    assert bad.reason == reason
    assert orjson.loads(bad.payload) == {**EVENT, **change}


@pytest.mark.parametrize("flag", [None, "true", 1])
def test_what_is_not_told_about_machines_is_not_known(flag: Any) -> None:
    (event,) = read({**EVENT, "event": "open", "sg_machine_open": flag})
    assert "machine" not in event.properties


def test_custom_arguments_become_properties_by_option() -> None:
    (event,) = read(
        {**EVENT, "dripline_key": "mail:1", "dripline_step": "hello", "variant": "b", "other": "x"},
        options={"custom_args": {"variant": "experiment"}},
    )
    assert event.properties == {
        "url": "https://northwind.example/pricing",
        "message_key": "mail:1",
        "step": "hello",
        "experiment": "b",
    }


@pytest.mark.parametrize("body", [b"{}", b'"x"', b"1", b"null"])
def test_only_a_list_is_a_batch(body: bytes) -> None:
    with pytest.raises(Malformed, match="SendGrid sends a list"):
        list(Feedback(KEY).normalise(replace(PUBLISHED.request, body=body)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"custom_arg": {}}, "'custom_arg' is no option of the source adapter 'sendgrid'; did you mean 'custom_args'"),
        ({"custom_args": ["a"]}, "'custom_args' has to be a mapping"),
        ({"custom_args": {"a": 1}}, r"'custom_args\.a' has to be a text"),
        ([], "have to be a mapping"),
    ],
)
def test_a_wrong_option_is_named(options: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Feedback(KEY, options=options)


def test_a_batch_of_a_hundred_takes_a_few_milliseconds() -> None:
    body = orjson.dumps([{**EVENT, "sg_event_id": f"e{number}", "useragent": "x" * 100} for number in range(100)])
    request, adapter = replace(PUBLISHED.request, body=body), Feedback(KEY)
    took = []
    for _ in range(10):
        start = time.perf_counter()
        assert len(list(adapter.normalise(request))) == 100
        took.append(time.perf_counter() - start)
    assert min(took) < 0.005
