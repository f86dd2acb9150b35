from __future__ import annotations

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.utils import unquote
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.contracts import Attachment, Mail
from integrations.exceptions import Rejected
from integrations.mime import BOUNDARY, build, parse_address

if TYPE_CHECKING:
    from email.message import EmailMessage

NOW: Final = datetime(2026, 9, 7, 10, tzinfo=UTC)
TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
HEADER: Final = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=300)


def mail(**given_: Any) -> Mail:
    standard = {
        "key": "k",
        "sender": "Nora <nora@northwind.example>",
        "to": "ann@acme.test",
        "subject": "Hello",
        "text": "Hello Ann",
        "message_id": "1.2@northwind.example",
    }
    return Mail(**{**standard, **given_})


def read(data: bytes) -> EmailMessage:
    """As Python's own parser understands it."""
    message: EmailMessage = message_from_bytes(data, policy=policy.SMTP)
    assert not message.defects
    return message


def unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


@given(TEXT, TEXT)
def test_what_was_written_is_what_is_read(text: str, html: str) -> None:
    letter = build(mail(text=text, html=html), NOW)
    message = read(letter.data)
    plain, rich = message.iter_parts()
    assert (plain.get_content_type(), rich.get_content_type()) == ("text/plain", "text/html")
    for part, written in ((plain, text), (rich, html)):
        payload: Any = part.get_payload(decode=True)
        assert unix(payload.decode()) == unix(written)


@given(TEXT)
def test_a_mail_without_html_is_text_alone(text: str) -> None:
    message = read(build(mail(text=text), NOW).data)
    payload: Any = message.get_payload(decode=True)
    assert message.get_content_type() == "text/plain"
    assert unix(payload.decode()).removesuffix("\n") == unix(text).removesuffix("\n")


@given(TEXT, TEXT, HEADER)
def test_every_line_is_short_ascii_and_ends_in_crlf(text: str, html: str, subject: str) -> None:
    data = build(mail(text=text, html=html, subject=subject), NOW).data
    assert data.isascii()
    assert data.endswith(b"\r\n")
    assert all(len(line) <= 78 for line in data.split(b"\r\n"))
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", data)
    assert data.count(b"--" + BOUNDARY.encode()) == 3


@given(HEADER)
def test_every_subject_arrives_as_it_was(subject: str) -> None:
    found = str(read(build(mail(subject=subject), NOW).data)["subject"])
    assert found == subject


@given(HEADER)
def test_every_senders_name_arrives_as_it_was(name: str) -> None:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    data = build(mail(sender=f'"{quoted}" <nora@northwind.example>'), NOW).data
    (address,) = read(data)["from"].addresses
    assert address.addr_spec == "nora@northwind.example"
    # The older parser: the newer one puts a blank between adjacent encoded words of a name, which RFC 2047 forbids.
    raw = message_from_bytes(data, policy=policy.compat32)["from"]
    raw = re.sub("<?nora@northwind.example>?", "", raw).strip()
    found = unquote(raw) if raw.startswith('"') else str(make_header(decode_header(raw)))
    assert found.strip() == name.strip()


@pytest.mark.parametrize(
    "subject",
    ["=?utf-8?q?a=20b?=", " leading", "trailing ", "tab\there", "x" * 500, "word " * 100, "", "Grüße", "🎉" * 60],
)
def test_subjects_that_a_naive_builder_gets_wrong(subject: str) -> None:
    assert str(read(build(mail(subject=subject), NOW).data)["subject"]) == subject


FILES: Final = st.lists(
    st.builds(
        Attachment,
        st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), max_size=40)
        .map(str.strip)
        .filter(bool),
        st.sampled_from(["application/pdf", "text/calendar", "image/svg+xml", "application/vnd.ms-excel"]),
        st.binary(max_size=300),
    ),
    min_size=1,
    max_size=3,
)


@given(TEXT, st.none() | TEXT, FILES)
def test_every_file_arrives_as_it_was_and_the_words_beside_it(
    text: str, html: str | None, files: list[Attachment]
) -> None:
    message = read(build(mail(text=text, html=html, attachments=tuple(files)), NOW).data)
    assert message.get_content_type() == "multipart/mixed"
    words, *parts = message.iter_parts()
    assert words.get_content_type() == ("text/plain" if html is None else "multipart/alternative")
    for subtype, written in (("plain", text), ("html", html)):
        part: Any = message.get_body((subtype,))
        assert part is None if written is None else unix(part.get_payload(decode=True).decode()) == unix(written)
    found = [(each.get_filename(), each.get_content_type(), each.get_payload(decode=True)) for each in parts]
    assert found == [(each.name, each.type, each.content) for each in files]
    assert [each.get_content_disposition() for each in parts] == ["attachment"] * len(files)


@pytest.mark.parametrize(
    "file",
    [
        Attachment("", "text/plain", b""),
        Attachment("../a", "text/plain", b""),
        Attachment("a\r\nX-Evil: yes", "text/plain", b""),
        Attachment("a", "text/plain\r\nX-Evil: yes", b""),
        Attachment("a", "multipart/mixed", b""),
        Attachment("a", "pdf", b""),
    ],
)
def test_a_file_whose_head_would_break_out_is_rejected(file: Attachment) -> None:
    with pytest.raises(Rejected, match="bad-attachment"):
        build(mail(attachments=(file,)), NOW)


def test_answers_go_where_they_are_asked_to() -> None:
    message = read(build(mail(reply_to="Grüße aus Köln <antwort@köln.example>"), NOW).data)
    (address,) = message["reply-to"].addresses
    assert (address.display_name, address.addr_spec) == ("Grüße aus Köln", "antwort@xn--kln-sna.example")


def test_the_headers() -> None:
    extra = {"List-Unsubscribe": "<https://x.example/u?a=b>", "X-A": "ä"}
    message = read(build(mail(headers=extra), NOW).data)
    assert dict(message.items()) == {
        "From": "Nora <nora@northwind.example>",
        "To": "ann@acme.test",
        "Subject": "Hello",
        "Date": "Mon, 07 Sep 2026 10:00:00 +0000",
        "Message-ID": "<1.2@northwind.example>",
        "MIME-Version": "1.0",
        "List-Unsubscribe": "<https://x.example/u?a=b>",
        "X-A": "ä",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "quoted-printable",
    }


def test_text_that_is_mostly_not_ascii_is_base64() -> None:
    message = read(build(mail(text="Здравствуйте, Анна"), NOW).data)
    assert message["content-transfer-encoding"] == "base64"


def test_a_text_cannot_pretend_to_be_the_next_part() -> None:
    message = read(build(mail(text=f"--{BOUNDARY}\r\nContent-Type: text/html\r\n\r\n<b>", html="<p>"), NOW).data)
    assert len(list(message.iter_parts())) == 2


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("ann@acme.test", ("", "ann@acme.test")),
        (" ann@acme.test ", ("", "ann@acme.test")),
        ("<ann@acme.test>", ("", "ann@acme.test")),
        ("Ann Lee <ann@acme.test>", ("Ann Lee", "ann@acme.test")),
        ("Northwind, Inc. <ann@acme.test>", ("Northwind, Inc.", "ann@acme.test")),
        (r'"Ann \"The\" Lee" <ann@acme.test>', ('Ann "The" Lee', "ann@acme.test")),
        ("Jürgen <j@büro.example>", ("Jürgen", "j@xn--bro-hoa.example")),
        ("jürgen@büro.example", ("", "jürgen@xn--bro-hoa.example")),
    ],
)
def test_addresses_are_taken_apart(given_: str, expected: tuple[str, str]) -> None:
    assert parse_address(given_) == expected


@pytest.mark.parametrize(
    "given_",
    [
        "",
        "ann",
        "ann@",
        "@acme.test",
        "Ann ann@acme.test",
        "a@b <c@d.example> e",
        "a b@c.test",
        "a@" + "ä" * 70 + ".test",
    ],
)
def test_what_is_no_address_is_rejected(given_: str) -> None:
    with pytest.raises(Rejected, match="bad-address"):
        parse_address(given_)


def test_domains_are_written_as_idna_2008_has_them() -> None:
    assert parse_address("a@straße.example") == ("", "a@xn--strae-oqa.example")
    assert parse_address("a@BÜRO.example") == ("", "a@xn--bro-hoa.example")


def test_only_letters_beyond_ascii_before_the_at_need_a_modern_server() -> None:
    assert not build(mail(to="j@büro.example"), NOW).international
    assert build(mail(to="jürgen@acme.test"), NOW).international
