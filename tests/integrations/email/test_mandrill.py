"""What is Mandrill's own: the address that is signed, and the calls that its own client makes."""

from __future__ import annotations

import base64
import hmac
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

import mailchimp_transactional
import pytest

from integrations.contracts import Ignored, Request
from integrations.email.mandrill import Adapter, Feedback
from integrations.exceptions import BadSignature, ConfigurationError
from tests.contract import comparing, scripted
from tests.contract.outcomes import MAIL
from tests.contract.recorded import recorded
from tests.contract.test_email import TRACE

URL: Final = "https://dripline.test/hooks/mandrill"
NOW: Final = datetime(2026, 9, 7, 10, tzinfo=UTC)


def test_their_client_makes_the_same_call(monkeypatch: pytest.MonkeyPatch) -> None:
    comparing.no_proxies(monkeypatch)
    with comparing.recorder(status=200, json=[{"status": "sent", "_id": "m1"}]) as server:
        comparing.send(Adapter("md-test", base_url=comparing.url(server)), MAIL)
        client = mailchimp_transactional.Client("md-test")
        client.api_client.host = f"{comparing.url(server)}/api/1.0"
        message = {
            "from_email": "nora@northwind.example",
            "from_name": "Nora at Northwind",
            "to": [{"email": MAIL.to, "type": "to"}],
            "subject": MAIL.subject,
            "text": MAIL.text,
            "html": MAIL.html,
            "headers": {**MAIL.headers, "Message-ID": f"<{MAIL.message_id}>"},
            "metadata": {"dripline_key": MAIL.key},
            "merge": False,
        }
        client.messages.send({"message": message, "async": False})
    ours, theirs = server.requests
    comparing.assert_same(ours, {**theirs, "path": theirs["path"].removesuffix(".json")}, headers=())


def delivery(events: str, key: str, url: str = URL, **more: str) -> Request:
    fields = {"mandrill_events": events, **more}
    signed = url + "".join(name + fields[name] for name in sorted(fields))
    signature = base64.b64encode(hmac.digest(key.encode(), signed.encode(), "sha1")).decode()
    return Request("POST", URL, {"x-mandrill-signature": signature}, urlencode(fields).encode(), NOW)


def test_the_address_is_tried_before_there_is_a_key() -> None:
    source = Feedback()
    source.verify(delivery("[]", "test-webhook"))
    assert list(source.normalise(delivery("[]", "test-webhook"))) == []
    with pytest.raises(BadSignature, match="WEBHOOK_KEYS"):
        source.verify(delivery('[{"event":"send"}]', "test-webhook"))


def test_all_fields_are_signed_and_any_of_the_keys_will_do() -> None:
    source = Feedback(("first", "second"))
    for key in ("first", "second"):
        source.verify(delivery('[{"event":"send"}]', key, zeta="ü", alpha=""))
    with pytest.raises(BadSignature):
        source.verify(delivery('[{"event":"send"}]', "third"))


def test_the_address_may_be_another_one_than_was_posted_to() -> None:
    entered = "https://user:password@outside.example/in/?x=1"
    request = delivery('[{"event":"send"}]', "key", entered)
    with pytest.raises(BadSignature, match="WEBHOOK_URL"):
        Feedback(("key",)).verify(request)
    Feedback(("key",), webhook_url=entered).verify(request)


@pytest.mark.parametrize("body", [b"mandrill_events", b"&".join([b"a=1"] * 50), b"\xff\xfe"])
def test_what_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(BadSignature, match="no form"):
        Feedback(("key",)).verify(replace(delivery("[]", "key"), body=body))


def test_what_was_set_aside_can_be_put_through_again() -> None:
    case = next(case for case in recorded("mandrill") if case.name == "others")
    again = replace(case.request, body=b'[{"type":"blacklist"}]')
    assert list(case.source.normalise(again)) == [Ignored("account-event")]


def test_too_many_mails_to_one_person_are_no_proof_of_absence() -> None:
    step = {"status": 200, "json": [{"metadata": {}}] * 100}
    with scripted.Http(steps=[step]) as server:
        adapter = Adapter("md-test", base_url=comparing.url(server))
        with pytest.raises(Exception, match="more about this recipient"):
            adapter.find(TRACE)
        adapter.close()
    asked = server.requests[0]["json"]
    assert (asked["query"], asked["date_from"]) == ("email:ann@acme.test", "2026-09-06")


@pytest.mark.parametrize("given", [{"webhook_keys": ("a b\n",)}, {"webhook_url": "hooks/mandrill"}])
def test_a_wrong_setting_is_named(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as error:
        Feedback(**given)
    assert error.value.field in given
