"""What every e-mail provider has to do. Finds all adapters by itself; a new one needs only its cases."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

import pytest

from integrations import discovery
from integrations.contracts import Attachment, FindingProvider, Mail, Trace
from integrations.posting import armoured
from tests.contract.comparing import form
from tests.contract.outcomes import MAIL, Case, cases, check, outcome, staged
from tests.contract.recorded import recorded

if TYPE_CHECKING:
    from pathlib import Path

ADAPTERS = discovery.names("email")
ALL = [case for adapter in ADAPTERS for case in cases("email", adapter)]
CASES = [case for case in ALL if case.call == "send"]
FINDING = [case for case in ALL if case.call == "find"]
ACCEPTING = [case for case in CASES if "accepted" in case.expect]
OVER_HTTP = list({case.adapter: case for case in reversed(ACCEPTING) if "http" in case.server}.values())[::-1]
FEEDING_BACK = [adapter for adapter in ADAPTERS if adapter in discovery.names("sources")]
TRACE: Final = Trace(MAIL.key, "d41d8cd98f", MAIL.to, datetime(2026, 9, 7, 10, tzinfo=UTC))
CARRIED: Final = (MAIL.key, armoured(MAIL.key))
"""A key as it goes out; some providers take letters and digits only."""


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"subject": "Hi\r\nBcc: eve@evil.test"}, "bad-header"),
        ({"subject": "Hi\nBcc: eve@evil.test"}, "bad-header"),
        ({"subject": "Hi\x00"}, "bad-header"),
        ({"headers": {"X-A": "1\r\nBcc: eve@evil.test"}}, "bad-header"),
        ({"headers": {"X-A\r\nBcc: eve@evil.test\r\nX": "1"}}, "bad-header"),
        ({"headers": {"Bcc": "eve@evil.test"}}, "bad-header"),
        ({"headers": {"Content-Type": "text/html"}}, "bad-header"),
        ({"message_id": "a@b>\r\nBcc: eve@evil.test"}, "bad-header"),
        ({"to": "ann@acme.test\r\nRCPT TO:<eve@evil.test>"}, "bad-address"),
        ({"to": "ann@acme.test, eve@evil.test"}, "bad-address"),
        ({"to": "ann@acme.test> SIZE=1 <eve@evil.test"}, "bad-address"),
        ({"to": ""}, "bad-address"),
        ({"sender": "Nora\r\nBcc: eve@evil.test <nora@northwind.example>"}, "bad-address"),
    ],
)
@pytest.mark.parametrize("case", ACCEPTING, ids=str)
def test_nothing_breaks_out_of_a_header(case: Case, change: dict[str, object], code: str, tmp_path: Path) -> None:
    with staged(case, tmp_path) as (adapter, _):
        check(outcome(lambda: adapter.send(replace(MAIL, **change))), {"rejected": code})
        assert outcome(lambda: adapter.send(MAIL))[0] == "accepted"


@pytest.mark.parametrize("case", ACCEPTING, ids=str)
def test_after_closing_it_can_be_used_again(case: Case, tmp_path: Path) -> None:
    with staged(case, tmp_path) as (adapter, _):
        adapter.send(MAIL)
        adapter.close()
        assert outcome(lambda: adapter.send(MAIL))[0] == "accepted"


# ── providers with an HTTP API ───────────────────────────────────────────────────────────────────────────────


def test_every_provider_that_takes_mail_over_http_feeds_back() -> None:
    assert [case.adapter for case in OVER_HTTP] == FEEDING_BACK


def sent(case: Case, mail: Mail, folder: Path) -> dict[str, Any]:
    """The request that a mail becomes."""
    with staged(case, folder) as (adapter, server):
        adapter.send(mail)
    (request,) = server.requests
    return request


def readable(request: dict[str, Any]) -> str:
    """All that a request says, without the armour of JSON, forms, base64 and encoded words."""
    body = request["json"]
    texts = [json.dumps(body, ensure_ascii=False).replace("\\r\\n", "\n") if body else "", *request["headers"].values()]
    if body is None:
        texts += [part.decode() for parts in form(request).values() for part in parts]
    raw = body.get("Content", {}).get("Raw", {}).get("Data") if isinstance(body, dict) else None
    if raw:
        texts.append(base64.b64decode(raw).decode())
    return "\n".join(texts)


@pytest.mark.parametrize("case", OVER_HTTP, ids=str)
def test_the_key_goes_out_and_comes_back_in_the_events(case: Case, tmp_path: Path) -> None:
    said = readable(sent(case, MAIL, tmp_path))
    carried = [each for each in CARRIED if each in said]
    told = [
        delivery
        for delivery in recorded(case.adapter)
        if any(each in unquote_plus(delivery.request.body.decode()) for each in carried)
    ]
    keys = {event.get("properties", {}).get("message_key") for each in told for event in each.expect}
    assert MAIL.key in keys, f"record an event about the mail {MAIL.key}, which went out as {carried}"


@pytest.mark.parametrize("case", OVER_HTTP, ids=str)
def test_a_key_that_is_too_long_is_replaced_by_the_name_of_the_mail(case: Case, tmp_path: Path) -> None:
    said = readable(sent(case, replace(MAIL, key="mail:17:" + "x" * 2000), tmp_path))
    assert "d41d8cd98f" in said
    assert "x" * 2000 not in said


@pytest.mark.parametrize("case", OVER_HTTP, ids=str)
def test_names_and_domains_of_all_languages_go_out_whole(case: Case, tmp_path: Path) -> None:
    mail = replace(MAIL, sender='"Jürgen \\"Größe\\", CEO" <nora@büro.example>', to="ann@größe.example")
    said = readable(sent(case, mail, tmp_path))
    assert "ann@xn--gre-6ka8i.example" in said
    assert "nora@xn--bro-hoa.example" in said
    name = 'Jürgen "Größe", CEO'
    written = (name, json.dumps(name, ensure_ascii=False)[1:-1], json.dumps(json.dumps(name, ensure_ascii=False))[2:-2],
               base64.b64encode(name.encode()).decode())  # fmt: skip
    assert any(each in said.replace('\\\\\\"', '\\"') for each in written), said
    assert "Grüße aus Berlin" in said or base64.b64encode("Grüße aus Berlin".encode()).decode() in said


@pytest.mark.parametrize("case", OVER_HTTP, ids=str)
def test_headers_go_out_and_an_answer_may_go_elsewhere(case: Case, tmp_path: Path) -> None:
    headers = {**MAIL.headers, "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    said = readable(sent(case, replace(MAIL, headers=headers, reply_to="Ana <ana@northwind.example>"), tmp_path))
    assert "https://northwind.example/u/1" in said
    assert "List-Unsubscribe=One-Click" in said
    assert said.count("ana@northwind.example") == 1


@pytest.mark.parametrize("case", OVER_HTTP, ids=str)
def test_a_mail_without_html_has_none(case: Case, tmp_path: Path) -> None:
    said = readable(sent(case, replace(MAIL, html=None), tmp_path))
    assert "this is it" in said
    assert "html" not in said.lower().replace("text/html", "")


@pytest.mark.parametrize("case", OVER_HTTP, ids=str)
def test_attachments_go_out(case: Case, tmp_path: Path) -> None:
    agenda = Attachment("agenda.ics", "text/calendar", b"BEGIN:VCALENDAR")
    said = readable(sent(case, replace(MAIL, attachments=(agenda,)), tmp_path))
    assert "agenda.ics" in said  # not every provider takes the type beside it
    assert base64.b64encode(agenda.content).decode() in said


# ── looking up what is unclear ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("case", FINDING, ids=str)
def test_what_a_search_comes_to(case: Case, tmp_path: Path) -> None:
    with staged(case, tmp_path) as (adapter, _):
        check(outcome(lambda: adapter.find(TRACE)), case.expect)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_who_can_be_asked_shows_what_may_come_of_it(adapter: str) -> None:
    shown = {word for case in FINDING if case.adapter == adapter for word in case.expect}
    asked = hasattr(discovery.adapter("email", adapter), "find")
    assert not asked or {"accepted", "missing"} < shown
    assert asked or not shown


@pytest.mark.parametrize("case", [case for case in FINDING if "accepted" in case.expect], ids=str)
def test_who_can_be_asked_says_after_which_time(case: Case, tmp_path: Path) -> None:
    with staged(case, tmp_path) as (adapter, server):
        assert isinstance(adapter, FindingProvider)
        adapter.find(TRACE)
    assert server.requests[0]["method"] in {"GET", "POST"}
