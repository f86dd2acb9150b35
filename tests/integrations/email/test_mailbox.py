from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.contracts import Mail
from integrations.email.mailbox import Adapter, Stored, file_name
from integrations.exceptions import ConfigurationError, Unavailable

if TYPE_CHECKING:
    from pathlib import Path

NOW: Final = datetime(2026, 9, 7, 10, tzinfo=UTC)
MAIL: Final = Mail(
    key="mail:17:welcome:1:hello",
    sender="Nora <nora@northwind.example>",
    to="ann@acme.test",
    subject="Grüße",
    text="Hello Ann\n",
    html="<p>Hällo</p>",
    message_id="1@northwind.example",
)


@pytest.fixture
def mailbox(tmp_path: Path) -> Adapter:
    return Adapter(tmp_path / "mail" / "box", clock=lambda: NOW)


def test_what_was_sent_can_be_read(mailbox: Adapter) -> None:
    ref = mailbox.send(MAIL).ref
    assert mailbox.read(ref) == Stored(
        name=ref,
        sender="Nora <nora@northwind.example>",
        to="ann@acme.test",
        subject="Grüße",
        date=NOW,
        message_id="1@northwind.example",
        text="Hello Ann\n",
        html="<p>Hällo</p>",
    )


def test_a_mail_without_html_has_none(mailbox: Adapter) -> None:
    stored = mailbox.read(mailbox.send(replace(MAIL, html=None)).ref)
    assert stored is not None
    assert (stored.text.strip(), stored.html) == ("Hello Ann", None)


def test_the_same_key_is_one_mail(mailbox: Adapter) -> None:
    first = mailbox.send(MAIL)
    assert mailbox.send(replace(MAIL, subject="Another")) == first
    (stored,) = mailbox.list()
    assert stored.subject == "Grüße"


def test_many_threads_and_one_key_make_one_whole_file(mailbox: Adapter) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(mailbox.send, [MAIL] * 50))) == 1
    assert len(list(mailbox.folder.iterdir())) == 1


def test_the_newest_come_first(mailbox: Adapter) -> None:
    for number in range(5):
        ref = mailbox.send(replace(MAIL, key=f"mail:{number}", subject=f"Number {number}")).ref
        os.utime(mailbox.folder / ref, ns=(number, number))
    assert [stored.subject for stored in mailbox.list(3)] == ["Number 4", "Number 3", "Number 2"]


@pytest.mark.parametrize("name", ["", "x", "../box/x.eml", "/etc/passwd", "x.eml", "a/b.eml", ".eml", "..", "x\0.eml"])
def test_only_mails_of_the_box_can_be_read(mailbox: Adapter, name: str) -> None:
    mailbox.send(MAIL)
    (mailbox.folder.parent / "x.eml").write_text("Subject: secret\n\n")
    (mailbox.folder / ".hidden.eml").write_text("Subject: secret\n\n")
    assert mailbox.read(name) is None


def test_a_file_that_is_being_written_is_not_listed(mailbox: Adapter) -> None:
    (mailbox.folder / "tmp123.part").write_text("Subj")
    assert mailbox.list() == ()


def test_a_file_that_is_no_mail_does_not_break_the_list(mailbox: Adapter) -> None:
    (mailbox.folder / "odd.eml").write_bytes(b"\xff\xfe\x00 no mail at all")
    (mailbox.folder / "date.eml").write_bytes(b"Date: when?\r\nContent-Type: text/plain; charset=klingon\r\n\r\n\xff")
    assert [stored.date for stored in mailbox.list()] == [None, None]


@given(st.text(max_size=300))
def test_file_names_are_safe_and_short(key: str) -> None:
    name = file_name(key)
    assert name.isascii()
    assert len(name) < 120
    assert "/" not in name
    assert not name.startswith(".")


def test_keys_that_look_alike_get_files_of_their_own() -> None:
    assert len({file_name(key) for key in ("a:b", "a-b", "a/b", "A:b", "a" * 200, "a" * 201, "", ":")}) == 8


def test_a_folder_that_cannot_be_made_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError) as error:
        Adapter(tmp_path / "file" / "box")
    assert error.value.field == "folder"


def test_a_folder_that_has_gone_is_unavailable(mailbox: Adapter) -> None:
    mailbox.folder.rmdir()
    with pytest.raises(Unavailable, match="cannot be written"):
        mailbox.send(MAIL)
