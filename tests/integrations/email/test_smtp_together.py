"""Several mails over one session, their commands in as few writes as the server lets us: each with its own outcome."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from integrations.contracts import Accepted
from integrations.email.smtp import MOST, Company
from integrations.exceptions import NotBegun, Rejected, Unavailable, Unknown
from integrations.mime import build
from tests.contract import hostile, scripted
from tests.contract.outcomes import cases, check, outcome, staged
from tests.integrations.email.test_smtp import MAIL, Inbox, adapter, server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from integrations.contracts import Mail
    from integrations.email.smtp import Adapter
    from integrations.exceptions import DeliveryError
    from integrations.mime import Letter
    from tests.contract.outcomes import Case

EHLO: Final = "250-test\r\n250 PIPELINING"
MAILS: Final = [replace(MAIL, to=f"lead{number}@acme.test") for number in range(5)]
BY_SMTP: Final = [case for case in cases("email", "smtp") if "smtp" in case.server]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine nothing is too late, except where a test is about that."""
    monkeypatch.setattr("integrations.email.smtp.PROMPT", 30.0)


@contextmanager
def quick(**replies: Any) -> Iterator[tuple[scripted.Smtp, Adapter]]:
    """A server that takes commands together, and an adapter that sends several mails at once."""
    with scripted.Smtp(replies={"ehlo": EHLO, **replies}) as it, adapter(it.port) as smtp:
        yield it, smtp


def kinds(results: list[Accepted | DeliveryError]) -> list[type]:
    return [type(each) for each in results]


@pytest.mark.parametrize("case", BY_SMTP, ids=str)
def test_commands_that_leave_together_change_no_outcome(case: Case, tmp_path: Path) -> None:
    together = replace(case, server={"smtp": {"ehlo": EHLO, **case.server["smtp"]}})
    mail = replace(MAIL, text="x" * case.mail["size"]) if "size" in case.mail else MAIL
    with staged(together, tmp_path) as (smtp, _):
        check(outcome(lambda: smtp.send(mail)), case.expect)


def test_the_next_mail_is_announced_with_the_end_of_the_one_before() -> None:
    with quick() as (it, smtp):
        results = smtp.send_many(MAILS)
    assert results == [Accepted("ABC123")] * 5
    assert it.connections == 1
    assert len(it.mails) == 5
    assert [each for each in it.commands if each.startswith("RCPT")] == [f"RCPT TO:<{mail.to}>" for mail in MAILS]
    assert sum(each.startswith("DATA") for each in it.commands) == 5


def test_a_mail_that_is_refused_takes_none_with_it() -> None:
    with quick(rcpt=["250 fine", "550 5.1.1 no such user"], data=["354 go on", "554 5.5.1 nobody"]) as (it, smtp):
        results = smtp.send_many(MAILS)
    assert kinds(results) == [Accepted, Rejected, Accepted, Accepted, Accepted]
    assert str(results[1]).startswith("550")
    assert len(it.mails) == 4
    assert it.connections == 1


def test_nor_does_one_that_is_refused_once_it_was_read() -> None:
    with quick(end=["250 fine", "554 5.7.1 spam", "452 4.3.1 disk full"]) as (it, smtp):
        results = smtp.send_many(MAILS)
    assert kinds(results) == [Accepted, Rejected, Unavailable, Accepted, Accepted]
    assert it.connections == 1


def test_a_server_that_wants_the_text_of_a_mail_without_recipients_gets_none() -> None:
    with quick(rcpt=["550 5.1.1 no such user"], end=["554 5.5.1 no valid recipients"]) as (it, smtp):
        results = smtp.send_many(MAILS[:2])
    assert kinds(results) == [Rejected, Accepted]
    assert it.mails[0] == b""
    assert len(it.mails) == 2


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ({"end": ["250 fine", "drop"]}, [Accepted, Unknown, Accepted, Accepted, Accepted]),
        ({"end": ["250 fine", "what"]}, [Accepted, Unknown, Accepted, Accepted, Accepted]),
        ({"end": ["250 fine", "421 4.3.2 closing"]}, [Accepted, Unavailable, Accepted, Accepted, Accepted]),
        ({"rcpt": ["250 fine", "drop"]}, [Accepted, Unavailable, Accepted, Accepted, Accepted]),
        ({"data": ["354 go on", "drop"]}, [Accepted, Unavailable, Accepted, Accepted, Accepted]),
        ({"mail": ["250 fine", "421 4.3.2 closing"]}, [Accepted, Unavailable, Accepted, Accepted, Accepted]),
    ],
)
def test_a_session_that_is_lost_leaves_one_unclear_at_most_and_another_one_takes_the_rest(
    replies: dict[str, Any], expected: list[type]
) -> None:
    with quick(**replies) as (it, smtp):
        assert kinds(smtp.send_many(MAILS)) == expected
    assert it.connections == 2


def test_where_there_is_no_session_one_mail_is_told_so_and_the_others_were_not_tried() -> None:
    with adapter(scripted.nobody_listens()) as smtp:
        assert kinds(smtp.send_many(MAILS)) == [Unavailable, NotBegun, NotBegun, NotBegun, NotBegun]


def test_a_mail_that_cannot_be_built_is_refused_and_the_others_go() -> None:
    bad = replace(MAIL, to="nobody")
    with quick() as (it, smtp):
        assert kinds(smtp.send_many([bad, MAIL, bad, MAIL])) == [Rejected, Accepted, Rejected, Accepted]
    assert len(it.mails) == 2


def test_our_own_mistake_with_one_mail_makes_no_other_unclear(monkeypatch: pytest.MonkeyPatch) -> None:
    def built(mail: Mail, now: datetime) -> Letter:
        if mail.to == MAILS[1].to:
            raise ZeroDivisionError("a bug")
        return build(mail, now)

    def stuffed(data: bytes) -> bytes:
        if MAILS[3].to.encode() in data:
            raise ZeroDivisionError("another one")
        return data

    monkeypatch.setattr("integrations.email.smtp.build", built)
    monkeypatch.setattr("integrations.dialogue._stuffed", stuffed)
    with quick() as (it, smtp):
        assert kinds(smtp.send_many(MAILS)) == [Accepted, Rejected, Accepted, Unknown, Accepted]
    assert len(it.mails) == 3


def test_nobody_is_kept_waiting_by_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their person may have refused meanwhile."""
    monkeypatch.setattr("integrations.email.smtp.PROMPT", 0.0)
    with quick() as (it, smtp):
        assert kinds(smtp.send_many(MAILS)) == [Accepted, NotBegun, NotBegun, NotBegun, NotBegun]
        assert smtp.send(MAIL) == Accepted("ABC123")
    assert [each for each in it.commands if each.startswith("RCPT")][-1] == "RCPT TO:<ann@acme.test>"
    assert len(it.mails) == 2
    assert it.connections == 2, "a mail was announced, and another one was sent"


def test_sessions_end_after_so_many_mails_here_too() -> None:
    with scripted.Smtp(replies={"ehlo": EHLO}) as it, adapter(it.port, per_connection=2) as smtp:
        assert kinds(smtp.send_many(MAILS)) == [Accepted] * 5
    assert it.connections == 3


def test_a_server_that_takes_one_command_at_a_time_gets_them_so() -> None:
    inbox = Inbox()
    with server(inbox) as port, adapter(port) as smtp:
        assert kinds(smtp.send_many([*MAILS, replace(MAIL, to="nobody@acme.test"), MAIL])) == [
            *[Accepted] * 5, Rejected, Accepted,
        ]  # fmt: skip
    assert len(inbox.envelopes) == 6
    assert len(inbox.peers) == 1


@pytest.mark.parametrize("seed", range(3))
def test_whatever_a_server_does_to_its_answers_each_mail_is_judged_rightly(seed: int) -> None:
    mails: list[Mail] = [replace(MAIL, to=f"lead{number}@acme.test") for number in range(40)]
    with hostile.Smtp(seed=seed, extension="PIPELINING") as it, adapter(it.port, accept_timeout=0.2) as smtp:
        results = [result for start in range(0, 40, 5) for result in smtp.send_many(mails[start : start + 5])]
    for mail, result in zip(mails, results, strict=True):
        taken = it.taken[mail.to]
        assert taken == 1 if isinstance(result, Accepted) else isinstance(result, Unknown) or not taken
        assert taken <= 1


def test_a_call_has_as_many_mails_as_begin_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.email.smtp.PROMPT", 0.02)
    company = Company()
    for _ in range(10):
        company.took(company.most, company.most * 0.0001)
    assert company.most == MOST
    company.took(MOST, 1.0)
    assert company.most == 1
    company.took(1, 0.001)
    assert company.most == 2
