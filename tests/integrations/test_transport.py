from __future__ import annotations

import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests
import responses
from requests.structures import CaseInsensitiveDict

from integrations.exceptions import ConfigurationError, Rejected, Unavailable, Unknown
from integrations.transport import Answer, Http, check_token, retry_after
from tests.contract import scripted
from tests.integrations.certificates import Certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 9, 7, 10, tzinfo=UTC)


@pytest.fixture
def http() -> Iterator[Http]:
    http = Http("https://api.test/base/", {"authorization": "Bearer x"})
    yield http
    http.close()


def answer(**headers: str) -> Answer:
    return Answer(503, CaseInsensitiveDict({name.replace("_", "-"): value for name, value in headers.items()}), b"")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry_After": "120"}, timedelta(minutes=2)),
        ({"Retry_After": " 0 "}, timedelta(0)),
        ({"Retry_After": "99999999999999999999"}, timedelta(days=1)),
        ({"Retry_After": "-5"}, None),
        ({"Retry_After": "1.5"}, None),
        ({"Retry_After": "²"}, None),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "Mon, 07 Sep 2026 10:00:30 GMT"}, timedelta(seconds=30)),
        ({"Retry_After": "Mon, 07 Sep 2026 09:00:00 GMT"}, timedelta(0)),
        (
            {"Retry_After": "Mon, 07 Sep 2026 10:00:30 GMT", "Date": "Mon, 07 Sep 2026 10:00:10 GMT"},
            timedelta(seconds=20),
        ),
        ({"Retry_After": "Mon, 07 Sep 2026 10:00:30 GMT", "Date": "today"}, timedelta(seconds=30)),
        ({"Retry_After": "Mon, 99 Sep 99999 10:00:30 GMT"}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], expected: timedelta | None) -> None:
    assert retry_after(answer(**headers), NOW) == expected


def test_a_date_without_anything_to_count_from_says_nothing() -> None:
    assert retry_after(answer(Retry_After="Mon, 07 Sep 2026 10:00:30 GMT")) is None


@responses.activate
def test_what_is_sent(http: Http) -> None:
    responses.post("https://api.test/base/things?a=%C3%A4", json={"id": 1}, headers={"Set-Cookie": "a=b"})
    for _ in range(2):
        found = http.send("POST", "/things", {"x": "ü"}, query={"a": "ä"}, headers={"x-extra": "1"})
    assert (found.status, found.json()) == (200, {"id": 1})
    sent: Any = responses.calls[1].request
    assert sent.body == '{"x":"ü"}'.encode()
    assert {name.lower(): value for name, value in sent.headers.items()} == {
        "authorization": "Bearer x",
        "accept": "application/json",
        "user-agent": "dripline",
        "content-type": "application/json",
        "content-length": "10",
        "x-extra": "1",
    }


@responses.activate
def test_an_answer_that_is_not_json_has_none(http: Http) -> None:
    responses.get("https://api.test/base/", body="<html>")
    assert http.send("GET", "/").json() is None


@responses.activate
def test_a_redirect_is_an_answer(http: Http) -> None:
    responses.get("https://api.test/base/", status=302, headers={"Location": "https://elsewhere.test/"})
    assert http.send("GET", "/").status == 302


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (requests.ConnectTimeout("late"), Unavailable),
        (requests.exceptions.InvalidHeader("what"), Unavailable),
        (requests.exceptions.InvalidURL("what"), Unavailable),
        (requests.ReadTimeout("late"), Unknown),
        (requests.ConnectionError("reset"), Unknown),
        (requests.exceptions.SSLError("bad record"), Unknown),
        (requests.exceptions.ChunkedEncodingError("broken"), Unknown),
        (requests.exceptions.ContentDecodingError("broken"), Unknown),
        (requests.RequestException("anything else"), Unknown),
    ],
)
@responses.activate
def test_only_a_failure_that_proves_it_is_unavailable(http: Http, error: Exception, outcome: type[Exception]) -> None:
    responses.get("https://api.test/base/", body=error)
    with pytest.raises(outcome, match=r"api\.test"):
        http.send("GET", "/")


def test_a_host_that_does_not_exist_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="no-such-host"):
        Http("http://no-such-host.invalid").send("POST", "/", {})


def test_a_port_that_nobody_listens_on_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="refused"):
        Http(f"http://127.0.0.1:{scripted.nobody_listens()}").send("POST", "/", {})


def test_a_password_in_the_url_is_not_told() -> None:
    with pytest.raises(Unavailable) as error:
        Http(f"http://nora:s3cret@127.0.0.1:{scripted.nobody_listens()}").send("POST", "/", {})
    assert "s3cret" not in str(error.value)


def test_what_others_say_is_made_safe_to_keep() -> None:
    assert str(Unavailable("a\x00b\n\ud800c")) == "a b  c"
    rejected = Rejected("5\x0050", "x" * 5000)
    assert (rejected.code, len(rejected.text), len(str(rejected))) == ("5 50", 1000, 1000)


def test_connections_are_used_again_by_all_threads() -> None:
    with scripted.Http(steps=[{"status": 200}]) as server:
        http = Http(f"http://127.0.0.1:{server.port}", connections=3)

        def work() -> None:
            for _ in range(20):
                assert http.send("POST", "/", {"a": 1}).status == 200

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        http.close()
    assert len(server.requests) == 60
    assert server.connections <= 3


def test_a_connection_that_was_closed_meanwhile_is_replaced() -> None:
    with scripted.Http(steps=[{"status": 200}]) as server:
        http = Http(f"http://127.0.0.1:{server.port}")
        http.send("GET", "/")
        server.open[0].shutdown(socket.SHUT_RDWR)
        time.sleep(0.05)  # it has to arrive; whether it has, only the pool itself can see
        assert http.send("GET", "/").status == 200
        http.close()


def test_an_answer_without_end_is_cut_off() -> None:
    with scripted.Http(steps=[{"status": 200, "body": "x" * 6_000_000}]) as server:
        http = Http(f"http://127.0.0.1:{server.port}")
        found = http.send("GET", "/")
        http.close()
    assert found.status == 200
    assert 4_000_000 < len(found.body) < 5_000_000


def test_a_certificate_that_nobody_vouches_for_is_unavailable(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*Certificate(tmp_path).files)

    class Tls(scripted.Http):
        def talk(self, connection: Any) -> None:
            with context.wrap_socket(connection, server_side=True) as wrapped:
                super().talk(wrapped)

    with Tls(steps=[{"status": 200}]) as server:
        http = Http(f"https://127.0.0.1:{server.port}")
        with pytest.raises(Unavailable, match="certificate"):
            http.send("POST", "/", {})
        http.close()
    assert server.requests == []


@pytest.mark.parametrize(
    "url", ["", "api.test", "ftp://api.test", "https://", "http://[::1", "file:///etc/passwd", "http://a:x/"]
)
def test_what_is_no_url_is_refused_when_it_is_set(url: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        Http(url)
    assert error.value.field == "base_url"


@pytest.mark.parametrize("token", ["a\nb", "tok\u2013en", " x", "x\r", "a\x00"])
def test_a_token_that_no_header_can_hold_is_refused_when_it_is_set(token: str) -> None:
    with pytest.raises(ConfigurationError, match="copy it again"):
        check_token(token, "token")
