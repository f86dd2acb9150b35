"""What the field mapping does; signatures are in `test_signatures.py`, what every source does in the contract suite."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import orjson
import pytest

from integrations import discovery
from integrations.contracts import Ignored, Request
from integrations.exceptions import BadSignature, ConfigurationError, Malformed
from integrations.sources.standard import Adapter
from tests.contract.recorded import Recorded, recorded

EVENT: Final[Recorded] = next(case for case in recorded("standard") if case.name == "event")
SECRET: Final[str] = EVENT.source.secret  # type: ignore[attr-defined]
BODY: Final = {"type": "page.viewed", "data": {"email": "ann@acme.test", "url": "/", "tags": ["a"], "who": {"id": 7}}}


def read(body: Any, headers: dict[str, str] | None = None, **options: Any) -> Any:
    request = replace(EVENT.request, body=orjson.dumps(body), headers=headers or {"webhook-id": "msg_1"})
    found = list(Adapter(SECRET, options=options).normalise(request))
    return found if "batch" in options else found[0]


def test_nothing_has_to_be_mapped() -> None:
    event = read(BODY)
    assert (event.type, event.event_id) == ("page.viewed", "msg_1")
    assert event.occurred_at == EVENT.request.received_at
    assert (event.properties, event.lead) == ({}, {})


def test_members_are_taken_one_by_one_or_whole() -> None:
    assert read(BODY, properties={"url": "data.url", "gone": "data.gone"}).properties == {"url": "/"}
    assert read(BODY, properties="data").properties == {"email": "ann@acme.test", "url": "/", "tags": ["a"]}
    assert read(BODY, lead="data.who").lead == {"id": 7}
    assert read(BODY, lead="data.gone").lead == {}
    assert read(BODY, properties={"who": "data.who"}).reason == "bad-value"


def test_types_are_translated_ignored_or_refused() -> None:
    types = {"signup": "product.signed_up", "ping": "ignore", "page.viewed": "page.seen"}
    assert read({**BODY, "type": "signup"}, types=types).type == "product.signed_up"
    assert read({**BODY, "type": "ping"}, types=types) == Ignored("ignored-type")
    assert read(BODY, types=types).type == "page.seen"
    for unknown in ("Signup", "login", None, 7, ["page.viewed"], {"a": 1}, "page.viewed\n", ""):
        assert read({**BODY, "type": unknown}, types=types).reason == "unknown-type"


def test_identities_keep_the_order_of_the_options() -> None:
    event = read(BODY, identity={"user": "data.who.id", "email": "data.email", "phone": "data.phone"})
    assert event.identities == (("user", "7"), ("email", "ann@acme.test"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({}, "no-identity"),
        ({"email": ""}, "no-identity"),
        ({"email": None}, "no-identity"),
        ({"email": "ann"}, "bad-email"),
        ({"email": ["ann@acme.test"]}, "bad-email"),
    ],
)
def test_without_a_person_it_is_kept_aside(data: dict[str, Any], reason: str) -> None:
    assert read({**BODY, "data": data}).reason == reason


def test_another_identity_has_to_be_a_short_text() -> None:
    for value in (["x"], {"x": 1}, True, 1.5, "x" * 255):
        assert read({**BODY, "data": {"id": value}}, identity={"user": "data.id"}).reason == "bad-value"


def test_a_time_that_is_there_has_to_be_one() -> None:
    assert read({**BODY, "timestamp": "soon"}).reason == "bad-timestamp"
    assert read({**BODY, "at": 1788775190}, occurred_at="at").occurred_at.second == 50


def test_ids_come_from_the_header_or_from_a_path() -> None:
    assert read(BODY, event_id="data.who.id").event_id == "7"
    assert read(BODY, event_id="data.gone").reason == "no-event-id"
    assert read(BODY, {"svix-id": "msg_2"}).event_id == "msg_2"
    assert read(BODY, {"other": "x"}).reason == "no-event-id"


def test_places_in_a_batch_count_what_cannot_be_read() -> None:
    deep: Any = {}
    for _ in range(300):
        deep = {"a": deep}
    body = (
        orjson.dumps([BODY, "what?"])[:-1]
        + b","
        + b'{"a":' * 300
        + b"1"
        + b"}" * 300
        + b","
        + orjson.dumps(BODY)
        + b"]"
    )
    request = Request("POST", "https://x.test", {"webhook-id": "m"}, body, EVENT.request.received_at)
    parts: Any = list(Adapter(SECRET, options={"batch": "."}).normalise(request))
    found = [getattr(part, "event_id", None) or part.reason for part in parts]
    assert found == ["m:0", "not-an-object", "too-deep", "m:3"]


@pytest.mark.parametrize(
    ("body", "batch"), [([BODY], None), ({"a": 1}, "."), ({"items": {}}, "items"), ([BODY], "items")]
)
def test_a_body_of_another_shape_is_malformed(body: Any, batch: str | None) -> None:
    with pytest.raises(Malformed, match="batch"):
        read(body, **({"batch": batch} if batch else {}))


def test_the_tolerance_is_a_setting() -> None:
    values = {"DRIPLINE_SHOP_SECRET": SECRET, "DRIPLINE_SHOP_TOLERANCE": "10m"}
    source = discovery.build("sources", "standard", "shop", values)
    source.verify(replace(EVENT.request, received_at=EVENT.request.received_at + timedelta(minutes=8)))
    with pytest.raises(BadSignature):
        source.verify(replace(EVENT.request, received_at=EVENT.request.received_at + timedelta(minutes=10)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"occured_at": "x"}, "'occured_at' is no option of the source adapter 'standard'; did you mean 'occurred_at'"),
        ({"type": 7}, "'type' has to be a text"),
        ({"type": ""}, "'type' has to be a text"),
        ({"type": "a..b"}, r"'a\.\.b' is no path"),
        ({"types": {"signup": "Signed Up"}}, r"'types\.signup' is 'Signed Up'; write a dotted lower-case name"),
        ({"types": ["signup"]}, "'types' has to be a mapping"),
        ({"identity": "data.email"}, "'identity' has to be a mapping"),
        ({"identity": {"email": 7}}, r"'identity\.email' has to be a text"),
        ({"lead": {"first_name": ["a"]}}, r"'lead\.first_name' has to be a text"),
        ({"properties": 7}, "'properties' has to be a mapping"),
        ({"batch": True}, "'batch' has to be a text"),
        ({"event_id": None}, "'event_id' has to be a text"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        Adapter(SECRET, options=options)
    key, *below = caught.value.option
    assert key in options
    assert all(each in options[key] for each in below)


def test_a_part_that_could_not_be_read_keeps_its_place_in_the_batch() -> None:
    batch = [BODY, {**BODY, "data": {}}, BODY, {**BODY, "data": {}}]
    for body, path in ((batch, "."), ({"events": batch}, "events")):
        parts = read(body, batch=path)
        assert [getattr(part, "place", None) for part in parts] == [None, 1, None, 3]
        request = replace(EVENT.request, body=parts[3].payload, headers={"webhook-id": "msg_1"})
        mended = Adapter(SECRET, options={"batch": path, "identity": {"path": "type"}})
        assert mended.read_part(request, 3).event_id == "msg_1:3"  # type: ignore[union-attr]


def test_a_delivery_that_is_one_event_has_no_place() -> None:
    assert read({**BODY, "data": {}}).place is None
