from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from tests.waiting import eventually
from tests.workers.web.support import GOOD, Greeting, Plain, event, running
from workers.exceptions import RulebookError, StoreUnavailable
from workers.store.slices import slice_of
from workers.web.sources import ActiveSources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from integrations.contracts import Incoming, Request
    from tests.workers.web.support import Web
    from workers.clock import SteppedClock

NOTHING = {"accepted": 0, "duplicates": 0, "quarantined": 0, "ignored": 0}


def test_events_are_in_the_log_when_the_answer_comes(web: Web) -> None:
    answer = web.deliver("a", "b")
    assert (answer.status, answer.json) == (202, NOTHING | {"accepted": 2})
    rows = web.rows("SELECT source, event_id, type, subject, received_at, convert_from(payload, 'UTF8') FROM events")
    assert rows == [
        ("plain", "a", "form.submitted", "email:ann@acme.test", web.clock(), '"a"'),
        ("plain", "b", "form.submitted", "email:ann@acme.test", web.clock(), '"b"'),
    ]
    assert web.rows("SELECT slice FROM inbox") == [(slice_of("email:ann@acme.test"),)] * 2


def test_workers_are_told_once_which_slices_have_work(web: Web) -> None:
    web.deliver("a", "b")
    eventually(lambda: web.offered == [{slice_of("email:ann@acme.test")}])
    web.deliver("a")
    assert len(web.offered) == 1


def test_what_is_known_already_is_said_to_be(web: Web) -> None:
    web.deliver("a")
    assert web.deliver("a", "b", "b").json == NOTHING | {"accepted": 1, "duplicates": 2}
    assert len(web.rows("SELECT FROM events")) == 2


def test_parts_that_cannot_be_read_are_kept_with_their_reason(web: Web) -> None:
    answer = web.deliver("a", "unreadable", headers=GOOD | {"Authorization": "Basic secret", "X-Id": "7"})
    assert (answer.status, answer.json) == (202, NOTHING | {"accepted": 1, "quarantined": 1})
    [(kind, source, reason, detail, payload, headers, url)] = web.rows(
        "SELECT kind, source, reason, detail, convert_from(payload, 'UTF8'), headers, url FROM quarantine"
    )
    assert (kind, source, reason, detail) == ("delivery", "plain", "no-identity", "there is no email")
    assert payload == '"unreadable"'
    assert headers["x-id"] == "7"
    assert "authorization" not in headers
    assert url == f"{web.server.url}/hooks/plain"


def test_a_delivery_of_nothing_readable_is_accepted_all_the_same(web: Web) -> None:
    assert web.deliver("unreadable", "unreadable").json == NOTHING | {"quarantined": 2}


def test_what_we_do_not_want_is_counted_and_not_kept(web: Web) -> None:
    assert web.deliver("ignored").json == NOTHING | {"ignored": 1}
    assert web.rows("SELECT FROM events UNION ALL SELECT FROM quarantine") == []
    assert web.counted("dripline_events_total", source="plain", result="ignored") == 1


def test_a_bug_in_an_adapter_loses_nothing(web: Web) -> None:
    answer = web.deliver("a", "bug", "b")
    assert (answer.status, answer.json) == (202, NOTHING | {"quarantined": 1})
    assert web.rows("SELECT reason, detail, convert_from(payload, 'UTF8') FROM quarantine") == [
        ("adapter-error", "ZeroDivisionError: a bug in normalise", '["a", "bug", "b"]')
    ]
    assert web.rows("SELECT FROM events") == []


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────

HEADERS = {401: ("www-authenticate", 'Webhook-Signature realm="dripline"'), 405: ("allow", "POST")}
REFUSALS: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("unknown source", "nobody", {"headers": GOOD}, 404, "unknown-source"),
    ("no source", "", {"headers": GOOD}, 404, "unknown-source"),
    ("something below a source", "plain/x", {"headers": GOOD}, 404, "unknown-source"),
    ("no signature", "plain", {"body": "[]"}, 401, "bad-signature"),
    ("not JSON", "plain", {"body": "[", "headers": GOOD}, 400, "malformed"),
    ("GET", "plain", {"method": "GET"}, 405, "method-not-allowed"),
    ("PUT", "plain", {"method": "PUT", "headers": GOOD}, 405, "method-not-allowed"),
    ("too large", "plain", {"body": "x" * 1001, "headers": GOOD}, 413, "too-large"),
    ("much too large", "plain", {"body": "x" * 500_000, "headers": GOOD}, 413, "too-large"),
    ("too large in chunks", "plain", {"body": [b"x" * 600] * 2, "headers": GOOD}, 413, "too-large"),
    ("no verdict", "plain", {"body": "[]", "headers": {"x-signature": "unsure"}}, 503, "unverifiable"),
    ("a bug in verify", "plain", {"body": "[]", "headers": {"x-signature": "crash"}}, 500, "adapter-error"),
]


@pytest.mark.parametrize(
    ("source", "request_", "status", "word"),
    [pytest.param(*case[1:], id=case[0]) for case in REFUSALS],
)
def test_a_refusal_says_what_to_do_and_is_counted(
    web: Web, source: str, request_: dict[str, Any], status: int, word: str
) -> None:
    given = {"method": "POST", "path": f"/hooks/{source}"} | request_
    answer = web.request(**given)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["type"] == f"urn:dripline:problem:{word}"
    assert answer.json["status"] == status
    assert answer.json["title"]
    assert answer.json["detail"].endswith(".")
    if status in HEADERS:
        assert HEADERS[status] in answer.headers.items()
    label = "plain" if source == "plain" else "unknown"
    assert web.counted("dripline_deliveries_total", source=label, outcome=word) == 1
    assert web.rows("SELECT FROM events UNION ALL SELECT FROM quarantine") == []


# ── greetings ────────────────────────────────────────────────────────────────────────────────────────────────


def test_whether_there_is_such_an_address_can_be_asked_before_the_secret_is_known(
    engine: Engine, clock: SteppedClock
) -> None:
    active = ActiveSources("one", {"plain": Plain()}, {"shut": "DRIPLINE_SHUT_SECRET is not set"})
    with running(engine, clock, active=active) as web:
        found = {name: web.request("HEAD", f"/hooks/{name}").status for name in ("plain", "shut", "nobody")}
    assert found == {"plain": 200, "shut": 200, "nobody": 404}


def test_a_greeting_is_answered_and_nothing_is_stored(engine: Engine, clock: SteppedClock) -> None:
    source = Greeting()
    with running(engine, clock, sources={"plain": source}) as web:
        refused = web.deliver("a", headers={"x-hello": "long"})
        unconfirmed = web.deliver("a", headers={**GOOD, "x-hello": "long"})
        answers = [web.deliver("a", headers={**GOOD, "x-hello": said}) for said in ("long", "short")]
        nonsense = web.deliver("a", headers={**GOOD, "x-hello": "nonsense"})
        assert web.rows("SELECT FROM events") == []
        assert web.deliver("a").status == 202
        assert web.counted("dripline_deliveries_total", source="plain", outcome="greeted") == 2
    assert (refused.status, unconfirmed.status, nonsense.status) == (401, 503, 400)
    assert unconfirmed.json["type"] == "urn:dripline:problem:unconfirmed"
    assert [(each.status, each.body, each.headers["content-type"]) for each in answers] == [
        (200, b"hello yourself", "text/plain")
    ] * 2
    assert source.confirmed == 2


def test_a_signature_that_takes_time_is_checked_aside(engine: Engine, clock: SteppedClock) -> None:
    source = Greeting()
    with running(engine, clock, sources={"plain": source}) as web:
        assert web.deliver("a").status == 202
    assert source.verified_in != source.greeted_in, "it keeps all others waiting"


def test_a_body_of_exactly_the_limit_is_taken(web: Web) -> None:
    body = json.dumps(["a"]).ljust(1000)
    assert web.request("POST", "/hooks/plain", body, GOOD).status == 202


def test_a_sender_who_hangs_up_is_counted(web: Web) -> None:
    with socket.create_connection((web.server.host, web.server.port), timeout=10) as conn:
        conn.sendall(b"POST /hooks/plain HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n[")
    eventually(lambda: web.counted("dripline_deliveries_total", source="plain", outcome="disconnected") == 1)


# ── what verify sees ─────────────────────────────────────────────────────────────────────────────────────────


class Witness(Plain):
    def __init__(self) -> None:
        self.seen: list[Request] = []

    def verify(self, request: Request) -> None:
        self.seen.append(request)


@pytest.mark.parametrize(
    ("public_url", "seen"),
    [
        ("https://hooks.acme.test/", "https://hooks.acme.test/hooks/site%20a?x=%201&y"),
        ("", "http://sender.test/hooks/site%20a?x=%201&y"),
    ],
)
def test_an_adapter_sees_the_request_as_it_was_sent(
    engine: Engine, clock: SteppedClock, public_url: str, seen: str
) -> None:
    witness = Witness()
    with running(engine, clock, sources={"site a": witness}, public_url=public_url) as web:
        web.request("POST", "/hooks/site%20a?x=%201&y", b"[ ]\r\n", {"Host": "sender.test", "X-Odd": "gr\xfc\xdf"})
    [request] = witness.seen
    assert (request.method, request.url, request.body) == ("POST", seen, b"[ ]\r\n")
    assert request.headers["x-odd"] == "gr\xfc\xdf"
    assert request.received_at == clock()


# ── data that no database takes ──────────────────────────────────────────────────────────────────────────────


class Odd(Plain):
    def normalise(self, request: Request) -> Iterator[Incoming]:
        yield event(request.headers["x-event"], request.received_at, type=json.loads(request.body))


def test_data_that_cannot_be_stored_are_quarantined_whole(engine: Engine, clock: SteppedClock) -> None:
    with running(engine, clock, sources={"odd": Odd()}) as web:
        answer = web.request("POST", "/hooks/odd", '{"not": "text"}', GOOD | {"x-event": "a"})
        assert answer.status == 202
        assert web.rows("SELECT count(*) FROM events") == [(int(answer.json["accepted"]),)]
        assert answer.json["accepted"] + answer.json["quarantined"] == 1


# ── another rulebook ─────────────────────────────────────────────────────────────────────────────────────────


def test_sources_of_a_new_rulebook_are_served_without_a_restart(web: Web) -> None:
    assert web.deliver("a", source="new").status == 404
    web.active.append(ActiveSources("two", {"new": Plain()}))
    eventually(lambda: web.deliver("a", source="new").status == 202)
    assert web.deliver("a").status == 404


def test_before_the_sources_are_known_nobody_is_told_that_there_are_none(engine: Engine, clock: SteppedClock) -> None:
    with running(engine, clock, active=StoreUnavailable("PostgreSQL is away")) as web:
        answer = web.deliver("a")
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert answer.json["type"] == "urn:dripline:problem:sources-not-loaded"
        assert web.counted("dripline_deliveries_total", source="unknown", outcome="sources-not-loaded") == 1
        web.active.append(ActiveSources("one", {"plain": Plain()}))
        eventually(lambda: web.deliver("a").status == 202)
        assert web.deliver("a", source="nobody").status == 404


def test_the_sender_of_a_source_that_is_not_configured_is_told_to_come_again(web: Web) -> None:
    closed = {"typeform": "DRIPLINE_TYPEFORM_SECRET is not set"}
    web.active.append(ActiveSources("two", {"plain": Plain()}, closed))
    eventually(lambda: web.deliver("a", source="typeform").status != 404)
    before = web.counted("dripline_deliveries_total", source="typeform", outcome="source-closed")
    answer = web.deliver("a", source="typeform")
    assert (answer.status, answer.headers["retry-after"]) == (503, "60")
    assert answer.json["type"] == "urn:dripline:problem:source-closed"
    assert "SECRET" not in answer.text
    after = web.counted("dripline_deliveries_total", source="typeform", outcome="source-closed")
    assert after == before + 1
    assert "/hooks/typeform</code> is closed: DRIPLINE_TYPEFORM_SECRET is not set" in web.get("/").text
    web.active.append(ActiveSources("three", {"plain": Plain(), "typeform": Plain()}))
    eventually(lambda: web.deliver("a", source="typeform").status == 202)


def test_a_rulebook_that_cannot_be_used_changes_nothing(web: Web) -> None:
    web.active.append(RulebookError(("rules/account.yaml: is missing",)))
    asked = len(web.asked)
    eventually(lambda: len(web.asked) > asked + 1)
    assert web.deliver("a").status == 202
