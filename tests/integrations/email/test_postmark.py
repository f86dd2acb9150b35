"""What is Postmark's own: many mails in a call, and the calls that its own client makes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import postmark.sync as postmark
import pytest
from postmark.models.outbound import Email

from integrations.contracts import Accepted, BatchProvider, Incoming
from integrations.email.postmark import Adapter, Feedback
from integrations.exceptions import BadSignature, ConfigurationError, Rejected, Unavailable, Unknown
from tests.contract import comparing, scripted
from tests.contract.outcomes import MAIL
from tests.contract.recorded import recorded

MAILS = [replace(MAIL, key=f"mail:{number}", to=f"lead{number}@acme.test") for number in range(4)]
SENT: dict[str, Any] = {
    "ErrorCode": 0, "Message": "OK", "MessageID": "m", "To": MAIL.to, "SubmittedAt": "2026-09-07T10:00:00Z"
}  # fmt: skip


def taken(number: int) -> dict[str, Any]:
    return {**SENT, "MessageID": f"m{number}"}


def theirs(server: Any) -> postmark.ServerClient:
    return postmark.ServerClient("token", retries=0, base_url=comparing.url(server))


def test_their_client_makes_the_same_call(monkeypatch: pytest.MonkeyPatch) -> None:
    comparing.no_proxies(monkeypatch)
    headers = {**MAIL.headers, "Message-ID": f"<{MAIL.message_id}>", "X-PM-KeepID": "true"}
    mail = Email(
        From='"Nora at Northwind" <nora@northwind.example>',
        To=MAIL.to,
        Subject=MAIL.subject,
        TextBody=MAIL.text,
        HtmlBody=MAIL.html,
        MessageStream="outbound",
        Metadata={"dripline_key": MAIL.key},
        Headers=[{"Name": name, "Value": value} for name, value in headers.items()],
    )
    with comparing.recorder(status=200, json=SENT) as server:
        comparing.send(Adapter("token", base_url=comparing.url(server)), MAIL)
        with theirs(server) as client:
            client.outbound.send(mail)
    comparing.assert_same(*server.requests, headers=("x-postmark-server-token",))


def test_their_client_makes_the_same_call_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    comparing.no_proxies(monkeypatch)
    with comparing.recorder(status=200, json=[taken(0), taken(1)]) as server:
        comparing.send(Adapter("token", base_url=comparing.url(server)), *MAILS[:2])
        with theirs(server) as client:
            client.outbound.send_batch(server.requests[0]["json"])
    comparing.assert_same(*server.requests, headers=("x-postmark-server-token",))


def sent_many(*steps: dict[str, Any], mails: Any = MAILS, **given: Any) -> tuple[list[Any], list[dict[str, Any]]]:
    """What became of each mail, and the requests that were made."""
    with scripted.Http(steps=list(steps)) as server:
        adapter = Adapter("token", base_url=comparing.url(server), **given)
        assert isinstance(adapter, BatchProvider)
        outcomes = adapter.send_many(mails)
        adapter.close()
    return [each if isinstance(each, Accepted) else type(each) for each in outcomes], server.requests


def test_each_mail_of_a_call_has_its_own_outcome() -> None:
    inactive, no_sender = {"ErrorCode": 406, "Message": "inactive"}, {"ErrorCode": 400, "Message": "no signature"}
    outcomes, requests = sent_many({"status": 200, "json": [taken(0), inactive, no_sender, {}]})
    assert outcomes == [Accepted("m0"), Rejected, Unavailable, Unknown]
    assert [each["path"] for each in requests] == ["/email/batch"]
    assert [each["Metadata"] for each in requests[0]["json"]] == [{"dripline_key": mail.key} for mail in MAILS]


def test_a_mail_that_cannot_be_written_does_not_keep_the_others() -> None:
    mails = [MAILS[0], replace(MAILS[1], subject="a\r\nBcc: eve@evil.test"), MAILS[2]]
    outcomes, requests = sent_many({"status": 200, "json": [taken(0), taken(2)]}, mails=mails)
    assert outcomes == [Accepted("m0"), Rejected, Accepted("m2")]
    assert len(requests[0]["json"]) == 2


def test_one_mail_is_no_batch() -> None:
    outcomes, requests = sent_many({"status": 200, "json": taken(0)}, mails=MAILS[:1])
    assert (outcomes, requests[0]["path"]) == ([Accepted("m0")], "/email")


@pytest.mark.parametrize(
    ("step", "outcome"),
    [
        ({"drop": "reading"}, Unknown),
        ({"silent": True}, Unknown),
        ({"status": 500}, Unknown),
        ({"status": 200, "json": [SENT]}, Unknown),
        ({"status": 200, "body": "<html>"}, Unknown),
        ({"status": 200, "json": [1, 2, 3, 4]}, Unknown),
        ({"status": 503}, Unavailable),
        ({"status": 429}, Unavailable),
        ({"status": 401, "json": {"ErrorCode": 10}}, Unavailable),
        ({"status": 422, "json": {"ErrorCode": 410}}, Rejected),
    ],
)
def test_what_becomes_of_a_call_becomes_of_each_of_its_mails(step: dict[str, Any], outcome: type[Exception]) -> None:
    outcomes, requests = sent_many(step, read_timeout=0.3)
    assert outcomes == [outcome] * 4
    assert len(requests) == 1


def test_a_call_that_is_too_large_is_made_mail_by_mail() -> None:
    steps = [{"status": 413}, {"status": 200, "json": taken(0)}, {"status": 413}, {"status": 200, "json": taken(2)}]
    outcomes, requests = sent_many(*steps)
    assert outcomes == [Accepted("m0"), Rejected, Accepted("m2"), Accepted("m2")]
    assert [each["path"] for each in requests] == ["/email/batch", *["/email"] * 4]


def test_the_login_can_be_replaced_and_has_to_be_long() -> None:
    case = recorded("postmark")[0]
    Feedback("dripline:a-newer-password", previous_webhook_login="dripline:correct-horse-battery").verify(case.request)
    with pytest.raises(BadSignature, match="another login"):
        Feedback("dripline:a-newer-password").verify(case.request)
    for wrong in ("", "a:b", "dripline:with a blank inside", "dripline:pässwörter-sind-lang"):
        with pytest.raises(ConfigurationError) as error:
            Feedback(wrong)
        assert error.value.field == "webhook_login"


def test_a_reason_that_is_a_list_is_no_reason_to_break() -> None:
    bounce = next(each for each in recorded("postmark") if each.name == "hard-bounce")
    request = bounce.saying(orjson.dumps({**bounce.document, "Type": ["HardBounce"]}))
    (found,) = bounce.source.normalise(request)
    assert isinstance(found, Incoming)
    assert (found.type, found.properties["kind"]) == ("email.bounced", "soft")
