"""What is SparkPost's own: its template language kept out of mails, and the calls that its own client makes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import pytest
from sparkpost import SparkPost

from integrations.email.sparkpost import Adapter, content, literally
from integrations.exceptions import Unavailable
from integrations.posting import parts
from tests.contract import comparing, scripted
from tests.contract.outcomes import MAIL
from tests.contract.test_email import TRACE

NOW: Final = datetime(2026, 9, 7, 10, tzinfo=UTC)


def test_their_client_makes_the_same_call(monkeypatch: pytest.MonkeyPatch) -> None:
    comparing.no_proxies(monkeypatch)
    results = {"total_rejected_recipients": 0, "total_accepted_recipients": 1, "id": "1"}
    with comparing.recorder(status=200, json={"results": results}) as server:
        comparing.send(Adapter("sp-test", base_url=comparing.url(server)), MAIL)
        client = SparkPost("sp-test")
        client.transmissions.base_uri = f"{comparing.url(server)}/api/v1"
        client.transmissions.send(
            recipients=[{"address": {"email": MAIL.to}, "metadata": {"dripline_key": MAIL.key}}],
            from_email={"email": "nora@northwind.example", "name": "Nora at Northwind"},
            subject=MAIL.subject,
            text=MAIL.text,
            html=MAIL.html,
            custom_headers={**MAIL.headers, "Message-ID": f"<{MAIL.message_id}>"},
        )
        client.transmissions.transport.sess.close()
    comparing.assert_same(*server.requests)


@pytest.mark.parametrize(
    ("written", "goes_out"),
    [
        ("Hi {Ann}", "Hi {Ann}"),
        ("{{ name }}", "{{opening_double_curly()}} name {{closing_double_curly()}}"),
        ("{{{raw}}}", "{{opening_triple_curly()}}raw{{closing_triple_curly()}}"),
        ("{{{{", "{{opening_triple_curly()}}{"),
        ("}}}}}", "{{closing_triple_curly()}}{{closing_double_curly()}}"),
        ("{{opening_double_curly()}}", "{{opening_double_curly()}}opening_double_curly(){{closing_double_curly()}}"),
    ],
)
def test_what_looks_like_a_substitution_is_text(written: str, goes_out: str) -> None:
    assert literally(written) == goes_out
    mail = replace(MAIL, subject=written, text=written, html=written, sender=f'"{written}" <nora@northwind.example>')
    said = content(mail, parts(mail, NOW))["content"]
    assert {said["subject"], said["text"], said["html"], said["from"]["name"]} == {goes_out}


def test_too_many_events_about_one_person_are_no_proof_of_absence() -> None:
    with scripted.Http(steps=[{"status": 200, "json": {"results": [{}] * 1000}}]) as server:
        adapter = Adapter("sp-test", base_url=comparing.url(server))
        with pytest.raises(Unavailable, match="more about"):
            adapter.find(TRACE)
        adapter.close()
    assert "from=2026-09-07T09%3A30%3A00Z" in server.requests[0]["path"]
