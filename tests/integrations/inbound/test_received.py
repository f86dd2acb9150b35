from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.contracts import Ignored, Incoming, Unreadable
from integrations.received import read
from tests.integrations.inbound.samples import NAME, OURS, arf, dsn, mail, reply

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
ABOUT_OURS = (("message", f"#{NAME}"),)


def event(raw: bytes) -> Incoming:
    made = read(raw, NOW)
    assert isinstance(made, Incoming), made
    return made


@pytest.mark.parametrize(
    ("status", "kind"),
    [("5.1.1", "hard"), ("5.0.0", "hard"), ("4.2.1", "soft"), ("5.2.2", "soft"), ("5.7.1", "soft"), ("", "soft")],
)
def test_a_bounce_is_hard_or_soft(status: str, kind: str):
    made = event(dsn(status=status))
    assert (made.type, made.identities, made.properties["kind"]) == ("email.bounced", ABOUT_OURS, kind)
    assert made.properties["message_id"] == OURS.strip("<>")
    assert "550 no such user" in made.properties["reason"]


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed"])
def test_a_report_of_anything_but_failure_is_left_out(action: str):
    assert read(dsn(action), NOW) == Ignored("delivery-report")


@pytest.mark.parametrize(
    ("kind", "type_"), [("abuse", "email.complained"), ("fraud", "email.complained"), ("opt-out", "email.unsubscribed")]
)
def test_a_complaint_is_about_the_mail_it_returns(kind: str, type_: str):
    made = event(arf(kind))
    assert (made.type, made.identities) == (type_, ABOUT_OURS)


def test_a_complaint_that_was_a_mistake_is_left_out():
    assert read(arf("not-spam"), NOW) == Ignored("feedback-not-spam")


@pytest.mark.parametrize("raw", [dsn(message_id="<other@victim.test>"), arf(message_id="<x@y.test>")])
def test_a_report_about_a_mail_that_is_not_ours_counts_for_nobody(raw: bytes):
    made = read(raw, NOW)
    assert isinstance(made, Unreadable)
    assert made.reason == "no-identity"


def test_an_answer_is_its_senders():
    made = event(reply())
    assert (made.type, made.identities) == ("email.replied", (("email", "ann@example.net"),))
    assert made.properties == {"subject": "Re: Hello", "message_id": OURS.strip("<>")}


@pytest.mark.parametrize(
    "raw",
    [
        reply("Auto-Submitted: auto-replied"),
        reply("Auto-Submitted: auto-generated; owner-email=a@b.test"),
        reply("X-Autoreply: yes"),
        reply("Precedence: bulk"),
        reply("List-Id: <list.example.net>"),
        reply(subject="Automatic reply: Hello"),
        reply(subject="Out of Office"),
        reply(subject="=?utf-8?q?Abwesenheitsnotiz=3A_Hallo?="),
    ],
)
def test_a_programs_answer_is_no_persons(raw: bytes):
    assert event(raw).type == "email.auto_replied"


def test_an_answer_that_says_it_is_not_automatic_is_a_persons():
    assert event(reply("Auto-Submitted: no")).type == "email.replied"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (reply(sender="MAILER-DAEMON@mx.example.net"), "unclear-bounce"),
        (reply("Return-Path: <>"), "unclear-bounce"),
        (reply(sender="nobody"), "no-identity"),
        (b"", "no-identity"),
        (mail("Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n--x--\n"), "malformed"),
        (mail("Content-Type: multipart/report; report-type=feedback-report; boundary=x\n\n--x--\n"), "malformed"),
    ],
)
def test_what_cannot_be_understood_is_for_a_person(raw: bytes, reason: str):
    made = read(raw, NOW)
    assert isinstance(made, Unreadable)
    assert (made.reason, made.payload) == (reason, raw)


def test_read_receipts_are_left_out():
    raw = mail("Content-Type: multipart/report; report-type=disposition-notification; boundary=x\n\n--x--\n")
    assert read(raw, NOW) == Ignored("read-receipt")


def test_the_same_mail_is_the_same_event():
    assert event(dsn()).event_id == event(dsn()).event_id != event(dsn(message_id=f"<{'f' * 32}@acme.test>")).event_id


@given(st.binary(max_size=400), st.integers(0, 3))
def test_nothing_that_is_received_does_harm(noise: bytes, sample: int):
    base = [b"", dsn(), arf(), reply()][sample]
    for raw in (noise + base, base + noise, base[: len(base) // 2] + noise + base[len(base) // 2 :]):
        assert isinstance(read(raw, NOW), Incoming | Ignored | Unreadable)
