"""What every webhook source has to do. Finds all adapters by itself; a new one needs only its recorded deliveries."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations import discovery
from integrations.contracts import BatchSource, Ignored, Incoming, Unreadable
from integrations.exceptions import BadSignature, Malformed
from integrations.reading import EARLIEST, LONGEST_IDENTITY
from tests.contract.recorded import FIXTURES, Recorded, as_data, recorded
from workers.rulebook.declarations import STANDARD_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integrations.contracts import Request

ADAPTERS = discovery.names("sources")
CASES = [case for adapter in ADAPTERS for case in recorded(adapter)]
BATCHES = [case for case in CASES if len(list(case.source.normalise(case.request))) > 1]
GARBAGE = {
    "empty": b"",
    "blank": b" ",
    "not JSON": b"email=ann%40acme.test",
    "cut off": b'[{"email": "ann@acme.t',
    "null": b"null",
    "a number": b"7",
    "a text": b'"hello"',
    "not UTF-8": b'{"type": "\xff\xfe"}',
    "half a surrogate": b'{"type": "\\ud800"}',
    "raw NUL": b'{"type": "a\x00b"}',
    "NaN": b'{"timestamp": NaN}',
    "endless number": b'{"timestamp": 1' + b"0" * 5000 + b"}",
    "very deep": b"[" * 100_000,
    "deep": b"[" * 1000 + b"]" * 1000,
    "deep in a list": b"[" + b'{"a":' * 1000 + b"1" + b"}" * 1000 + b"]",
    "empty list": b"[]",
    "list of nothing": b"[null, 1, [], {}, true]",
    "empty object": b"{}",
}


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_every_adapter_has_a_recorded_delivery(adapter: str) -> None:
    assert recorded(adapter), f"record one: {FIXTURES / 'sources' / adapter}/<case>.body and .yaml (see recorded.py)"
    assert any("event_id" in each for case in recorded(adapter) for each in case.expect), "none of them is an event"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_recorded_delivery_becomes_these_events(case: Recorded) -> None:
    case.source.verify(case.request)
    assert as_data(case.source.normalise(case.request)) == case.expect


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_becomes_of_mails_and_opportunities_needs_no_declaration(case: Recorded) -> None:
    for part in case.source.normalise(case.request):
        if isinstance(part, Incoming) and part.type.startswith(("email.", "crm.")):
            assert part.type in STANDARD_EVENTS


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_original_is_kept(case: Recorded) -> None:
    whole = case.whole
    for part in case.source.normalise(case.request):
        if not isinstance(part, Ignored) and part.payload != case.request.body:
            original = orjson.loads(part.payload)
            assert original == whole or orjson.dumps(original) in orjson.dumps(whole)


@pytest.mark.parametrize("case", BATCHES, ids=str)
def test_a_part_of_a_batch_is_read_again_by_itself_as_what_it_was(case: Recorded) -> None:
    assert isinstance(case.source, BatchSource)
    for place, part in enumerate(case.source.normalise(case.request)):
        if not isinstance(part, Ignored):
            assert case.source.read_part(replace(case.request, body=part.payload), place) == part


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_changed_body_is_refused(case: Recorded) -> None:
    for changed in changed_bodies(case):
        with pytest.raises(BadSignature):
            case.source.verify(replace(case.request, body=changed))


def changed_bodies(case: Recorded) -> list[bytes]:
    """Bodies that the sender did not sign; none if it signs no body at all."""
    body = case.request.body
    if case.proof == "sender":
        return []
    forged = [body.replace(before.encode(), after.encode()) for before, after in case.forged]
    assert body not in forged
    if case.proof == "parts":
        assert forged, "name what is signed in `forged`"
        return [*forged, b"", body[:-1], b"null", b"[]", b"\xff"]
    return [*forged, body + b" ", body[:-1], b" " + body, b"", bytes([body[0] ^ 1]) + body[1:]]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_without_any_header_that_was_signed_it_is_refused(case: Recorded) -> None:
    for missing in case.checked:
        headers = {name: value for name, value in case.request.headers.items() if name != missing}
        with pytest.raises(BadSignature):
            case.source.verify(replace(case.request, headers=headers))


WRONG = ["", " ", "x", "v1,", "sha256=", "=", "é", "\ud800", "v1,AAAA", "MEUCIG==", "A" * 9000]


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_wrong_header_is_refused(case: Recorded, wrong: str) -> None:
    for name in case.checked:
        with pytest.raises(BadSignature):
            case.source.verify(replace(case.request, headers={**case.request.headers, name: wrong}))


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=list(GARBAGE))
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_garbage_is_refused_or_kept_with_a_reason(adapter: str, garbage: bytes) -> None:
    for case in recorded_once(adapter):
        for request in (replace(case.request, body=garbage), case.saying(garbage)):
            assert all(isinstance(part, Unreadable) for part in parts_of(case, request))


def parts_of(case: Recorded, request: Request) -> list[Incoming | Unreadable | Ignored]:
    """What the source makes of a delivery; nothing if it refuses all of it."""
    try:
        return list(case.source.normalise(request))
    except Malformed:
        return []


HOSTILE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(["\x00", "a\x00@acme.test", "ann@acme.test\r\nBcc: x", "x" * 9000]),
    st.sampled_from(["1e999", "9" * 400, "0001-01-01", "9999-12-31T23:59:59-23:59", "\\u0000", "\\\\u0000"]),
    st.lists(st.integers(0, 9), max_size=2),
    st.builds(lambda: [[["deep"]]]),  # a new one each time: it may be changed in turn
    st.builds(lambda: {"a": {"b": [{}]}}),
)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_whatever_stands_in_a_delivery_no_event_breaks_the_log(adapter: str, data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(recorded_once(adapter)))
    document = case.document
    for _ in range(data.draw(st.integers(1, 3))):
        places = list(_places(document))
        if places:
            container, key = data.draw(st.sampled_from(places))
            container[key] = data.draw(HOSTILE)
    for part in parts_of(case, case.saying(orjson.dumps(document))):
        _check(part, case)


_loaded: dict[str, list[Recorded]] = {}


def recorded_once(adapter: str) -> list[Recorded]:
    return _loaded.setdefault(adapter, recorded(adapter))


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON document where a value could be replaced."""
    if isinstance(document, dict | list):
        for key, value in list(document.items() if isinstance(document, dict) else enumerate(document)):
            yield document, key
            yield from _places(value)


def _check(part: Incoming | Unreadable | Ignored, case: Recorded) -> None:
    """What the event log relies on."""
    if not isinstance(part, Incoming):
        assert part.reason
        return
    assert part.occurred_at.tzinfo is UTC
    assert EARLIEST <= part.occurred_at <= case.request.received_at
    assert part.event_id
    assert part.identities
    assert all(value and len(value) <= LONGEST_IDENTITY for _, value in part.identities)
    written = orjson.dumps([part.event_id, part.type, part.identities, part.properties, part.lead])
    assert b"\\u0000" not in written.replace(b"\\\\", b"")
    orjson.loads(part.payload)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_event_from_the_future_happened_when_it_was_received(adapter: str) -> None:
    for case in recorded(adapter):
        early = replace(case.request, received_at=case.request.received_at - timedelta(days=30))
        for part in case.source.normalise(early):
            if isinstance(part, Incoming):
                assert part.occurred_at == early.received_at


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_unknown_option_is_named_and_no_setting_is_needed_for_that(adapter: str) -> None:
    with pytest.raises(discovery.ConfigurationError, match="no_such_option") as refused:
        discovery.check_options("sources", adapter, {"no_such_option": 1})
    assert refused.value.option == ("no_such_option",)
