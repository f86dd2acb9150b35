"""Forms as browsers and mail providers post them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.contracts import Request
from integrations.exceptions import Malformed
from integrations.forms import MULTIPART, fields, is_form

PARTS = (
    b'--b\r\nContent-Disposition: form-data; name="subject"\r\n\r\nHello \xc3\xa9\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nno field\r\n--b--\r\n'
)


def posted(kind: str, body: bytes) -> Request:
    return Request(
        "POST", "https://dripline.test/hooks/x", {"content-type": kind}, body, datetime(2026, 9, 7, tzinfo=UTC)
    )


def test_fields_of_both_kinds_of_forms_files_left_out():
    assert fields(posted("multipart/form-data; boundary=b", PARTS)) == {"subject": "Hello \u00e9".encode()}
    assert fields(posted("application/x-www-form-urlencoded", b"a=1%0A&b=&a=%C3%A9")) == {"a": b"\xc3\xa9", "b": b""}
    assert is_form(posted("Multipart/Form-Data; boundary=b", b""))
    assert not is_form(posted("application/json", b"{}"))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", PARTS),
        ("multipart/form-data; boundary=b", b"nothing"),
        ("", b"nothing"),
        ("application/x-www-form-urlencoded", b"&".join([b"a=1"] * 1001)),
        ("multipart/form-data; boundary=b", PARTS[:70] * 1001),
    ],
)
def test_what_is_no_form_is_refused(kind: str, body: bytes):
    with pytest.raises(Malformed):
        fields(posted(kind, body))


@given(st.text(max_size=50), st.binary(max_size=200))
def test_whatever_comes_is_read_or_refused(kind: str, body: bytes):
    try:
        fields(posted(f"{MULTIPART}; boundary={kind}", body))
    except Malformed:
        return
