from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import pytest

from integrations.contracts import Ignored, Incoming, Unreadable
from integrations.exceptions import Unusable
from integrations.reading import at_path, email_identity, is_event_type, occurred_at, plain, read_each, text

NOW: Final = datetime(2026, 9, 7, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("ann@acme.test", "ann@acme.test"),
        ("  Ann.Lee+News@ACME.Test \n", "ann.lee+news@acme.test"),
        ("o'hara_1%x@mail.acme.co.uk", "o'hara_1%x@mail.acme.co.uk"),
        ("müller@büro.example", "müller@büro.example"),
        ("a@xn--bro-hoa.example", "a@büro.example"),
    ],
)
def test_addresses_are_written_in_one_way(given: str, expected: str) -> None:
    assert email_identity(given, "email") == ("email", expected)


@pytest.mark.parametrize(
    "given",
    [
        "ann", "@acme.test", "ann@", "ann@acme", "ann@acme.t", "ann@@acme.test", "ann@acme..test", "ann@.acme.test",
        "ann@acme.test.", "a b@acme.test", "ann@ac me.test", "ann@acme.test, ben@acme.test", "<ann@acme.test>",
        "Ann <ann@acme.test>", "ann@acme.test\r\nBcc: x@y.example", "ann\x00@acme.test", "ann@acme.test\x00",
        "ann@[127.0.0.1]", "ann@acme/test.example", "x" * 250 + "@acme.test", 7, True, ["ann@acme.test"], {"a": 1},
        "mailto:ann@acme.test", '"ann"@acme.test', "ann\u2028@acme.test",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(given: Any) -> None:
    with pytest.raises(Unusable) as error:
        email_identity(given, "email")
    assert error.value.reason == "bad-email"


@pytest.mark.parametrize("given", [None, ""])
def test_nobody_is_nobody(given: Any) -> None:
    with pytest.raises(Unusable) as error:
        email_identity(given, "email")
    assert error.value.reason == "no-identity"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (1788775200, NOW), (1788775200.5, NOW), (1788775190, NOW.replace(hour=9, minute=59, second=50)),
        (1788775190123, datetime(2026, 9, 7, 9, 59, 50, 123000, tzinfo=UTC)),
        ("1788775190", NOW.replace(hour=9, minute=59, second=50)),
        ("1788775190123", datetime(2026, 9, 7, 9, 59, 50, 123000, tzinfo=UTC)),
        ("1788775190.5", datetime(2026, 9, 7, 9, 59, 50, 500000, tzinfo=UTC)),
        ("2026-09-07T09:30:00Z", NOW.replace(hour=9, minute=30)),
        ("2026-09-07T11:30:00+02:00", NOW.replace(hour=9, minute=30)),
        ("2026-09-07T09:30:00", NOW.replace(hour=9, minute=30)),
        (" 2026-09-07 09:30 ", NOW.replace(hour=9, minute=30)),
        ("2026-09-07", NOW.replace(hour=0)),
        ("2026-09-08", NOW), (99999999999, NOW), (99999999999999, NOW),
        (946684800, datetime(2000, 1, 1, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_times_are_read_and_never_later_than_now(given: Any, expected: datetime) -> None:
    found = occurred_at(given, NOW, "timestamp")
    assert found == expected
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "given",
    [
        None, True, "", "soon", "yesterday", [], {}, -1, 0, 946684799, 1e300, -1e300, 2**63, 1788775190123456789,
        "9" * 16, "-5", "1999-12-31", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-13-01", "١٧٨",
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused(given: Any) -> None:
    with pytest.raises(Unusable) as error:
        occurred_at(given, NOW, "timestamp")
    assert error.value.reason == "bad-timestamp"


def test_paths_go_through_objects_and_lists() -> None:
    document = {"a": [{"b": 1}, {"b": 2}], "0": "zero"}
    assert at_path(document, ("a", "1", "b")) == 2
    assert at_path(document, ("0",)) == "zero"
    assert at_path(document, ()) is document
    for path in (("a", "2"), ("a", "x"), ("a", "-1"), ("x", "y"), ("0", "y"), ("a", "٢"), ("a", "9" * 5000)):
        assert at_path(document, path) is None


def test_only_plain_values_are_kept() -> None:
    for value in (None, True, 1, 1.5, "x", [], ["a", 1, None]):
        assert plain(value, "it") == value
    for value in ({}, [[]], [{}], ["a", {}]):
        with pytest.raises(Unusable, match="bad-value"):
            plain(value, "it")


def test_texts_are_bounded() -> None:
    assert text("x", "it") == "x"
    assert text(7, "it") == "7"
    for value in (None, "", "  ", True, 1.5, [], {}, "x" * 256):
        with pytest.raises(Unusable, match="bad-value"):
            text(value, "it")


def test_event_types_are_dotted_lower_case_names() -> None:
    assert all(map(is_event_type, ["form.submitted", "crm.stage_changed", "a.b.c2"]))
    wrong = [
        "form",
        "Form.submitted",
        ".a",
        "a.",
        "a..b",
        "a b.c",
        "a.b\n",
        "a-b.c",
        "",
        None,
        1,
        ["a.b"],
        "a." + "b" * 255,
    ]
    assert not any(map(is_event_type, wrong))


def read(part: Any, own: bytes, place: int) -> Incoming | Ignored:
    return Incoming(str(place), "a.b", NOW, (("user", part["who"]),), payload=own)


def test_a_nul_character_takes_only_its_own_event() -> None:
    body = b'[{"who": "ann"}, {"who": "b\\u0000en"}, {"who": "cleo", "note": "\\u0000"}, {"who": "a \\\\u0000 text"}]'
    parts = [{"who": "ann"}, {"who": "b\0en"}, {"who": "cleo", "note": "\0"}, {"who": "a \\u0000 text"}]
    kinds = [part.reason if isinstance(part, Unreadable) else "event" for part in read_each(parts, read, body)]
    assert kinds == ["event", "nul-character", "nul-character", "event"]


def test_an_event_too_deep_to_write_takes_only_itself() -> None:
    deep: Any = {"who": "ann"}
    for _ in range(300):
        deep = {"who": deep}
    parts = list(read_each([{"who": "ann"}, deep, {"who": "ben"}], read, b"[...]"))
    assert [type(part) for part in parts] == [Incoming, Unreadable, Incoming]
    assert parts[1] == Unreadable("too-deep", "the event is nested more than 254 levels deep.", b"[...]")
    assert parts[2].event_id == "2"  # type: ignore[union-attr]
